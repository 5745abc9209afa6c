"""Auto-debits: what a due day asks for, what cancels a debit, failures and retries."""

from datetime import date

from settlement.asks import Ask
from settlement.decision import Outcome
from settlement.messages import PurchaseReceived, RepaymentFailed
from settlement.outputs import AutoDebitCancelled, AutoDebitRequested
from settlement.statuses import DebitStatus
from settlement.timers import TimerKind
from tests.unit.settlement.builders import (
    BUYER,
    Lane,
    careful_rules,
    damaged,
    deferred,
    lane_with_line,
    placed,
    repaid,
    returned,
    without_notices,
)


def lane_on_due_day(*amounts_minor: int) -> Lane:
    """A lane on which orders `a`, `b`, … of those amounts are debited on 1 February 2026."""
    lane = lane_with_line("kuaishou")
    for order_id, amount_minor in zip("abcdef", amounts_minor, strict=False):
        lane.send("2026-01-02", deferred(order_id, amount_minor))
        lane.send("2026-01-05", PurchaseReceived(order_id))
    lane.tick("2026-02-01 00:00")
    return lane


def fail(lane: Lane, when: str, *, retryable: bool = True):
    return lane.send(when, RepaymentFailed(lane.requested.debit_id, "no money", retryable))


def test_a_failed_debit_is_tried_again_24_and_48_hours_after_the_first():
    lane = lane_on_due_day(10_000)
    fail(lane, "2026-02-01 09:00")
    assert lane.outputs() == []
    assert lane.tick("2026-02-01 23:59") == []
    lane.tick("2026-02-02 00:00")
    (second,) = lane.outputs(AutoDebitRequested)
    assert (second.amount_minor, second.due_on, second.attempt, second.reason) == (
        10_005,  # with the penalty of that midnight
        date(2026, 2, 1),
        2,
        "retry",
    )
    fail(lane, "2026-02-02 00:05")
    lane.tick("2026-02-03 00:00")
    (third,) = lane.outputs(AutoDebitRequested)
    assert (third.amount_minor, third.attempt) == (10_010, 3)
    fail(lane, "2026-02-03 00:05")
    assert lane.notices() == ["debit_failed"]
    assert (lane.obligations[0].asks, lane.obligations[0].exhausted) == ((), True)
    lane.tick("2026-03-01")
    assert lane.outputs(AutoDebitRequested) == []


def test_a_failure_that_arrives_after_the_next_attempt_was_due_is_tried_again_at_once():
    lane = lane_on_due_day(10_000)
    fail(lane, "2026-02-02 00:00")
    (second,) = lane.outputs(AutoDebitRequested)
    assert second.attempt == 2
    fail(lane, "2026-02-05")
    (third,) = lane.outputs(AutoDebitRequested)
    assert third.attempt == 3


def test_a_failure_that_is_not_retryable_is_the_last():
    lane = lane_on_due_day(10_000)
    fail(lane, "2026-02-01 09:00", retryable=False)
    assert lane.notices() == ["debit_failed"]
    lane.tick("2026-03-01")
    assert lane.outputs(AutoDebitRequested) == []


def test_failures_are_answered_once_and_only_when_requested():
    lane = lane_on_due_day(10_000)
    debit_id = lane.requested.debit_id
    lane.send("2026-02-01 09:00", RepaymentFailed(debit_id, "no money", retryable=True))
    assert lane.send("2026-02-01 09:01", RepaymentFailed(debit_id, "no", retryable=False)).outcome is Outcome.DUPLICATE
    lane.send("2026-02-01 10:00", repaid(10_000, debit_id=debit_id))
    assert lane.send("2026-02-01 11:00", RepaymentFailed(debit_id, "no", retryable=True)).reason == "wrong_state"
    lane.tick("2026-02-03")
    assert lane.outputs() == []


def test_a_failure_of_a_cancelled_debit_is_wrong():
    lane = lane_on_due_day(10_000)
    debit_id = lane.requested.debit_id
    lane.send("2026-02-01 09:00", repaid(10_000))
    assert lane.send("2026-02-01 10:00", RepaymentFailed(debit_id, "no", retryable=True)).reason == "wrong_state"


def test_an_answer_to_an_unknown_debit_waits():
    lane = lane_with_line()
    assert lane.send("2026-01-02", RepaymentFailed("nowhere", "no", retryable=True)).outcome is Outcome.PARKED


def test_a_retry_asks_for_what_is_open_then():
    lane = lane_on_due_day(10_000, 5_000)
    fail(lane, "2026-02-01 09:00")
    lane.send("2026-02-01 12:00", repaid(12_000))
    assert lane.outputs(AutoDebitCancelled) == []
    lane.tick("2026-02-02 00:00")
    (second,) = lane.outputs(AutoDebitRequested)
    assert (second.amount_minor, second.order_ids) == (3_002, ("b",))


def test_nothing_is_retried_when_all_is_paid():
    lane = lane_on_due_day(10_000)
    fail(lane, "2026-02-01 09:00")
    lane.send("2026-02-01 12:00", repaid(10_000))
    lane.tick("2026-02-02 00:00")
    assert lane.outputs() == []


def test_a_payment_from_elsewhere_replaces_a_requested_debit_by_a_smaller_one():
    lane = lane_on_due_day(10_000, 5_000)
    first = lane.requested
    lane.send("2026-02-01 09:00", repaid(4_000))
    _, cancelled, request = without_notices(lane.outputs())
    assert cancelled == AutoDebitCancelled("buyer", first.debit_id, "repaid")
    assert (request.amount_minor, request.due_on, request.attempt, request.reason) == (
        11_000,
        first.due_on,
        first.attempt,
        first.reason,
    )
    assert lane.requested.first_requested_at == first.first_requested_at
    assert {Ask.parse(*each.asks).debit_id for each in lane.obligations} == {request.debit_id}


def test_a_replaced_debit_keeps_its_place_in_the_series():
    lane = lane_on_due_day(10_000)
    fail(lane, "2026-02-01 09:00")
    lane.tick("2026-02-02 00:00")
    lane.send("2026-02-02 01:00", repaid(1_000))
    (request,) = lane.outputs(AutoDebitRequested)
    assert (request.attempt, request.reason) == (2, "retry")
    fail(lane, "2026-02-02 02:00")
    lane.tick("2026-02-03 00:00")
    assert lane.outputs(AutoDebitRequested)[0].attempt == 3


def test_a_debit_that_is_paid_in_full_elsewhere_is_cancelled_for_good():
    lane = lane_on_due_day(10_000)
    lane.send("2026-02-01 09:00", repaid(10_000))
    assert len(lane.outputs(AutoDebitCancelled)) == 1
    assert lane.outputs(AutoDebitRequested) == []
    assert lane.obligations[0].asks == ()


def test_an_amount_that_pays_other_obligations_leaves_a_debit_alone():
    lane = lane_on_due_day(10_000)
    lane.send("2026-02-01 08:00", deferred("later", 5_000, days=60))
    lane.send("2026-02-01 09:00", PurchaseReceived("later"))
    lane.send("2026-02-01 10:00", repaid(5_000, order_id="later"))
    assert lane.outputs(AutoDebitCancelled) == []
    assert lane.requested.amount_minor == 10_000


def test_customer_credit_is_applied_before_debiting():
    lane = lane_with_line("kuaishou")
    lane.send("2026-01-02", deferred("a", 10_000))
    lane.send("2026-01-02", deferred("b", 5_000, days=60))
    lane.send("2026-01-05", PurchaseReceived("a"))
    lane.send("2026-01-05", PurchaseReceived("b"))
    lane.send("2026-01-06", repaid(7_000, order_id="b"))
    assert lane.account.customer_credit_minor == 2_000
    lane.tick("2026-02-01 00:00")
    released, request = without_notices(lane.outputs())
    assert (released.order_id, released.amount_minor, released.reason) == ("a", 2_000, "repaid")
    assert request.amount_minor == 8_000
    assert lane.account.customer_credit_minor == 0


def test_customer_credit_pays_what_is_due_at_once_debited_already_or_not():
    lane = lane_on_due_day(10_000)
    lane.send("2026-02-01 08:00", deferred("b", 5_000, days=60))
    lane.send("2026-02-01 09:00", PurchaseReceived("b"))
    first = lane.requested
    lane.send("2026-02-01 23:00", repaid(9_000, order_id="b"))
    assert lane.outputs(AutoDebitCancelled) == [AutoDebitCancelled("buyer", first.debit_id, "repaid")]
    amounts = [(body.amount_minor, body.due_on) for body in lane.outputs(AutoDebitRequested)]
    assert amounts == [(6_000, date(2026, 2, 1))]
    assert lane.account.customer_credit_minor == 0


def test_customer_credit_that_nothing_due_needs_waits_for_the_next_due_day():
    lane = lane_with_line("kuaishou")
    for order_id, days in (("b", 30), ("c", 60)):
        lane.send("2026-01-02", deferred(order_id, 5_000, days=days))
        lane.send("2026-01-03", PurchaseReceived(order_id))
    lane.send("2026-01-04", repaid(6_000, order_id="b"))
    assert lane.account.customer_credit_minor == 1_000
    lane.tick("2026-03-03 00:00")
    assert lane.account.customer_credit_minor == 0
    assert lane.requested.amount_minor == 4_000


def test_an_owed_order_that_is_under_return_is_not_debited():
    lane = lane_with_line("careful", rules=careful_rules())
    for order_id in "ab":
        lane.send("2026-01-02", deferred(order_id, 1_000))
        lane.send("2026-01-05", PurchaseReceived(order_id))
    lane.send("2026-01-26", returned(1_000, order_id="a"))
    lane.tick("2026-02-01 00:00")
    assert lane.outputs(AutoDebitRequested)[0].order_ids == ("b",)


def test_what_waits_for_a_return_is_not_debited():
    tmall = lane_with_line("tmall")
    for order_id in "ab":
        tmall.send("2026-01-02", placed(order_id, 1_000))
        tmall.send("2026-01-05", PurchaseReceived(order_id))
    tmall.send("2026-01-06", returned(1_000, order_id="a"))
    tmall.tick("2026-01-12 00:00")
    (request,) = tmall.outputs(AutoDebitRequested)
    assert request.order_ids == ("b",)
    tmall.send("2026-01-20", damaged())
    tmall.tick("2026-01-21 00:00")
    (request,) = tmall.outputs(AutoDebitRequested)
    assert (request.order_ids, request.due_on, request.reason) == (("a",), date(2026, 1, 21), "trial_ended")


def test_at_most_one_retry_is_pending():
    lane = lane_on_due_day(10_000)
    fail(lane, "2026-02-01 09:00")
    pending = [key for key in lane.states[BUYER].timers if key[0] is TimerKind.DEBIT_RETRY]
    assert len(pending) == 1
    lane.tick("2026-02-02 00:00")
    assert [debit.status for debit in lane.debits] == [DebitStatus.FAILED, DebitStatus.REQUESTED]
