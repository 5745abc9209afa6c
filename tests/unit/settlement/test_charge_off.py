"""Debt that is given up, and what comes in of it later: docs/rules.md, Hardship."""

import pytest

from settlement.concession import Concession
from settlement.decision import Outcome
from settlement.entities import AccountPayout, Order, Repayment
from settlement.ledger import LedgerAccount, Posting
from settlement.messages import (
    AppealDecided,
    DebtChargedOff,
    PayoutFailed,
    PurchaseCancelled,
    PurchaseCredited,
    PurchaseReceived,
    RepaymentFailed,
    RepaymentReinstated,
    RepaymentReversed,
)
from settlement.outputs import (
    AutoDebitCancelled,
    AutoDebitRequested,
    LimitReclaimed,
    LimitReleased,
    LimitRestored,
    NotificationRequested,
    PayoutRequested,
)
from settlement.statuses import LineStatus, ObligationStatus, OrderStatus
from tests.unit.settlement.builders import (
    Lane,
    cashed_out,
    complained,
    deferred,
    in_instalments,
    intact,
    lane_with_line,
    lowered,
    repaid,
    returned,
    reviewed,
)

LOSS = LedgerAccount.CHARGE_OFF_LOSS


def given_up(charge_off_id: str = "loss", reason: str = "insolvent") -> DebtChargedOff:
    return DebtChargedOff(charge_off_id, reason, "an operator")


def lane_overdue(*, tick: str = "2026-02-05 00:00") -> Lane:
    """A lane on which an order of 10,000, due on 1 February, costs 5 a day since the 2nd; another one is due later."""
    lane = lane_with_line("kuaishou")
    lane.send("2026-01-02", deferred())
    lane.send("2026-01-03", PurchaseReceived("order"))
    lane.send("2026-01-20", deferred("later", 3_000))
    lane.send("2026-01-20", PurchaseReceived("later"))
    lane.tick(tick)
    return lane


def lane_given_up() -> Lane:
    """The same lane, on which 13,020 were charged off on 5 February."""
    lane = lane_overdue()
    lane.send("2026-02-05", given_up())
    assert (lane.account.charged_off_minor, lane.account.recovered_minor) == (13_020, 0)
    return lane


def notice(lane: Lane, template: str) -> dict:
    (told,) = [each.params for each in lane.outputs(NotificationRequested) if each.template == template]
    return told


def test_all_that_is_owed_is_charged_off_due_or_not():
    lane = lane_overdue()
    decided = lane.send("2026-02-05", given_up())
    assert [each for each in decided.postings if each.debit is LOSS] == [
        Posting(LOSS, LedgerAccount.PENALTY_RECEIVABLE, "CNY", 20),
        Posting(LOSS, LedgerAccount.RECEIVABLE, "CNY", 10_000),
        Posting(LOSS, LedgerAccount.RECEIVABLE, "CNY", 3_000),
    ]
    assert [(each.status, each.charged_off_minor, each.open_minor) for each in lane.obligations] == [
        (ObligationStatus.CHARGED_OFF, 10_020, 0),
        (ObligationStatus.CHARGED_OFF, 3_000, 0),
    ]
    assert [lane.get(Order, order_id).status for order_id in ("order", "later")] == [OrderStatus.SETTLED] * 2
    assert notice(lane, "debt_charged_off") == {"amount_minor": 13_020, "currency": "CNY"}
    kept = lane.get(Concession, "charge_off:loss")
    assert (kept.amount_minor, kept.reason, kept.approved_by) == (13_020, "insolvent", "an operator")


def test_the_line_is_closed_and_not_restored():
    lane = lane_overdue()
    lane.send("2026-02-04", AppealDecided("appeal", "upheld", "a mistake"))
    lane.send("2026-02-05", given_up())
    assert (lane.account.status, lane.account.freeze_reasons) == (LineStatus.CLOSED, ())
    assert lane.limits() == (0, 0, 0, 0)
    assert lane.outputs(LimitRestored) == [] == lane.outputs(LimitReleased)
    (reclaimed,) = lane.outputs(LimitReclaimed)
    assert (reclaimed.amount_minor, reclaimed.reason) == (13_000, "closed")
    assert not lane.account.appeal_upheld


def test_penalties_stop_and_nobody_is_asked_any_more():
    lane = lane_overdue(tick="2026-02-01 00:00")
    lane.send("2026-02-01 12:00", RepaymentFailed(lane.requested.debit_id, "no money", retryable=True))
    lane.tick("2026-02-02 00:00")
    asked = lane.requested
    lane.send("2026-02-02", given_up())
    cancelled = lane.outputs(AutoDebitCancelled)
    assert [(each.debit_id, each.reason) for each in cancelled] == [(asked.debit_id, "charged_off")]
    lane.tick("2026-05-01 00:00")
    assert lane.outputs() == []
    assert lane.account.charged_off_minor == 13_005


def test_a_pending_retry_ends():
    lane = lane_overdue(tick="2026-02-01 00:00")
    lane.send("2026-02-01 12:00", RepaymentFailed(lane.requested.debit_id, "no money", retryable=True))
    lane.send("2026-02-01 13:00", given_up())
    lane.tick("2026-02-10 00:00")
    assert lane.outputs(AutoDebitRequested) == []


def test_holds_stay_and_go_on():
    lane = lane_overdue()
    lane.send("2026-02-04 10:00", repaid(10_015, order_id="order"))
    lane.send("2026-02-04 11:00", deferred("held", 500))
    lane.send("2026-02-05", given_up())
    assert lane.limits() == (0, -500, 500, 0)
    lane.send("2026-02-06", PurchaseReceived("held"))
    assert lane.limits() == (0, -500, 0, 500)
    lane.tick("2026-03-06 00:00")
    assert lane.requested.amount_minor == 500
    lane.tick("2026-03-07 00:00")
    assert lane.account.status is LineStatus.CLOSED
    lane.send("2026-03-07", repaid(501, "late"))
    assert (lane.limits(), lane.account.recovered_minor) == ((0, 0, 0, 0), 0)


def test_customer_credit_first_pays_what_is_owed_due_or_not():
    lane = lane_overdue(tick="2026-01-21 00:00")
    lane.send("2026-01-21", deferred("small", 400))
    lane.send("2026-01-21", PurchaseReceived("small"))
    lane.send("2026-01-22", repaid(900, order_id="small"))
    assert lane.account.customer_credit_minor == 500
    lane.send("2026-01-23", given_up())
    assert (lane.account.charged_off_minor, lane.account.customer_credit_minor) == (12_500, 0)
    assert [each.paid_principal_minor for each in lane.obligations] == [500, 0, 400]


def test_nothing_is_charged_off_where_nothing_is_owed():
    lane = lane_with_line("kuaishou")
    assert lane.send("2026-01-02", given_up()).reason == "nothing_due"
    assert lane.account.closed_at is None


def test_a_charge_off_id_is_taken_once_and_free_after_a_refusal():
    lane = lane_with_line("kuaishou")
    assert lane.send("2026-01-02", given_up()).reason == "nothing_due"
    lane.send("2026-01-02", deferred())
    lane.send("2026-01-03", PurchaseReceived("order"))
    assert lane.send("2026-01-04", given_up()).outcome is Outcome.APPLIED
    assert lane.send("2026-01-04", given_up()).outcome is Outcome.DUPLICATE
    assert lane.send("2026-01-04", given_up(reason="another one")).outcome is Outcome.CONFLICT
    assert lane.send("2026-01-04", given_up("more")).reason == "nothing_due"


# Money that comes later.


def test_money_that_comes_later_recovers_up_to_what_was_charged_off():
    lane = lane_given_up()
    decided = lane.send("2026-03-01", repaid(13_000, "first"))
    assert decided.postings == (Posting(LedgerAccount.GATEWAY_CLEARING, LedgerAccount.RECOVERY_INCOME, "CNY", 13_000),)
    assert notice(lane, "recovery_received") == {"amount_minor": 13_000, "left_minor": 20, "currency": "CNY"}
    lane.send("2026-03-02", repaid(100, "second"))
    assert notice(lane, "recovery_received") == {"amount_minor": 20, "left_minor": 0, "currency": "CNY"}
    assert [(each.amount_minor, each.reason) for each in lane.outputs(PayoutRequested)] == [(80, "overpayment")]
    assert (lane.account.charged_off_minor, lane.account.recovered_minor) == (13_020, 13_020)
    kept = lane.get(Repayment, "second")
    assert (kept.recovered_minor, kept.credit_minor, kept.shares) == (20, 80, ())


def test_money_first_pays_what_was_made_later():
    lane = lane_overdue()
    lane.send("2026-02-04 10:00", repaid(10_015, order_id="order"))
    lane.send("2026-02-04 11:00", deferred("held", 500))
    lane.send("2026-02-05", given_up())
    lane.send("2026-02-06", PurchaseReceived("held"))
    lane.send("2026-02-07", repaid(700, "later"))
    assert (lane.account.receivable_minor, lane.account.recovered_minor) == (0, 200)


@pytest.mark.parametrize("occurred_at", ["2026-01-30", "2026-02-04"])
def test_money_that_was_made_before_recovers_too_and_undoes_nothing(occurred_at):
    lane = lane_overdue()
    lane.send("2026-02-04 12:00", repaid(5_000, "in time"))
    before = lane.obligations
    lane.send("2026-02-05", given_up())
    assert lane.account.charged_off_minor == 8_018
    lane.send(occurred_at, repaid(6_000, "told late"))
    assert (lane.account.charged_off_minor, lane.account.recovered_minor) == (8_018, 6_000)
    assert [each.paid_principal_minor for each in lane.obligations] == [each.paid_principal_minor for each in before]
    lane.send("2026-02-06", RepaymentReversed("told late", "bounced"))
    assert (lane.account.charged_off_minor, lane.account.recovered_minor) == (8_018, 0)


def test_a_debit_that_was_cancelled_and_succeeds_after_all_recovers():
    lane = lane_overdue()
    asked = lane.requested
    lane.send("2026-02-05", given_up())
    lane.send("2026-02-06", repaid(asked.amount_minor, debit_id=asked.debit_id))
    assert lane.account.recovered_minor == asked.amount_minor
    assert lane.outputs(PayoutRequested) == []


def test_later_money_that_is_displaced_by_earlier_recovers_what_it_pays_no_more():
    lane = lane_overdue()
    lane.send("2026-02-04 10:00", repaid(10_015, order_id="order"))
    lane.send("2026-02-04 11:00", deferred("held", 500))
    lane.send("2026-02-05", given_up())
    lane.send("2026-02-06", PurchaseReceived("held"))
    lane.send("2026-02-09", repaid(500, "later"))
    lane.send("2026-02-08", repaid(400, "earlier"))
    later = lane.get(Repayment, "later")
    assert (later.recovered_minor, later.credit_minor, len(later.shares)) == (400, 0, 1)
    assert notice(lane, "recovery_received")["left_minor"] == 3_000 - 400
    assert (lane.account.receivable_minor, lane.account.recovered_minor) == (0, 400)


# Money that is taken back, and comes again.


def test_recovery_that_is_reversed_is_to_be_recovered_again():
    lane = lane_given_up()
    lane.send("2026-03-01", repaid(5_000))
    decided = lane.send("2026-03-02", RepaymentReversed("repayment", "bounced"))
    assert decided.postings == (Posting(LedgerAccount.RECOVERY_INCOME, LedgerAccount.GATEWAY_CLEARING, "CNY", 5_000),)
    assert (lane.account.charged_off_minor, lane.account.recovered_minor) == (13_020, 0)
    lane.send("2026-03-03", RepaymentReinstated("repayment", "won"))
    assert (lane.account.charged_off_minor, lane.account.recovered_minor) == (13_020, 5_000)


def test_what_was_paid_before_and_is_reversed_is_charged_off_at_once():
    lane = lane_overdue()
    lane.send("2026-02-04", repaid(10_015, order_id="order"))
    lane.send("2026-02-05", given_up())
    assert lane.account.charged_off_minor == 3_000
    lane.send("2026-02-06", RepaymentReversed("repayment", "bounced"))
    assert lane.account.charged_off_minor == 3_000 + 10_015
    assert {each.status for each in lane.obligations} == {ObligationStatus.CHARGED_OFF}
    assert "payment_overdue" not in lane.notices()
    assert lane.limits() == (0, 0, 0, 0)
    lane.send("2026-02-07", RepaymentReinstated("repayment", "won"))
    assert (lane.account.charged_off_minor, lane.account.recovered_minor) == (13_015, 10_015)
    lane.tick("2026-03-01 00:00")
    assert lane.outputs(AutoDebitRequested) == []


def test_money_that_is_gone_is_charged_off_at_once():
    lane = lane_given_up()
    lane.send("2026-03-01", repaid(13_100))
    assert [each.amount_minor for each in lane.outputs(PayoutRequested)] == [80]
    lane.send("2026-03-02", RepaymentReversed("repayment", "bounced"))
    assert (lane.account.charged_off_minor, lane.account.recovered_minor) == (13_100, 0)
    assert lane.account.receivable_minor == 0


def test_what_was_made_and_paid_later_is_owed_again_when_its_payment_is_reversed():
    lane = lane_overdue()
    lane.send("2026-02-04 10:00", repaid(10_015, order_id="order"))
    lane.send("2026-02-04 11:00", deferred("held", 500))
    lane.send("2026-02-05", given_up())
    lane.send("2026-02-06", PurchaseReceived("held"))
    lane.send("2026-02-07", repaid(500, "later"))
    lane.send("2026-02-08", RepaymentReversed("later", "bounced"))
    assert (lane.account.receivable_minor, lane.account.charged_off_minor) == (500, 3_000)


# What changes of it later.


def test_an_order_of_which_something_was_charged_off_is_not_lowered():
    lane = lane_given_up()
    assert lane.send("2026-02-06", lowered(9_000)).reason == "wrong_state"


def test_a_return_first_reduces_what_was_charged_off():
    lane = lane_overdue()
    lane.send("2026-02-05", given_up())
    lane.send("2026-02-06", complained(4_000))
    decided = lane.send("2026-02-07", reviewed("approved"))
    transit, receivable = LedgerAccount.MERCHANT_TRANSIT, LedgerAccount.RECEIVABLE
    assert [each for each in decided.postings if LOSS in (each.debit, each.credit)] == [
        Posting(receivable, LOSS, "CNY", 4_000)
    ]
    assert Posting(transit, receivable, "CNY", 4_000) in decided.postings
    assert lane.outputs(LimitReleased) == [] == lane.outputs(PayoutRequested)
    assert lane.account.charged_off_minor == 13_020 - 4_000
    assert lane.obligations[0].status is ObligationStatus.CHARGED_OFF


def test_what_was_paid_goes_back_only_after_that():
    lane = lane_overdue()
    lane.send("2026-02-04", repaid(4_015, order_id="order"))
    lane.send("2026-02-05", given_up())
    lane.send("2026-02-06", PurchaseCredited("order", "credit", 7_000, "CNY", "goodwill", None))
    first = lane.obligations[0]
    assert (first.charged_off_principal_minor, first.paid_principal_minor, first.principal_minor) == (0, 3_000, 3_000)
    assert first.paid_penalty_minor == 8  # four days at 5 bps of what is left
    assert [each.amount_minor for each in lane.outputs(PayoutRequested)] == [1_000 + 15 - 8]


def test_what_was_recovered_above_what_is_left_goes_back():
    lane = lane_given_up()
    lane.send("2026-02-06", repaid(12_000))
    lane.send("2026-02-07", complained())
    lane.send("2026-02-08", reviewed("approved"))
    assert lane.account.charged_off_minor == 3_000
    assert lane.account.recovered_minor == 3_000
    assert [(each.amount_minor, each.reason) for each in lane.outputs(PayoutRequested)] == [(9_000, "overpayment")]
    lane.send("2026-02-09", RepaymentReversed("repayment", "bounced"))
    assert (lane.account.charged_off_minor, lane.account.recovered_minor) == (3_000 + 9_000, 0)


def test_of_an_order_sent_back_whole_for_quality_nothing_is_lost():
    lane = lane_given_up()
    lane.send("2026-02-07", complained())
    decided = lane.send("2026-02-08", reviewed("approved"))
    assert Posting(LedgerAccount.PENALTY_RECEIVABLE, LOSS, "CNY", 20) in decided.postings
    assert lane.obligations[0].status is ObligationStatus.RETURNED
    assert lane.account.charged_off_minor == 3_000


def test_of_an_order_sent_back_whole_for_another_reason_the_fee_stays_lost():
    lane = lane_with_line("taobao")
    lane.send("2026-01-02", in_instalments(amount_minor=9_000))
    lane.send("2026-01-03", PurchaseReceived("order"))
    lane.send("2026-02-05", given_up())
    assert lane.account.charged_off_minor == 9_000 + 3 * 54
    lane.send("2026-02-06", returned(9_000))
    lane.send("2026-02-07", intact())
    assert lane.account.charged_off_minor == 3 * 54
    assert {each.status for each in lane.obligations} == {ObligationStatus.CHARGED_OFF}


def test_an_order_that_is_cancelled_was_never_lost():
    lane = lane_with_line("douyin")
    lane.send("2026-01-28", in_instalments(amount_minor=9_000))
    lane.tick("2026-02-10 00:00")
    lane.send("2026-02-10", given_up())
    assert lane.account.charged_off_minor > 9_000
    lane.send("2026-02-11", PurchaseCancelled("order", "out of stock"))
    assert lane.account.charged_off_minor == 0
    assert {each.status for each in lane.obligations} == {ObligationStatus.RETURNED}


def test_a_cash_out_that_fails_was_never_lost():
    lane = lane_with_line("taobao")
    lane.send("2026-01-02", cashed_out(900))
    payout = next(iter(lane.outputs(PayoutRequested)))
    lane.tick("2026-02-12 00:00")
    lane.send("2026-02-12", given_up())
    lane.send("2026-02-13", repaid(500))
    lane.send("2026-02-14", PayoutFailed(payout.payout_id, "no such card"))
    assert (lane.account.charged_off_minor, lane.account.recovered_minor) == (0, 0)
    assert lane.get(AccountPayout, payout.payout_id).status.value == "failed"
    assert lane.account.customer_credit_minor == 500


def test_a_late_told_return_takes_back_penalties_that_were_charged_off():
    lane = lane_given_up()
    lane.send("2026-01-31", returned(1_000))
    assert lane.account.charged_off_minor == 13_020 - 20 - 1_000
    assert lane.obligations[0].penalty_minor == 0
