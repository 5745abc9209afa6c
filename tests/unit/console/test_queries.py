"""What is asked for in an address, read."""

from datetime import UTC, datetime

import pytest

from console import queries
from console.routes import AskedWronglyError
from storage.outcome_search import PageEnd, RecordEnd
from storage.payouts import PayoutPlace

AT = datetime(2026, 1, 8, tzinfo=UTC)
PLACE = PageEnd(AT, 1, "purchase", 7, "acc-000123456/\ud800")


def test_a_place_comes_back_and_its_token_says_nothing_of_it():
    token = queries.token(PLACE)
    assert queries.place({"after": token}, PageEnd) == PLACE
    assert token == queries.token(PLACE) != queries.token(PLACE._replace(offset=8))
    assert token.isalnum(), "no form of the value, and the same length for all"
    assert len(token) == queries.TOKEN_LENGTH
    assert queries.place({}, PageEnd) is None


@pytest.mark.parametrize("after", ["made up", "[" * 5000, "WzFd"])
def test_a_place_that_no_page_gave_is_none(after):
    with pytest.raises(AskedWronglyError, match="begin anew"):
        queries.place({"after": after}, PageEnd)


@pytest.mark.parametrize("kind", [PayoutPlace, RecordEnd])
def test_a_place_of_another_list_is_none(kind):
    with pytest.raises(AskedWronglyError, match="after: "):
        queries.place({"after": queries.token(PLACE)}, kind)


def test_the_places_asked_for_longest_ago_go_first(monkeypatch):
    monkeypatch.setattr(queries, "_kept", queries.OrderedDict())
    monkeypatch.setattr(queries, "KEPT", 2)
    first, second, third = (queries.token(PLACE._replace(offset=offset)) for offset in range(3))
    assert [each in queries._kept for each in (first, second, third)] == [False, True, True]
    assert queries.place({"after": second}, PageEnd) is not None
    queries.token(PLACE)
    assert [each in queries._kept for each in (second, third)] == [True, False]
