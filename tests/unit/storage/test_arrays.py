"""Array literals, read back the way Postgres reads them is in tests/integration/storage; here is what is written."""

from datetime import UTC, date, datetime

from storage import arrays


def test_plain_texts_are_joined():
    assert arrays.texts(["a", "b c", "{d,e}"]) == '{"a","b c","{d,e}"}'


def test_quotes_and_backslashes_are_escaped():
    assert arrays.texts(['say "so"', "back\\slash"]) == '{"say \\"so\\"","back\\\\slash"}'


def test_a_text_that_looks_like_the_separator_does_not_split():
    assert arrays.texts(['a","b']) == '{"a\\",\\"b"}'


def test_no_values_are_an_empty_array_and_an_empty_text_is_a_value():
    assert arrays.texts([]) == "{}"
    assert arrays.texts([""]) == '{""}'


def test_none_is_null_and_the_text_null_is_not():
    assert arrays.texts([None, "NULL"]) == '{NULL,"NULL"}'
    assert arrays.plain([1, None, True]) == "{1, NULL, True}"
    assert arrays.blobs([None, b"\x00\xff"]) == '{NULL,"\\\\x00ff"}'
    assert arrays.instants([None, date(2026, 1, 2)]) == '{NULL,"2026-01-02"}'


def test_instants_keep_their_offset():
    assert arrays.instants([datetime(2026, 1, 2, 3, tzinfo=UTC)]) == '{"2026-01-02T03:00:00+00:00"}'


def test_lists_of_texts_survive_whatever_they_hold():
    for value in ((), ("a",), ("a", "b"), ('"', "\\"), ('x", "y',), ("", ""), ("new\nline", "\x7f"), ("字",)):
        written = arrays.document(value)
        assert arrays.undocumented(written) == value
