"""What money told late does to what was paid, waived and taken back since: docs/rules.md, Overdue."""

from settlement.messages import PenaltyWaived, PurchaseReceived, RepaymentReversed
from settlement.outputs import LimitRestored
from settlement.statuses import ObligationStatus
from tests.unit.settlement.builders import deferred, lane_with_line, repaid
from tests.unit.settlement.owing import lane_overdue, lane_owing


def test_displaced_money_first_pays_again_what_it_had_paid():
    """Also where something that was made owed later is due earlier: what was paid in time does not fall overdue."""
    lane = lane_with_line("kuaishou")
    lane.send("2026-01-01 10:00", repaid(500, "early"))  # goes out at once
    lane.send("2026-01-02", deferred("a", 5_000))
    lane.send("2026-01-09", PurchaseReceived("a"))
    lane.send("2026-01-25", repaid(5_000, "in time"))
    lane.send("2026-01-26", RepaymentReversed("early", "taken back"))
    lane.tick("2026-01-28")
    lane.send("2026-01-24", repaid(1, "late"))
    gone, bought = lane.obligations
    assert (bought.paid_principal_minor, bought.status) == (5_000, ObligationStatus.PAID)
    assert (gone.paid_principal_minor, gone.principal_minor) == (1, 500)


def test_what_a_reversal_made_overdue_stays_so_when_the_first_fall_is_undone():
    lane = lane_owing(10_000)
    lane.send("2026-01-20", repaid(4_000, "early"))
    lane.tick("2026-02-03 09:00")
    lane.send("2026-02-03 10:00", RepaymentReversed("early", "taken back"))
    lane.tick("2026-02-05 12:00")
    lane.send("2026-01-31", repaid(6_000, "late"))
    (obligation,) = lane.obligations
    assert (obligation.status, obligation.penalty_minor) == (ObligationStatus.OVERDUE, 2 * 2)
    assert "overdue" in lane.account.freeze_reasons
    assert lane.outputs(LimitRestored) == []
    assert "payment_overdue" not in lane.notices()


def test_what_was_waived_is_not_paid_by_money_of_before_the_waiver():
    lane = lane_overdue(10_000, until="2026-02-05 12:00")
    assert lane.obligations[0].penalty_minor == 20
    lane.send("2026-02-05 13:00", PenaltyWaived("waiver", 15, "CNY", "illness", "an operator"))
    assert lane.obligations[0].penalty_minor == 5
    lane.send("2026-02-02 12:00", repaid(10_000))
    (obligation,) = lane.obligations
    assert (obligation.status, obligation.penalty_minor, obligation.paid_penalty_minor) == (ObligationStatus.PAID, 0, 0)
    assert lane.account.customer_credit_minor == 0
