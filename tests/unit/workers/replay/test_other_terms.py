"""Other terms from a business date on: before it stands what was recorded."""

import copy
from datetime import date

import pytest

from settlement.terms import TermsBook, TermsError
from workers.replay.simulation.terms import OtherTerms

RECORDED = TermsBook.builtin()


def with_penalty(bps: int, *, effective_from: str | None = None) -> dict:
    document = copy.deepcopy(RECORDED.document)
    for version in document["versions"]:
        version["penalty_bps_per_day"] = bps
    if effective_from is not None:
        document["versions"].append({**copy.deepcopy(document["versions"][-1]), "effective_from": effective_from})
    return document


def test_without_a_date_they_hold_from_the_beginning():
    assert OtherTerms(with_penalty(77)).in_place_of(RECORDED).on(date(2020, 1, 1)).penalty_bps_per_day == 77


def test_with_a_date_the_recorded_ones_hold_until_then():
    since = date(2026, 5, 1)
    book = OtherTerms(with_penalty(77), since).in_place_of(RECORDED)
    before = RECORDED.on(date(2026, 4, 30))
    assert book.on(date(2026, 4, 30)) == before
    assert book.on(since).penalty_bps_per_day == 77
    assert book.since(before.effective_from) == before, "orders accepted before keep theirs"


def test_later_versions_of_the_other_terms_follow_and_recorded_ones_do_not():
    recorded = TermsBook.parse(with_penalty(5, effective_from="2026-08-01"))
    book = OtherTerms(with_penalty(77, effective_from="2026-09-01"), date(2026, 5, 1)).in_place_of(recorded)
    starts = [version.effective_from.isoformat() for version in book.versions]
    assert starts[-2:] == ["2026-05-01", "2026-09-01"]
    assert "2026-08-01" not in starts


def test_what_is_published_later_follows_what_stood_before():
    later = TermsBook.parse({"versions": [*RECORDED.document["versions"], _another("2026-04-01")]})
    other = OtherTerms(with_penalty(77), date(2026, 5, 1))
    other.in_place_of(RECORDED).succeeded_by(other.in_place_of(later))


def _another(effective_from: str) -> dict:
    return {**copy.deepcopy(RECORDED.document["versions"][-1]), "effective_from": effective_from}


def test_a_programme_that_would_vanish_is_refused():
    document = with_penalty(5)
    for version in document["versions"]:
        del version["programmes"]["tmall"]
    with pytest.raises(TermsError, match="tmall"):
        OtherTerms(document, date(2026, 5, 1)).in_place_of(RECORDED)


def test_a_programme_keeps_its_currency():
    document = with_penalty(5)
    for version in document["versions"]:
        version["programmes"]["tmall"]["currency"] = "USD"
    with pytest.raises(TermsError, match="USD"):
        OtherTerms(document, date(2026, 5, 1)).in_place_of(RECORDED)
