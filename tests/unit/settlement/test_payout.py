"""Payouts: what becomes of them, and where the money of a failed one goes."""

from datetime import date

import pytest

from settlement.decision import DeclineReason, Outcome
from settlement.entities import AccountPayout, CashOut, Deposit, DepositRefund, MerchantPayout
from settlement.ledger import LedgerAccount, Posting
from settlement.messages import (
    CardLinked,
    CardUnlinked,
    CloseRequested,
    DepositRefundReviewed,
    MerchantActivity,
    MerchantRegistered,
    PayoutFailed,
    PayoutSucceeded,
    PurchaseCancelled,
    PurchaseReceived,
    RepaymentReversed,
    ShopWithdrawalRequested,
)
from settlement.outputs import (
    AutoDebitCancelled,
    AutoDebitRequested,
    LimitReleased,
    NotificationRequested,
    PayoutRequested,
)
from settlement.party import Party, PartyKind
from settlement.statuses import DepositRefundStatus, ObligationStatus, PayoutStatus
from settlement.timers import TimerKind
from tests.unit.settlement.builders import (
    BUYER,
    SHOP,
    Lane,
    at,
    cashed_out,
    deferred,
    deposited,
    lane_with_line,
    lane_with_merchant,
    lowered,
    opened,
    refund_asked,
    repaid,
    returned,
)

CLEARING = LedgerAccount.PAYOUT_CLEARING


def requested(lane: Lane) -> PayoutRequested:
    """The one payout that the last step asked for."""
    (payout,) = lane.outputs(PayoutRequested)
    return payout


def succeeded(lane: Lane, when: str, payout: PayoutRequested):
    return lane.send(when, PayoutSucceeded(payout.payout_id), party=Party(payout.payee_kind, payout.payee_id))


def failed(lane: Lane, when: str, payout: PayoutRequested, reason: str = "account closed"):
    return lane.send(when, PayoutFailed(payout.payout_id, reason), party=Party(payout.payee_kind, payout.payee_id))


def lane_overpaid() -> tuple[Lane, PayoutRequested]:
    lane = lane_with_line("kuaishou")
    lane.send("2026-01-02", repaid(700))
    return lane, requested(lane)


def lane_refunded() -> tuple[Lane, PayoutRequested]:
    lane = lane_with_line("kuaishou")
    lane.send("2026-01-02", deferred())
    lane.send("2026-01-03", PurchaseReceived("order"))
    lane.send("2026-01-04", repaid(10_000))
    lane.send("2026-01-05", returned(4_000))
    return lane, requested(lane)


def lane_cashed_out() -> tuple[Lane, PayoutRequested]:
    """A lane on which 1,000 were cashed out on 20 January, due on 10 February."""
    lane = lane_with_line("taobao")
    lane.send("2026-01-20", cashed_out())
    return lane, requested(lane)


def lane_settled() -> tuple[Lane, PayoutRequested]:
    lane = lane_with_merchant()
    lane.send("2026-01-02", MerchantActivity("CNY", 5_000, 0))
    lane.tick("2026-01-08 00:00")
    return lane, requested(lane)


def lane_deposit_refunded() -> tuple[Lane, PayoutRequested]:
    lane = lane_with_merchant()
    lane.send("2026-01-02", deposited())
    lane.send("2026-02-02", refund_asked(amount_minor=20_000))
    lane.send("2026-02-03", DepositRefundReviewed("request", "approved", "fine"))
    return lane, requested(lane)


def lane_withdrawn() -> tuple[Lane, PayoutRequested]:
    lane = lane_with_merchant()
    lane.send("2026-01-02", deposited())
    lane.send("2026-02-02", refund_asked(refund_to="shop_balance"))
    lane.send("2026-02-03", DepositRefundReviewed("request", "approved", "fine"))
    lane.send("2026-02-04", ShopWithdrawalRequested("w", 20_000, "CNY"))
    return lane, requested(lane)


LANES = {
    "overpayment": (lane_overpaid, None, 700),
    "order_refund": (lane_refunded, "order", 4_000),
    "cash_out": (lane_cashed_out, "cash-out", 1_000),
    "merchant_settlement": (lane_settled, None, 5_000),
    "deposit_refund": (lane_deposit_refunded, "request", 20_000),
    "shop_withdrawal": (lane_withdrawn, "w", 20_000),
}


@pytest.mark.parametrize("reason", LANES)
def test_a_payout_is_remembered_with_what_it_is_for(reason):
    make, source_id, amount_minor = LANES[reason]
    lane, payout = make()
    kept = lane.get(AccountPayout if payout.payee_kind is PartyKind.ACCOUNT else MerchantPayout, payout.payout_id)
    assert (kept.reason, kept.amount_minor, kept.currency, kept.route) == (reason, amount_minor, "CNY", payout.route)
    assert (kept.source_id, kept.status, kept.answered_at) == (source_id, PayoutStatus.REQUESTED, None)
    assert kept.requested_at == lane.time


@pytest.mark.parametrize("reason", LANES)
def test_a_payout_that_succeeded_has_left_by_the_gateway(reason):
    make, _, amount_minor = LANES[reason]
    lane, payout = make()
    decision = succeeded(lane, "2026-02-05 09:00", payout)
    assert decision.postings == (Posting(CLEARING, LedgerAccount.GATEWAY_CLEARING, "CNY", amount_minor),)
    assert lane.outputs() == []
    kept = lane.get(AccountPayout if payout.payee_kind is PartyKind.ACCOUNT else MerchantPayout, payout.payout_id)
    assert (kept.status, kept.answered_at) == (PayoutStatus.SUCCEEDED, at("2026-02-05 09:00"))


@pytest.mark.parametrize("reason", LANES)
def test_a_failed_payout_gives_the_money_back_once_and_tells_so(reason):
    make, _, amount_minor = LANES[reason]
    lane, payout = make()
    decision = failed(lane, "2026-02-05 09:00", payout)
    assert sum(each.amount_minor for each in decision.postings if each.debit is CLEARING) == amount_minor
    assert lane.outputs(PayoutRequested) == []
    (notice,) = lane.outputs(NotificationRequested)
    assert (notice.template, notice.recipient_id) == ("payout_failed", payout.payee_id)
    assert (notice.params["amount_minor"], notice.params["reason"]) == (amount_minor, reason)
    assert failed(lane, "2026-02-06 09:00", payout, "another reason").outcome is Outcome.DUPLICATE
    assert succeeded(lane, "2026-02-06 09:00", payout).reason == "wrong_state"


def test_a_payout_that_succeeded_cannot_fail():
    lane, payout = lane_overpaid()
    succeeded(lane, "2026-01-03", payout)
    assert succeeded(lane, "2026-01-04", payout).outcome is Outcome.DUPLICATE
    assert failed(lane, "2026-01-05", payout).reason == "wrong_state"
    assert lane.account.customer_credit_minor == 0


@pytest.mark.parametrize("body", [PayoutSucceeded("unknown"), PayoutFailed("unknown", "x")])
@pytest.mark.parametrize("party", [BUYER, SHOP])
def test_the_result_of_a_payout_nobody_knows_waits_for_it_or_for_its_payee(body, party):
    lane = Lane()
    assert lane.send("2026-01-01", body, party=party).waits_for == f"{party.kind}:{party.id}"
    lane.send("2026-01-02", opened() if party is BUYER else MerchantRegistered("CNY", 7))
    assert [each.waits_for for each in lane.states[party].parked] == ["payout:unknown"]


def test_a_result_told_before_its_payout_is_decided_with_it():
    _, payout = lane_overpaid()
    lane = lane_with_line("kuaishou")
    assert lane.send("2026-01-02", PayoutSucceeded(payout.payout_id)).waits_for == f"payout:{payout.payout_id}"
    lane.send("2026-01-02", repaid(700), event_id="event-2")
    assert requested(lane).payout_id == payout.payout_id
    assert lane.get(AccountPayout, payout.payout_id).status is PayoutStatus.SUCCEEDED


def test_results_for_an_account_and_a_merchant_of_one_id_have_ids_of_their_own():
    ids = set()
    namesake = Party(PartyKind.MERCHANT, BUYER.id)
    lane, of_account = lane_overpaid()
    lane.send("2026-01-01", MerchantRegistered("CNY", 7), party=namesake)
    lane.send("2026-01-02", MerchantActivity("CNY", 700, 0), party=namesake)
    lane.tick("2026-01-08 00:00")
    for payout in (of_account, requested(lane)):
        party = Party(payout.payee_kind, payout.payee_id)
        lane.send("2026-01-09", PayoutFailed(payout.payout_id, "x"), party=party, event_id="result")
        ids |= {output.event_id for each in lane.last for output in each.decision.outputs}
    assert len(ids) == 2


def test_customer_credit_that_could_not_be_paid_out_goes_out_with_the_next():
    lane, payout = lane_overpaid()
    failed(lane, "2026-01-03", payout)
    assert lane.account.customer_credit_minor == 700
    lane.send("2026-01-04", repaid(50, "next"))
    assert requested(lane).amount_minor == 750
    assert lane.account.customer_credit_minor == 0


@pytest.mark.parametrize("body", [lowered(3_000), PurchaseCancelled("order", "changed")])
def test_customer_credit_that_could_not_be_paid_out_stays_while_nothing_owed_changes(body):
    lane, payout = lane_overpaid()
    failed(lane, "2026-01-03", payout)
    lane.send("2026-01-04", deferred(amount_minor=4_000))
    lane.send("2026-01-05", body)
    assert lane.outputs(PayoutRequested) == []
    assert lane.account.customer_credit_minor == 700


def test_an_order_refund_that_could_not_be_paid_out_pays_what_is_due_next():
    lane, payout = lane_refunded()
    failed(lane, "2026-01-06", payout)
    assert lane.account.customer_credit_minor == 4_000
    lane.send("2026-01-07", deferred("next", 3_000))
    lane.send("2026-01-08", PurchaseReceived("next"))
    lane.tick("2026-02-06 00:00")
    assert requested(lane).amount_minor == 1_000
    assert lane.account.receivable_minor == 0


def test_credit_that_could_not_be_paid_out_pays_at_once_what_is_due_and_overdue():
    lane, payout = lane_overpaid()
    lane.send("2026-01-03", RepaymentReversed("repayment", "chargeback"))
    lane.tick("2026-01-05 00:00")
    debit_id = lane.requested.debit_id
    assert (lane.account.receivable_minor, lane.account.penalty_receivable_minor) == (700, 1)
    failed(lane, "2026-01-05 09:00", payout)
    account = lane.account
    assert (account.receivable_minor, account.penalty_receivable_minor, account.customer_credit_minor) == (1, 0, 0)
    (cancelled,) = lane.outputs(AutoDebitCancelled)
    assert (cancelled.debit_id, cancelled.reason) == (debit_id, "customer_credit")
    assert lane.requested.amount_minor == 1


def test_credit_that_could_not_be_paid_out_does_not_pay_what_is_not_due():
    lane, payout = lane_overpaid()
    lane.send("2026-01-03", deferred())
    lane.send("2026-01-04", PurchaseReceived("order"))
    failed(lane, "2026-01-05", payout)
    assert (lane.account.receivable_minor, lane.account.customer_credit_minor) == (10_000, 700)


def test_credit_that_could_not_be_paid_out_goes_to_the_next_card():
    lane, payout = lane_overpaid()
    failed(lane, "2026-01-03", payout)
    lane.send("2026-01-04", CardUnlinked())
    decision = lane.send("2026-01-05", CardLinked())
    assert decision.postings == (Posting(LedgerAccount.CUSTOMER_CREDIT, CLEARING, "CNY", 700),)
    again = requested(lane)
    assert (again.amount_minor, again.reason, again.route) == (700, "overpayment", "card")
    assert again.payout_id != payout.payout_id
    lane.send("2026-01-06", CardUnlinked())
    lane.send("2026-01-07", CardLinked())
    assert lane.outputs(PayoutRequested) == []


def test_a_card_linked_while_something_is_owed_is_sent_nothing():
    lane, payout = lane_overpaid()
    failed(lane, "2026-01-03", payout)
    lane.send("2026-01-04", deferred())
    lane.send("2026-01-04", PurchaseReceived("order"))
    lane.send("2026-01-05", CardUnlinked())
    lane.send("2026-01-06", CardLinked())
    assert lane.outputs(PayoutRequested) == []
    assert lane.account.customer_credit_minor == 700


def test_credit_that_could_not_be_paid_out_leaves_with_the_line():
    lane, payout = lane_overpaid()
    failed(lane, "2026-01-03", payout)
    lane.send("2026-01-04", CloseRequested())
    assert (requested(lane).amount_minor, requested(lane).reason) == (700, "overpayment")
    assert lane.account.customer_credit_minor == 0


def test_an_unpaid_cash_out_that_could_not_be_paid_out_is_not_owed():
    lane, payout = lane_cashed_out()
    assert lane.limits() == (100_000, 99_000, 0, 1_000)
    decision = failed(lane, "2026-01-21", payout)
    assert set(decision.postings) == {
        Posting(CLEARING, LedgerAccount.RECEIVABLE, "CNY", 1_000),
        Posting(LedgerAccount.LIMIT_AVAILABLE, LedgerAccount.LIMIT_USED, "CNY", 1_000),
    }
    (released,) = lane.outputs(LimitReleased)
    assert (released.amount_minor, released.order_id, released.reason) == (1_000, None, "cancelled")
    (obligation,) = lane.obligations
    assert (obligation.status, obligation.principal_minor) == (ObligationStatus.RETURNED, 0)
    assert lane.limits() == (100_000, 100_000, 0, 0)
    lane.tick("2026-02-10 00:00")
    assert lane.outputs() == []


def test_what_was_repaid_of_a_cash_out_that_could_not_be_paid_out_is_credit():
    lane, payout = lane_cashed_out()
    lane.send("2026-01-21", repaid(400))
    decision = failed(lane, "2026-01-22", payout)
    assert Posting(CLEARING, LedgerAccount.RECEIVABLE, "CNY", 1_000) in decision.postings
    assert Posting(LedgerAccount.RECEIVABLE, LedgerAccount.CUSTOMER_CREDIT, "CNY", 400) in decision.postings
    assert (lane.account.customer_credit_minor, lane.account.receivable_minor) == (400, 0)
    assert lane.limits() == (100_000, 100_000, 0, 0)
    lane.send("2026-01-23", RepaymentReversed("repayment", "chargeback"))
    assert (lane.account.customer_credit_minor, lane.account.receivable_minor) == (0, 0)


def test_a_cash_out_repaid_in_full_gives_back_all_of_it():
    lane, payout = lane_cashed_out()
    lane.send("2026-01-21", repaid(1_000))
    failed(lane, "2026-01-22", payout)
    assert lane.account.customer_credit_minor == 1_000
    assert lane.outputs(LimitReleased) == []


def test_a_debit_for_a_cash_out_that_could_not_be_paid_out_is_cancelled():
    lane, payout = lane_cashed_out()
    lane.tick("2026-02-10 00:00")
    debit_id = lane.requested.debit_id
    failed(lane, "2026-02-10 09:00", payout)
    (cancelled,) = lane.outputs(AutoDebitCancelled)
    assert (cancelled.debit_id, cancelled.reason) == (debit_id, "cash_out_failed")
    assert [each.asks for each in lane.obligations] == [()]


def test_credit_that_could_not_be_paid_out_of_a_closed_line_waits_for_the_next_repayment():
    lane, payout = lane_overpaid()
    lane.send("2026-01-03", CloseRequested())
    failed(lane, "2026-01-04", payout)
    assert lane.send("2026-01-05", CardLinked()).reason == DeclineReason.LINE_CLOSED
    assert lane.account.customer_credit_minor == 700
    lane.send("2026-01-06", repaid(100, "late"))
    assert (requested(lane).amount_minor, lane.account.customer_credit_minor) == (800, 0)


def test_a_debit_for_more_than_a_failed_cash_out_is_replaced_once_by_what_its_credit_leaves():
    lane, payout = lane_cashed_out()
    lane.send("2026-01-20", cashed_out(cash_out_id="other"))
    lane.send("2026-01-21", repaid(300))
    lane.tick("2026-02-10 00:00")
    assert lane.requested.amount_minor == 1_700
    failed(lane, "2026-02-10 09:00", payout)
    assert [each.reason for each in lane.outputs(AutoDebitCancelled)] == ["cash_out_failed"]
    assert [each.amount_minor for each in lane.outputs(AutoDebitRequested)] == [700]


def test_an_overdue_cash_out_that_could_not_be_paid_out_leaves_no_penalty_and_no_overdue():
    lane, payout = lane_cashed_out()
    lane.tick("2026-02-12 00:00")
    assert lane.account.penalty_receivable_minor == 2
    lane.send("2026-02-12 09:00", repaid(1))
    failed(lane, "2026-02-12 10:00", payout)
    account = lane.account
    assert (account.receivable_minor, account.penalty_receivable_minor, account.customer_credit_minor) == (0, 0, 1)
    assert [(each.penalty_minor, each.paid_penalty_minor) for each in lane.obligations] == [(0, 0)]
    assert account.cleared_at == at("2026-02-12 10:00")
    lane.tick("2026-02-15 10:00")
    assert lane.account.freeze_reasons == ()


def test_a_cash_out_that_failed_before_it_fell_overdue_never_was():
    lane, payout = lane_cashed_out()
    lane.tick("2026-02-12 00:00")
    assert lane.account.freeze_reasons == ("overdue",)
    failed(lane, "2026-02-09", payout)
    (obligation,) = lane.obligations
    assert (obligation.falls, obligation.penalty_runs) == ((), ())
    assert (lane.account.freeze_reasons, lane.account.overdue_until) == ((), None)


def test_a_failed_cash_out_does_not_count_towards_its_day():
    lane, payout = lane_cashed_out()
    failed(lane, "2026-01-20 15:00", payout)
    assert (lane.account.cash_out_on, lane.account.cash_out_day_minor) == (date(2026, 1, 20), 0)
    assert lane.get(CashOut, "cash-out").amount_minor == 1_000
    assert lane.send("2026-01-20 16:00", cashed_out()).outcome is Outcome.DUPLICATE


def test_a_failed_cash_out_of_an_earlier_day_leaves_the_present_days_sum():
    lane, payout = lane_cashed_out()
    lane.send("2026-01-21", cashed_out(300, "next"))
    failed(lane, "2026-01-22", payout)
    assert lane.account.cash_out_day_minor == 300


def test_a_settlement_that_could_not_be_paid_is_paid_with_the_next():
    lane, payout = lane_settled()
    decision = failed(lane, "2026-01-09", payout)
    assert decision.postings == (Posting(CLEARING, LedgerAccount.MERCHANT_PAYABLE, "CNY", 5_000),)
    assert lane.balance.payable_minor == 5_000
    lane.send("2026-01-10", MerchantActivity("CNY", 100, 0))
    lane.tick("2026-01-15 00:00")
    assert requested(lane).amount_minor == 5_100


def test_a_settlement_that_could_not_be_paid_is_offset_against_what_is_owed_meanwhile():
    lane, payout = lane_settled()
    lane.send("2026-01-09", MerchantActivity("CNY", -6_000, 0))
    failed(lane, "2026-01-10", payout)
    assert lane.balance.payable_minor == -1_000
    assert TimerKind.MERCHANT_PAYOUT not in {each.kind for each in lane.states[SHOP].timers.values()}


def test_a_deposit_refund_that_could_not_be_paid_is_in_the_deposit_again_and_its_request_declined():
    lane, payout = lane_deposit_refunded()
    decision = failed(lane, "2026-02-05", payout)
    assert decision.postings == (Posting(CLEARING, LedgerAccount.DEPOSIT, "CNY", 20_000),)
    assert lane.get(Deposit, "deposit").left_minor == 50_000
    request = lane.get(DepositRefund, "request")
    assert (request.status, request.reasons) == (DepositRefundStatus.DECLINED, ("payout_failed",))
    assert lane.send("2026-02-06", refund_asked(amount_minor=20_000)).outcome is Outcome.DUPLICATE
    assert lane.send("2026-02-06", refund_asked("next", refund_to="shop_balance")).outcome is Outcome.APPLIED
    assert lane.get(DepositRefund, "next").amount_minor == 50_000


def test_a_deposit_refund_fails_beside_another_request_for_what_was_left():
    lane, payout = lane_deposit_refunded()
    lane.send("2026-02-04", refund_asked("next"))
    failed(lane, "2026-02-05", payout)
    deposit = lane.get(Deposit, "deposit")
    assert (deposit.left_minor, deposit.open_request_id) == (50_000, "next")
    assert lane.get(DepositRefund, "next").amount_minor == 30_000


def test_a_withdrawal_that_could_not_be_paid_is_in_the_shop_balance_again():
    lane, payout = lane_withdrawn()
    decision = failed(lane, "2026-02-05", payout)
    assert decision.postings == (Posting(CLEARING, LedgerAccount.SHOP_BALANCE, "CNY", 20_000),)
    assert lane.balance.shop_balance_minor == 50_000
