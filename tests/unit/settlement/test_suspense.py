"""Money whose account nobody knows: docs/rules.md, Suspense."""

from dataclasses import replace
from datetime import timedelta

import pytest

from settlement.decision import Decision, Outcome
from settlement.ledger import LedgerAccount, Posting
from settlement.messages import RepaymentReversed, SuspenseReleased
from settlement.outputs import NotificationRequested
from settlement.suspense import SuspenseEntry
from tests.unit.settlement.builders import Lane, at, opened, repaid

IN = Posting(LedgerAccount.GATEWAY_CLEARING, LedgerAccount.SUSPENSE, "CNY", 500)
OUT = Posting(LedgerAccount.SUSPENSE, LedgerAccount.GATEWAY_CLEARING, "CNY", 500)
REVERSAL = RepaymentReversed("money", "chargeback")
RELEASE = SuspenseReleased("money", "it is another buyer's")


def lane_that_got_money() -> Lane:
    """A lane to which 5 yuan came on 2 January for an account that nobody knows."""
    lane = Lane()
    assert lane.send("2026-01-02", repaid(500, "money")).waits_for == "account:buyer"
    return lane


def lane_with_suspense() -> Lane:
    """The same, three days later."""
    lane = lane_that_got_money()
    lane.tick("2026-01-05")
    return lane


def decided(lane: Lane) -> list[Decision]:
    """What became of inputs in the last step."""
    return [each.decision for each in lane.last if each.input is not None]


def test_money_of_an_unknown_account_is_kept_apart_when_its_wait_is_over():
    lane = lane_that_got_money()
    before = at("2026-01-05") - timedelta(seconds=1)
    assert lane.tick(before) == []
    lane.tick("2026-01-05")
    (kept,) = lane.last
    assert (kept.decision.outcome, kept.decision.reason) == (Outcome.APPLIED, "reference_unknown")
    assert (kept.was_parked, kept.decided_at, kept.decision.postings) == (True, at("2026-01-05"), (IN,))
    entry = lane.get(SuspenseEntry, "money")
    assert (entry.amount_minor, entry.currency, entry.account_id) == (500, "CNY", "buyer")
    assert (entry.received_at, entry.suspended_at) == (at("2026-01-02"), at("2026-01-05"))
    assert (entry.released_at, entry.event_id) == (None, "event-1")
    (notice,) = lane.outputs(NotificationRequested)
    assert (notice.recipient_kind, notice.template) == ("operator", "suspense_received")
    assert notice.params == {"account_id": "buyer", "suspense_id": "money", "amount_minor": 500, "currency": "CNY"}


def test_money_told_twice_while_it_waited_is_kept_once():
    lane = lane_that_got_money()
    lane.send("2026-01-02 13:00", repaid(500, "money"))
    lane.send("2026-01-02 14:00", repaid(501, "money"))
    lane.tick("2026-01-06")
    assert [each.outcome for each in decided(lane)] == [Outcome.APPLIED, Outcome.DUPLICATE, Outcome.CONFLICT]
    assert lane.totals["suspense", "CNY"] == 500


def test_a_line_opened_in_time_gets_its_money():
    lane = lane_that_got_money()
    lane.send("2026-01-04", opened())
    assert [each.outcome for each in decided(lane)] == [Outcome.APPLIED, Outcome.APPLIED]
    assert lane.tick("2026-01-06") == []
    assert lane.states[next(iter(lane.states.keys() - {None}))].find(SuspenseEntry, "money") is None


def test_a_line_whose_opening_was_declined_is_an_unknown_account():
    lane = lane_that_got_money()
    declined = lane.send("2026-01-03", opened("no such programme"))
    assert declined.reason == "not_supported"
    assert lane.send("2026-01-03", repaid(700, "more")).outcome is Outcome.PARKED
    lane.tick("2026-01-06")
    assert [each.reason for each in decided(lane)] == ["reference_unknown", "reference_unknown"]


def test_a_line_opened_later_does_not_get_it_and_the_repayment_is_known():
    lane = lane_with_suspense()
    lane.send("2026-01-06", opened())
    assert len(lane.last) == 1 and lane.account.customer_credit_minor == 0
    assert lane.send("2026-01-06", repaid(500, "money")).outcome is Outcome.DUPLICATE
    assert lane.send("2026-01-06", repaid(501, "money")).outcome is Outcome.CONFLICT
    assert lane.send("2026-01-06", repaid(500, "other")).outcome is Outcome.APPLIED


@pytest.mark.parametrize("again", [RELEASE, REVERSAL])
@pytest.mark.parametrize("first", [RELEASE, REVERSAL])
@pytest.mark.parametrize("known", [False, True])
def test_money_leaves_suspense_once(known, first, again):
    lane = lane_with_suspense()
    if known:
        lane.send("2026-01-06", opened())
    released = lane.send("2026-01-07", first)
    assert (released.outcome, released.reason, released.postings) == (Outcome.APPLIED, None, (OUT,))
    entry = lane.get(SuspenseEntry, "money")
    assert (entry.released_at, entry.reason) == (at("2026-01-07"), first.reason)
    (notice,) = lane.outputs(NotificationRequested)
    assert (notice.recipient_kind, notice.template) == ("operator", "suspense_released")
    assert notice.params["reason"] == first.reason
    second = lane.send("2026-01-08", replace(again, reason="once more"))
    assert (second.outcome, second.postings) == (Outcome.DUPLICATE, ())
    assert lane.get(SuspenseEntry, "money").released_at == at("2026-01-07")


@pytest.mark.parametrize("early", [RELEASE, REVERSAL])
def test_what_takes_it_out_waits_for_it(early):
    lane = lane_that_got_money()
    assert lane.send("2026-01-03", early).outcome is Outcome.PARKED
    lane.tick("2026-01-05")
    assert [each.postings for each in decided(lane)] == [(IN,), (OUT,)]


def test_a_reversal_that_came_before_the_repayment_finds_it_in_suspense():
    lane = Lane()
    assert lane.send("2026-01-02 08:00", REVERSAL).waits_for == "repayment:money"
    lane.send("2026-01-02 09:00", repaid(500, "money"))
    lane.send("2026-01-04", repaid(500, "other"))
    lane.tick("2026-01-05 08:59")
    assert [each.reason for each in decided(lane)] == ["unmatched"]
    again = lane.send("2026-01-05 08:59", REVERSAL)
    assert again.outcome is Outcome.PARKED
    lane.tick("2026-01-05 09:00")
    assert [each.postings for each in decided(lane)] == [(IN,), (OUT,)]


def test_a_reversal_waits_on_for_a_repayment_of_a_line_that_is_opened_meanwhile():
    lane = lane_that_got_money()
    assert lane.send("2026-01-03", REVERSAL).waits_for == "repayment:money"
    lane.send("2026-01-04", opened())
    assert [each.outcome for each in decided(lane)] == [Outcome.APPLIED] * 3


def test_a_release_of_what_never_comes_is_a_dead_letter():
    lane = Lane()
    assert lane.send("2026-01-02", RELEASE).waits_for == "suspense:money"
    lane.tick("2026-01-05")
    assert [each.reason for each in decided(lane)] == ["unmatched"]


def test_other_messages_of_an_unknown_account_are_dead_letters_as_ever():
    lane = Lane()
    lane.send("2026-01-02", SuspenseReleased("money", "x"))
    lane.send("2026-01-02", repaid(1, "in time"))
    lane.tick("2026-01-05")
    assert sorted(each.reason for each in decided(lane)) == ["reference_unknown", "unmatched"]
