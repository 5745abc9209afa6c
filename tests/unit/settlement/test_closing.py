"""Closing a line: what stands against it, and what still happens on a closed one."""

from datetime import date

import pytest

from settlement.decision import DeclineReason, Outcome
from settlement.messages import (
    AppealDecided,
    BillInstalmentRequested,
    CardLinked,
    CardUnlinked,
    CloseRequested,
    IdentityVerified,
    LimitChanged,
    LineFrozen,
    LineUnfrozen,
    PurchaseCancelled,
    PurchaseReceived,
    ScoreChanged,
    UnfreezeRequested,
)
from settlement.outputs import LimitReclaimed, NotificationRequested, PayoutRequested
from tests.unit.settlement.builders import (
    Lane,
    cashed_out,
    complained,
    deferred,
    in_instalments,
    lane_with_line,
    opened,
    placed,
    repaid,
    reviewed,
    without_notices,
)


def closed_lane() -> Lane:
    lane = lane_with_line("kuaishou")
    assert lane.send("2026-01-02", CloseRequested()).outcome is Outcome.APPLIED
    return lane


def test_closing_reclaims_the_whole_limit():
    lane = closed_lane()
    assert without_notices(lane.outputs()) == [LimitReclaimed("buyer", 100_000, "CNY", "closed", 0, 0)]
    assert lane.notices() == ["limit_reclaimed", "closing_granted"]
    assert lane.limits() == (0, 0, 0, 0)
    assert lane.account.closed_at is not None


def test_a_line_without_limit_is_closed_without_reclaiming():
    lane = lane_with_line("kuaishou", limit_minor=0)
    lane.send("2026-01-02", CloseRequested())
    assert lane.notices() == ["closing_granted"]


@pytest.mark.parametrize("received", [False, True])
def test_a_line_on_which_something_is_held_or_owed_stays_open(received):
    lane = lane_with_line("kuaishou")
    lane.send("2026-01-02", deferred(amount_minor=4_000))
    if received:
        lane.send("2026-01-03", PurchaseReceived("order"))
    assert lane.send("2026-01-04", CloseRequested()).reason == DeclineReason.OUTSTANDING
    (notice,) = lane.outputs(NotificationRequested)
    assert notice.template == "closing_refused"
    assert (notice.params["payoff_minor"], notice.params["held_minor"]) == ((4_000, 0) if received else (0, 4_000))
    lane.send("2026-01-05", repaid(4_000) if received else PurchaseCancelled("order", "lost"))
    assert lane.send("2026-01-06", CloseRequested()).outcome is Outcome.APPLIED


def test_a_refusal_tells_what_a_payoff_takes_without_unbilled_fees():
    lane = lane_with_line("douyin")
    lane.send("2026-01-02", in_instalments())
    lane.send("2026-01-04", CloseRequested())
    (notice,) = lane.outputs(NotificationRequested)
    assert notice.params["payoff_minor"] == 10_000
    lane.send("2026-01-05", repaid(10_000, purpose="payoff"))
    assert lane.send("2026-01-06", CloseRequested()).outcome is Outcome.APPLIED


@pytest.mark.parametrize(
    "body",
    [
        opened("kuaishou"),
        LimitChanged(1, "CNY", "evaluation"),
        ScoreChanged(700),
        CardLinked(),
        CardUnlinked(),
        IdentityVerified(),
        LineFrozen("security"),
        LineUnfrozen("security"),
        UnfreezeRequested(),
        AppealDecided("appeal", "upheld", "the buyer was not at fault"),
        cashed_out(),
        BillInstalmentRequested(date(2026, 2, 6), 3),
        placed(),
    ],
)
def test_nothing_new_happens_on_a_closed_line(body):
    assert closed_lane().send("2026-01-03", body).reason == DeclineReason.LINE_CLOSED


def test_a_repeated_close_is_a_duplicate():
    assert closed_lane().send("2026-01-03", CloseRequested()).outcome is Outcome.DUPLICATE


def test_a_payment_on_a_closed_line_goes_back():
    lane = closed_lane()
    lane.send("2026-01-03", repaid(700))
    (payout,) = lane.outputs(PayoutRequested)
    assert (payout.amount_minor, payout.reason) == (700, "overpayment")
    assert lane.account.customer_credit_minor == 0


def test_a_return_is_refunded_on_a_closed_line():
    lane = lane_with_line("kuaishou")
    lane.send("2026-01-02", deferred(amount_minor=4_000))
    lane.send("2026-01-03", PurchaseReceived("order"))
    lane.send("2026-01-04", repaid(4_000))
    lane.send("2026-01-05", CloseRequested())
    lane.send("2026-01-06", complained(1_000))
    lane.send("2026-01-07", reviewed("approved"))
    (payout,) = lane.outputs(PayoutRequested)
    assert (payout.amount_minor, payout.reason) == (1_000, "order_refund")
    assert lane.limits() == (0, 0, 0, 0)
