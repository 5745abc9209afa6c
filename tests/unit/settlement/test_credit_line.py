"""The credit line: opening, limit, flags and freezes."""

import pytest

from settlement.decision import DeclineReason, Outcome
from settlement.entities import Account
from settlement.messages import (
    CardLinked,
    CardUnlinked,
    IdentityVerified,
    LimitChanged,
    LineFrozen,
    LineUnfrozen,
    PurchaseReceived,
    ScoreChanged,
)
from settlement.outputs import AutoDebitRequested, LimitReclaimed, LimitRestored
from settlement.values import revised
from tests.unit.settlement.builders import BUYER, Lane, deferred, lane_with_line, opened, placed


def test_opening_grants_the_limit():
    lane = lane_with_line(limit_minor=50_000)
    assert lane.limits() == (50_000, 50_000, 0, 0)
    assert lane.outputs() == []


def test_opening_again_is_a_duplicate_with_equal_content_and_else_a_conflict():
    lane = lane_with_line(limit_minor=50_000)
    assert lane.send("2026-01-02", opened(limit_minor=50_000)).outcome is Outcome.DUPLICATE
    assert lane.send("2026-01-02", opened(limit_minor=60_000)).outcome is Outcome.CONFLICT
    assert lane.limits() == (50_000, 50_000, 0, 0)


def test_opening_an_unknown_programme_or_in_another_currency_is_declined_and_may_be_tried_again():
    lane = Lane()
    assert lane.send("2026-01-01", opened("nowhere")).reason == "not_supported"
    assert lane.send("2026-01-01", opened(currency="USD")).reason == "currency_mismatch"
    assert lane.send("2026-01-01", placed()).reason == "subject_declined"
    assert lane.send("2026-01-01", opened()).outcome is Outcome.APPLIED


def test_a_message_for_an_unknown_account_waits_for_it():
    lane = Lane()
    assert lane.send("2026-01-01", ScoreChanged(800)).outcome is Outcome.PARKED
    lane.send("2026-01-02", opened())
    assert lane.account.score == 800


def test_a_raised_limit_is_restored():
    lane = lane_with_line(limit_minor=50_000)
    lane.send("2026-01-02", LimitChanged(70_000, "CNY", "review"))
    assert lane.limits() == (70_000, 70_000, 0, 0)
    assert lane.outputs(LimitRestored) == [LimitRestored("buyer", 20_000, "CNY", "limit_raised", 70_000, 70_000)]
    assert lane.notices() == ["limit_restored"]


def test_a_lowered_limit_may_leave_less_than_nothing_available():
    lane = lane_with_line(limit_minor=50_000)
    lane.send("2026-01-02", placed(amount_minor=40_000))
    lane.send("2026-01-03", LimitChanged(30_000, "CNY", "review"))
    assert lane.limits() == (30_000, -10_000, 40_000, 0)
    assert lane.outputs(LimitReclaimed) == [LimitReclaimed("buyer", 20_000, "CNY", "limit_lowered", -10_000, 30_000)]
    assert lane.notices() == ["limit_reclaimed"]
    assert lane.send("2026-01-04", placed("small", 1)).reason == "limit_exceeded"


def test_a_value_set_to_what_it_is_is_applied_and_tells_nobody():
    lane = lane_with_line(limit_minor=50_000)
    assert lane.send("2026-01-02", LimitChanged(50_000, "CNY", "review")).outcome is Outcome.APPLIED
    assert lane.outputs() == []
    assert lane.send("2026-01-02", ScoreChanged(700)).outcome is Outcome.APPLIED


def test_a_limit_in_another_currency_is_declined():
    lane = lane_with_line()
    assert lane.send("2026-01-02", LimitChanged(50_000, "USD", "review")).reason == "currency_mismatch"


def test_a_flag_set_to_what_it_is_is_a_duplicate():
    lane = lane_with_line(card_linked=False, identity_verified=False)
    assert lane.send("2026-01-02", CardLinked()).outcome is Outcome.APPLIED
    assert lane.send("2026-01-02", CardLinked()).outcome is Outcome.DUPLICATE
    assert lane.send("2026-01-02", IdentityVerified()).outcome is Outcome.APPLIED
    assert lane.send("2026-01-02", IdentityVerified()).outcome is Outcome.DUPLICATE
    assert (lane.account.card_linked, lane.account.identity_verified) == (True, True)


def test_the_line_works_when_the_last_freeze_reason_is_gone():
    lane = lane_with_line(limit_minor=50_000)
    lane.send("2026-01-02", LineFrozen("manual"))
    lane.send("2026-01-02", LineFrozen("security"))
    assert lane.send("2026-01-02", LineFrozen("manual")).outcome is Outcome.DUPLICATE
    assert lane.account.freeze_reasons == ("manual", "security")
    lane.send("2026-01-03", LineUnfrozen("manual"))
    assert lane.outputs() == []
    assert lane.send("2026-01-03", placed()).reason == "line_frozen"
    lane.send("2026-01-04", LineUnfrozen("security"))
    assert lane.outputs(LimitRestored) == [LimitRestored("buyer", 50_000, "CNY", "unfrozen", 50_000, 50_000)]
    assert lane.send("2026-01-04", placed()).outcome is Outcome.APPLIED


def test_a_freeze_that_ends_with_nothing_available_restores_nothing():
    lane = lane_with_line(limit_minor=10_000)
    lane.send("2026-01-02", placed(amount_minor=10_000))
    lane.send("2026-01-02", LineFrozen("manual"))
    assert lane.send("2026-01-03", LineUnfrozen("manual")).outcome is Outcome.APPLIED
    assert lane.outputs() == []


def test_an_end_without_a_start_waits_for_it():
    lane = lane_with_line()
    assert lane.send("2026-01-02", LineUnfrozen("manual")).outcome is Outcome.PARKED
    lane.send("2026-01-02", LineFrozen("manual"))
    assert lane.account.freeze_reasons == ()


def test_an_end_told_twice_does_not_lift_a_later_freeze():
    lane = lane_with_line()
    lane.send("2026-01-02", LineFrozen("manual"))
    lane.send("2026-01-03", LineUnfrozen("manual"))
    assert lane.send("2026-01-04", LineUnfrozen("manual")).outcome is Outcome.DUPLICATE
    lane.send("2026-01-05", LineFrozen("manual"))
    assert lane.account.freeze_reasons == ("manual",)
    assert lane.send("2026-01-06", LineUnfrozen("manual")).outcome is Outcome.APPLIED


def test_a_risky_log_in_needs_the_identity_again():
    lane = lane_with_line()
    lane.send("2026-01-02", LineFrozen("risk_login"))
    assert not lane.account.identity_verified
    assert lane.send("2026-01-03", LineUnfrozen("risk_login")).reason == "identity_not_verified"
    lane.send("2026-01-04", IdentityVerified())
    assert lane.send("2026-01-05", LineUnfrozen("risk_login")).outcome is Outcome.APPLIED
    assert lane.account.freeze_reasons == ()


@pytest.mark.parametrize(
    "body",
    [
        opened(),
        LimitChanged(1, "CNY", "review"),
        ScoreChanged(1),
        CardLinked(),
        IdentityVerified(),
        LineFrozen("manual"),
        LineUnfrozen("manual"),
    ],
)
def test_on_a_closed_line_everything_about_it_is_declined(body):
    lane = lane_with_line()
    closed = revised(lane.account, closed_at=lane.account.opened_at)
    lane.states[BUYER].entities[Account][BUYER.id] = closed
    assert lane.send("2026-01-02", body).reason == "line_closed"


def test_a_frozen_line_still_lets_an_order_go_on():
    lane = lane_with_line("kuaishou")
    lane.send("2026-01-02", deferred())
    lane.send("2026-01-02", LineFrozen("manual"))
    assert lane.send("2026-01-03", PurchaseReceived("order")).outcome is Outcome.APPLIED


def test_an_unlinked_card_stops_new_orders_where_one_is_needed():
    lane = lane_with_line("taobao")
    assert lane.send("2026-01-02", CardUnlinked()).outcome is Outcome.APPLIED
    assert lane.send("2026-01-03", placed()).reason == DeclineReason.CARD_NOT_LINKED
    assert lane.send("2026-01-04", CardUnlinked()).outcome is Outcome.DUPLICATE


def test_a_debit_is_requested_without_a_card_as_well():
    lane = lane_with_line("kuaishou")
    lane.send("2026-01-02", deferred())
    lane.send("2026-01-03", PurchaseReceived("order"))
    lane.send("2026-01-04", CardUnlinked())
    lane.tick("2026-02-01 00:00")
    assert len(lane.outputs(AutoDebitRequested)) == 1
