"""What is due stays asked for: beside another debit, after three failures, after a week without an answer."""

from datetime import date

import pytest

from settlement.decision import DeclineReason, Outcome
from settlement.entities import Debit
from settlement.messages import CardLinked, DebitRequested, RepaymentFailed, RepaymentReversed
from settlement.outputs import AutoDebitCancelled, AutoDebitRequested, PayoutRequested
from settlement.statuses import DebitStatus
from tests.unit.settlement.builders import Lane, lowered, repaid
from tests.unit.settlement.owing import lane_on_statement, lane_owing, notice


def fail(lane: Lane, when: str, debit_id: str):
    return lane.send(when, RepaymentFailed(debit_id, "account closed", retryable=False))


def lane_failed(amount_minor: int = 10_000) -> Lane:
    """A lane whose order `a` was debited on 1 February, in vain."""
    lane = lane_owing(amount_minor)
    lane.tick("2026-02-01 00:00")
    fail(lane, "2026-02-01 09:00", lane.requested.debit_id)
    return lane


def lane_bounced() -> tuple[Lane, Debit]:
    """300.00 of 1000.00 bounce on the due day, 10 February, while the other 700.00 are being debited."""
    lane = lane_on_statement("taobao", 100_000)
    lane.send("2026-02-10 09:00", repaid(30_000, "bounced"))
    rest = lane.requested
    lane.send("2026-02-10 12:00", RepaymentReversed("bounced", "bounced"))
    assert rest.amount_minor == 70_000
    return lane, rest


def test_what_bounced_is_asked_for_though_the_debit_of_the_rest_fails_for_good():
    lane, rest = lane_bounced()
    fail(lane, "2026-02-10 13:00", rest.debit_id)
    lane.tick("2026-02-11 00:00")
    (debit,) = lane.outputs(AutoDebitRequested)
    assert (debit.amount_minor, debit.due_on, debit.attempt, debit.reason) == (
        100_000,
        date(2026, 2, 10),
        1,
        "due",
    )


def test_of_two_debits_for_one_obligation_a_payment_lowers_the_newer_one():
    lane, rest = lane_bounced()
    lane.tick("2026-02-11 00:00")
    (beside,) = lane.outputs(AutoDebitRequested)
    assert beside.amount_minor == 30_000
    lane.send("2026-02-11 09:00", repaid(10_050))  # 0.50 of it pays the first penalty
    assert lane.outputs(AutoDebitCancelled) == [AutoDebitCancelled("buyer", beside.debit_id, "repaid")]
    (smaller,) = lane.outputs(AutoDebitRequested)
    assert smaller.amount_minor == 20_000
    assert lane.get(Debit, rest.debit_id).status is DebitStatus.REQUESTED


def test_a_further_card_is_debited_at_once_when_the_last_attempt_has_failed():
    lane = lane_failed()
    lane.tick("2026-02-03 00:00")
    assert lane.send("2026-02-03 10:00", CardLinked()).outcome is Outcome.APPLIED
    (debit,) = lane.outputs(AutoDebitRequested)
    assert (debit.amount_minor, debit.attempt, debit.reason) == (10_010, 1, "due")
    assert lane.send("2026-02-03 11:00", CardLinked()).outcome is Outcome.DUPLICATE


def test_a_debit_is_requested_where_something_due_is_not_being_debited():
    lane = lane_owing(10_000)
    assert lane.send("2026-01-20", DebitRequested()).reason == DeclineReason.NOTHING_DUE
    assert notice(lane, "debit_request_declined")["reason"] == "nothing_due"
    lane.tick("2026-02-01 00:00")
    assert lane.send("2026-02-01 08:00", DebitRequested()).reason == DeclineReason.IN_PROGRESS
    fail(lane, "2026-02-01 09:00", lane.requested.debit_id)
    assert lane.send("2026-02-01 10:00", DebitRequested()).outcome is Outcome.APPLIED
    assert [each.amount_minor for each in lane.outputs(AutoDebitRequested)] == [10_000]


def lane_unanswered() -> tuple[Lane, Debit, AutoDebitRequested]:
    """The debit of 1 February has no answer by the 8th, when another is requested."""
    lane = lane_owing(10_000)
    lane.tick("2026-02-01 00:00")
    silent = lane.requested
    lane.tick("2026-02-07 23:59")
    assert lane.outputs(AutoDebitRequested) == []
    lane.tick("2026-02-08 00:00")
    (another,) = lane.outputs(AutoDebitRequested)
    return lane, silent, another


def test_a_debit_without_an_answer_for_seven_days_is_told_to_operators_and_asked_for_again():
    lane, silent, another = lane_unanswered()
    told = notice(lane, "debit_unanswered")
    assert (told["debit_id"], told["amount_minor"]) == (silent.debit_id, 10_000)
    assert (another.amount_minor, another.attempt) == (10_030, 1)  # with six penalties of 5
    assert lane.get(Debit, silent.debit_id).status is DebitStatus.REQUESTED


def test_an_unanswered_debit_that_fails_after_all_changes_nothing_else():
    lane, silent, another = lane_unanswered()
    assert fail(lane, "2026-02-08 09:00", silent.debit_id).outcome is Outcome.APPLIED
    assert lane.notices() == []
    assert lane.get(Debit, silent.debit_id).status is DebitStatus.FAILED
    assert lane.get(Debit, another.debit_id).status is DebitStatus.REQUESTED
    assert not lane.obligations[0].exhausted


def test_an_unanswered_debit_does_not_block_lowering():
    lane, _, another = lane_unanswered()
    fail(lane, "2026-02-08 09:00", another.debit_id)
    assert lane.send("2026-02-08 10:00", lowered(5_000, "a")).outcome is Outcome.APPLIED


@pytest.mark.parametrize("silent_first", [True, False])
def test_of_what_two_debits_brought_for_one_debt_nothing_is_lost(silent_first):
    lane, silent, another = lane_unanswered()
    answers = [(silent.debit_id, 10_000), (another.debit_id, another.amount_minor)]
    paid_out_minor = 0
    for number, (debit_id, amount_minor) in enumerate(answers if silent_first else answers[::-1]):
        lane.send(f"2026-02-08 1{number}:00", repaid(amount_minor, f"answer {number}", debit_id=debit_id))
        paid_out_minor += sum(each.amount_minor for each in lane.outputs(PayoutRequested))
    assert paid_out_minor == another.amount_minor  # the first debit counts as of 1 February: nothing was ever overdue
    account = lane.account
    assert (account.receivable_minor, account.penalty_receivable_minor, account.freeze_reasons) == (0, 0, ())
    assert account.customer_credit_minor == 0
