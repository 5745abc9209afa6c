"""Bad texts: what is no JSON object, or one that nobody may send, gets its reason."""

import json
import time

import pytest

from contracts.envelope import MAX_BYTES
from tests.contract.builders import RAW, accepted, placed, refused


def padded(size: int) -> bytes:
    """A valid message of exactly so many bytes."""
    bare = len(json.dumps(placed(padding="")))
    return json.dumps(placed(padding="x" * (size - bare))).encode()


BROKEN_TEXTS = {
    "tombstone": (None, "empty", "got no value (a tombstone)"),
    "empty": (b"", "empty", "got a value of 0 bytes"),
    "white space only": (b"  \n", "not_json", "EOF"),
    "one byte too many": (padded(MAX_BYTES + 1), "too_large", "expected at most 262144 bytes, got 262145"),
    "one MiB": (b"{" + b" " * 2**20, "too_large", "got 1048577"),
    "truncated": (RAW[:-1], "not_json", "EOF"),
    "truncated within a text": (RAW[:20], "not_json", "EOF"),
    "two objects": (RAW + RAW, "not_json", "trailing"),
    "trailing comma": (b'{"a": 1,}', "not_json", "trailing comma"),
    "not JSON": (b"<xml/>", "not_json", "line 1 column 1"),
    "single quotes": (b"{'a': 1}", "not_json", "line 1"),
    "msgpack": (b"\x81\xa1a\x01", "bad_utf8", "got 0x81 at byte 0"),
    "bad UTF-8": (RAW.replace(b"o-1", b"o-\xff"), "bad_utf8", "got 0xff at byte"),
    "bad UTF-8 in an unknown field": (RAW[:-1] + b', "x": "\xc3("}', "bad_utf8", "got 0xc3"),
    "bad UTF-8 in an unknown key": (RAW[:-1] + b', "\xff": 1}', "bad_utf8", "got 0xff"),
    "a surrogate in UTF-8": (RAW.replace(b"o-1", b"o-\xed\xa0\x80"), "bad_utf8", "got 0xed"),
    "overlong UTF-8": (RAW.replace(b"o-1", b"o-\xc0\xaf"), "bad_utf8", "got 0xc0"),
    "Latin-1": (RAW.replace(b"o-1", "o-é".encode("latin-1")), "bad_utf8", "got 0xe9"),
    "byte order mark": (b"\xef\xbb\xbf" + RAW, "byte_order_mark", "send without"),
    "UTF-16": (RAW.decode().encode("utf-16-le"), "nul", "NUL byte at byte 1"),
    "NUL byte": (RAW.replace(b"o-1", b"o-\x00"), "nul", "NUL byte at byte"),
    "NUL after the object": (RAW + b"\x00", "nul", "NUL byte"),
    "escaped NUL": (RAW.replace(b"o-1", b"o-\\u0000"), "nul", "\\u0000 at byte"),
    "escaped NUL in an unknown field": (RAW[:-1] + b', "x": ["\\u0000"]}', "nul", "\\u0000"),
    "escaped NUL in a key": (RAW[:-1] + b', "\\u0000": 1}', "nul", "\\u0000"),
    "escaped NUL behind an escaped backslash": (RAW.replace(b"o-1", b"\\\\\\u0000"), "nul", "\\u0000"),
    "lone high surrogate": (RAW.replace(b"o-1", b"\\ud800"), "lone_surrogate", "half"),
    "lone high surrogate before another escape": (RAW.replace(b"o-1", b"\\ud800\\n"), "lone_surrogate", "half"),
    "lone low surrogate": (RAW.replace(b"o-1", b"\\udc00"), "lone_surrogate", "half"),
    "lone surrogate in an unknown field": (RAW[:-1] + b', "x": "\\udfff"}', "lone_surrogate", "half"),
    "duplicate key": (RAW[:-1] + b', "order_id": "o-2"}', "duplicate_key", "got 'order_id' twice"),
    "duplicate key of equal value": (RAW[:-1] + b', "order_id": "o-1"}', "duplicate_key", "got 'order_id' twice"),
    "duplicate key written as an escape": (RAW[:-1] + b', "order\\u005fid": "o-1"}', "duplicate_key", "'order_id'"),
    "duplicate key with a space before the colon": (RAW[:-1] + b', "order_id" :"o-2"}', "duplicate_key", "'order_id'"),
    "duplicate key with a line feed there": (RAW[:-1] + b',"order_id"\r\n\t:"o-2"}', "duplicate_key", "'order_id'"),
    "duplicate key in the plan": (RAW.replace(b'"days": 30', b'"days": 30, "days": 90'), "duplicate_key", "'days'"),
    "duplicate unknown key": (RAW[:-1] + b', "x": 1, "x": 1}', "duplicate_key", "'x'"),
    "duplicate key deep within": (RAW[:-1] + b', "x": [{"y": {"z": 1, "z": 2}}]}', "duplicate_key", "'z'"),
    "duplicate type": (RAW[:-1] + b', "type": "purchase.received"}', "duplicate_key", "'type'"),
    "duplicate key beside a wrong field": (
        RAW.replace(b"129900", b"0")[:-1] + b', "order_id": "o-1"}',
        "duplicate_key",
        "'order_id'",
    ),
    "NaN": (RAW.replace(b"129900", b"NaN"), "not_json", "got NaN"),
    "NaN in an unknown field": (RAW[:-1] + b', "x": NaN}', "not_json", "got NaN"),
    "Infinity in an unknown field": (RAW[:-1] + b', "x": -Infinity}', "not_json", "got -Infinity"),
    "nested 100000 deep": (b"[" * 100_000, "too_deep", "at most 200 levels"),
    "nested 100000 deep and closed": (b"[" * 100_000 + b"]" * 100_000, "too_deep", "at most 200 levels"),
    "objects 40000 deep": (b'{"a":' * 40_000 + b"1" + b"}" * 40_000, "too_deep", "at most 200 levels"),
    "an unknown field too deep": (RAW[:-1] + b', "x": ' + b"[" * 200 + b"1" + b"]" * 200 + b"}", "too_deep", "200"),
    "a number of 5000 digits": (RAW[:-1] + b', "x": ' + b"9" * 5000 + b"}", "not_json", "out of range"),
    "a list": (b"[]", "wrong_shape", "expected a JSON object, got a list of 0"),
    "a text": (b'"purchase.placed"', "wrong_shape", 'got "purchase.placed"'),
    "a number": (b"17", "wrong_shape", "got 17"),
    "null": (b"null", "wrong_shape", "got null"),
    "an empty object": (b"{}", "missing_field", "type: expected a text, but it is missing"),
}


@pytest.mark.parametrize("case", BROKEN_TEXTS)
def test_a_broken_text_is_refused_with_its_reason(case):
    value, reason, detail = BROKEN_TEXTS[case]
    rejected = refused(value)
    assert (rejected.reason, rejected.raw) == (reason, value)
    assert detail in rejected.detail


def test_a_message_of_exactly_the_largest_size_is_accepted():
    assert len(accepted(padded(MAX_BYTES), key="a-1").raw) == MAX_BYTES


def test_what_only_looks_like_bad_input_is_accepted():
    for value in (
        RAW.replace(b"o-1", b"\\\\u0000"),  # an escaped backslash before u0000
        RAW.replace(b"o-1", b"\\ud83d\\ude00"),  # a whole pair of surrogates
        RAW.replace(b"o-1", "订单-\U0001f600".encode()),
        RAW.replace(b"o-1", b'\\":\\":'),  # what ends a key, within a text
        b"  \r\n\t" + RAW + b"\n",
        RAW.replace(b": ", b" :\t"),
        RAW[:-1] + b', "x": {"order_id": 1, "type": [{"type": 2}]}, "": 0, "\xe9\x94\xae": -1e400}',
        RAW[:-1] + b', "x": ' + b"[" * 199 + b"1" + b"]" * 199 + b"}",
        RAW[:-1] + b', "x": ' + b"9" * 4300 + b"}",
    ):
        accepted(value, key="a-1")


@pytest.mark.parametrize(
    "value", [b"[" * 200_000, b'{"a":' * 50_000, b"9" * 260_000, b'"' + b"\\u0041" * 40_000, b"{" * 9]
)
def test_a_hostile_text_costs_little(value):
    started = time.perf_counter()
    refused(value)
    assert time.perf_counter() - started < 0.5
