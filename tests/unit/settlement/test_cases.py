"""Five inputs that real platforms met, with their right values, and what is like them."""

from dataclasses import replace
from datetime import date

import pytest

from settlement.decision import DeclineReason, Outcome
from settlement.entities import Debit, Order
from settlement.messages import (
    CreditLineOpened,
    LimitChanged,
    PurchaseReceived,
    RepaymentReversed,
    TermsPublished,
)
from settlement.outputs import AutoDebitCancelled, AutoDebitRequested, PayoutRequested
from settlement.statuses import DebitStatus, OrderStatus
from tests.unit.settlement.builders import (
    RULES,
    Lane,
    complained,
    deferred,
    in_instalments,
    intact,
    lane_with_line,
    message,
    on_statement,
    repaid,
    returned,
    reviewed,
)


def lane_owing(programme: str, amount_minor: int) -> Lane:
    """A statement order, captured on 20 February, is due in March."""
    lane = lane_with_line(programme, 1_000_000)
    lane.send("2026-02-20 10:00", on_statement(amount_minor=amount_minor))
    lane.send("2026-02-20 11:00", PurchaseReceived("order"))
    return lane


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_what_bounces_while_the_rest_is_debited_is_debited_beside_it(order):
    lane = lane_owing("taobao", 30_000)
    lane.send("2026-03-10 09:00", repaid(20_000, "bounced"))
    rest = lane.requested
    assert rest.amount_minor == 10_000
    lane.send("2026-03-10 18:00", RepaymentReversed("bounced", "bounced"))
    assert lane.get(Debit, rest.debit_id).status is DebitStatus.REQUESTED
    lane.tick("2026-03-11 00:00")
    (beside,) = lane.outputs(AutoDebitRequested)
    assert (beside.amount_minor, beside.attempt, beside.reason) == (20_000, 1, "due")
    debits = [(rest.debit_id, 10_000), (beside.debit_id, 20_000)]
    for number in order:
        debit_id, amount_minor = debits[number]
        lane.send("2026-03-14", repaid(amount_minor, f"answer {number}", debit_id=debit_id))
    account = lane.account
    assert (account.receivable_minor, account.penalty_receivable_minor, account.freeze_reasons) == (0, 0, ())
    assert account.customer_credit_minor == 0
    assert lane.obligations[0].penalty_minor == 0


def test_money_for_an_order_that_nobody_knows_counts_for_the_account_as_of_when_it_was_made():
    lane = lane_owing("douyin", 50_000)
    assert lane.send("2026-03-01 10:00", repaid(50_000, order_id="typo")).outcome is Outcome.PARKED
    lane.tick("2026-03-04 09:59")
    assert lane.account.receivable_minor == 50_000
    lane.tick("2026-03-07 10:00")
    assert lane.account.receivable_minor == lane.account.penalty_receivable_minor == 0
    (decision,) = [each.decision for each in lane.everything if each.was_parked]
    assert (decision.outcome, decision.reason) == (Outcome.APPLIED, "reference_unknown")
    assert lane.get(Order, "order").status is OrderStatus.SETTLED
    assert lane.account.freeze_reasons == ()


def test_money_for_an_order_that_nobody_knows_undoes_what_followed_the_due_day():
    lane = lane_owing("douyin", 50_000)
    lane.tick("2026-03-05 12:00")
    lane.send("2026-03-05 12:00", repaid(50_000, order_id="typo"))
    lane.tick("2026-03-08 11:00")
    debit = lane.requested
    assert lane.account.freeze_reasons == ("overdue",)
    lane.tick("2026-03-08 12:00")
    assert lane.outputs(AutoDebitCancelled) == [AutoDebitCancelled("buyer", debit.debit_id, "repaid")]
    assert (lane.account.penalty_receivable_minor, lane.account.freeze_reasons) == (0, ())


def test_a_part_that_was_paid_in_time_and_is_told_late_leaves_the_penalties_of_the_rest():
    lane = lane_with_line("kuaishou", 1_000_000)
    lane.send("2026-02-20 10:00", deferred("order", 1_000_000))
    lane.send("2026-02-20 11:00", PurchaseReceived("order"))
    lane.tick("2026-04-01 14:00")
    lane.send("2026-03-21 14:00", repaid(999_900))
    assert lane.account.receivable_minor == 100
    assert lane.obligations[0].due_on == date(2026, 3, 22)
    assert (lane.obligations[0].penalty_minor, lane.obligations[0].paid_penalty_minor) == (10, 0)
    assert lane.account.freeze_reasons == ("overdue",)


@pytest.mark.parametrize(("is_quality", "paid_out_minor"), [(False, 30_000), (True, 30_540)])
def test_the_fee_is_kept_on_a_full_return_but_for_quality(is_quality, paid_out_minor):
    lane = lane_with_line("taobao", 1_000_000)
    lane.send("2026-02-20 10:00", in_instalments(amount_minor=90_000))
    lane.send("2026-02-20 11:00", PurchaseReceived("order"))
    lane.send("2026-02-22 10:00", repaid(30_540))
    lane.send("2026-02-23 10:00", complained(90_000) if is_quality else returned(90_000))
    if is_quality:
        lane.send("2026-02-23 10:30", reviewed("approved"))
    lane.send("2026-02-23 11:00", intact())
    (payout,) = lane.outputs(PayoutRequested)
    assert (payout.amount_minor, payout.reason) == (paid_out_minor, "order_refund")
    assert lane.account.receivable_minor == lane.account.fee_receivable_minor == 0


def test_a_programme_that_no_terms_know_can_be_opened_once_published_ones_do():
    lane = Lane()
    opening = CreditLineOpened("nippon", 1_000, "JPY", None, card_linked=False, identity_verified=False)
    declined = lane.send("2026-02-20", opening)
    assert (declined.outcome, declined.reason) == (Outcome.DECLINED, DeclineReason.NOT_SUPPORTED)
    assert lane.send("2026-02-20", LimitChanged(2_000, "JPY", "more")).outcome is Outcome.DECLINED
    (version,) = RULES.terms.document["versions"]
    nippon = {**version["programmes"]["kuaishou"], "currency": "JPY"}
    later = {**version, "effective_from": "2026-02-21", "programmes": {**version["programmes"], "nippon": nippon}}
    published = TermsPublished({"versions": [version, later]})
    lane.settle(replace(message(published, None, lane.time, "terms"), type="terms.published"))
    assert lane.send("2026-02-22", opening).outcome is Outcome.APPLIED
