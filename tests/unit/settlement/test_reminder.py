"""Reminders: when they are sent, of what, and when there are none."""

from datetime import date

import pytest

from settlement.messages import (
    ExtensionRequested,
    PurchaseCancelled,
    PurchaseKept,
    PurchaseReceived,
    RepaymentFailed,
)
from settlement.outputs import AutoDebitRequested, NotificationRequested
from settlement.timers import TimerKind
from tests.unit.settlement.builders import (
    BUYER,
    Lane,
    careful_rules,
    damaged,
    deferred,
    in_instalments,
    intact,
    lane_with_line,
    placed,
    repaid,
    returned,
    rules_of,
)


def lane_owing(**amounts_minor: int) -> Lane:
    """A lane on which orders of those amounts, whose returns are inspected, are due on 1 February 2026."""
    lane = lane_with_line("careful", rules=careful_rules())
    for order_id, amount_minor in amounts_minor.items():
        lane.send("2026-01-02", deferred(order_id, amount_minor))
        lane.send("2026-01-05", PurchaseReceived(order_id))
    return lane


def lane_on_trial(received_on: str = "2026-01-05") -> Lane:
    """A lane on which an order's trial of 7 days runs."""
    lane = lane_with_line()
    lane.send("2026-01-02", placed(days=7))
    lane.send(received_on, PurchaseReceived("order"))
    return lane


def reminders(lane: Lane) -> list[tuple[str, str, int]]:
    """Template, due date and amount of each reminder of the last step."""
    return [
        (body.template, body.params["due_on"], body.params["amount_minor"])
        for body in lane.outputs(NotificationRequested)
        if body.template in {"payment_due_soon", "trial_ending"}
    ]


def timers(lane: Lane) -> set[TimerKind]:
    return {kind for kind, _ in lane.states[BUYER].timers}


def test_what_is_due_on_a_date_is_told_once_three_days_before():
    lane = lane_owing(a=1_000, b=2_000)
    lane.tick("2026-01-28 23:59")
    assert lane.outputs() == []
    lane.tick("2026-01-29 00:00")
    assert reminders(lane) == [("payment_due_soon", "2026-02-01", 3_000)]
    lane.tick("2026-02-01 00:00")
    assert lane.notices() == []
    assert lane.outputs(AutoDebitRequested)[0].amount_minor == 3_000


def test_every_instalment_is_told_with_its_fee():
    lane = lane_with_line("taobao")
    lane.send("2026-01-02", in_instalments(amount_minor=10_000))
    lane.send("2026-01-05", PurchaseReceived("order"))
    lane.tick("2026-02-07 00:00")
    assert reminders(lane) == [("payment_due_soon", "2026-02-10", 3_394)]
    lane.tick("2026-03-07 00:00")
    assert reminders(lane) == [("payment_due_soon", "2026-03-10", 3_393)]


def test_what_is_paid_or_under_return_is_not_told():
    lane = lane_owing(a=1_000, b=2_000, c=4_000)
    lane.send("2026-01-06", repaid(500, order_id="a"))
    lane.send("2026-01-27", returned(1, order_id="b"))
    lane.tick("2026-01-29 00:00")
    assert reminders(lane) == [("payment_due_soon", "2026-02-01", 4_500)]


def test_nothing_is_told_when_nothing_is_open_and_the_due_day_comes_all_the_same():
    lane = lane_owing(a=1_000)
    lane.send("2026-01-06", repaid(1_000))
    lane.tick("2026-01-29 00:00")
    assert lane.outputs() == []
    assert TimerKind.DUE_DAY in timers(lane)


def test_a_date_has_one_timer_at_a_time():
    lane = lane_owing(a=1_000)
    assert timers(lane) == {TimerKind.REMINDER}
    lane.tick("2026-01-29 00:00")
    assert timers(lane) == {TimerKind.DUE_DAY}


@pytest.mark.parametrize(("when", "told"), [("2026-01-28 23:59", True), ("2026-01-29 00:00", False)])
def test_what_comes_to_be_when_the_reminder_has_passed_is_not_told(when, told):
    lane = lane_with_line("own", rules=rules_of("own", "kuaishou", {"automatic_receipt_days": 60}))
    lane.send("2026-01-02", deferred(days=30))
    lane.send(when, PurchaseReceived("order"))
    lane.tick("2026-01-31")
    assert bool(reminders(lane)) is told
    lane.tick("2026-02-01 00:00")
    assert len(lane.outputs(AutoDebitRequested)) == 1


def test_how_early_is_told_follows_the_terms_of_the_due_date():
    lane = lane_with_line("own", rules=rules_of("own", "kuaishou", {"reminder_days": 7}))
    lane.send("2026-01-02", deferred(days=30))
    lane.send("2026-01-05", PurchaseReceived("order"))
    lane.tick("2026-01-25 00:00")
    assert reminders(lane) == [("payment_due_soon", "2026-02-01", 10_000)]


def test_what_is_left_after_a_return_is_told():
    lane = lane_owing(a=1_000)
    lane.send("2026-01-20", returned(400, order_id="a"))
    lane.send("2026-01-21", intact())
    lane.tick("2026-01-29 00:00")
    assert reminders(lane) == [("payment_due_soon", "2026-02-01", 600)]


def test_the_end_of_a_trial_is_told_three_days_before():
    lane = lane_on_trial()
    lane.tick("2026-01-08 23:59")
    assert lane.outputs() == []
    lane.tick("2026-01-09 00:00")
    (notice,) = lane.outputs(NotificationRequested)
    assert (notice.template, notice.params["order_id"]) == ("trial_ending", "order")
    assert (notice.params["amount_minor"], notice.params["due_on"]) == (10_000, "2026-01-12")
    lane.tick("2026-01-12 00:00")
    assert lane.notices() == []


def test_what_was_returned_of_a_trial_is_not_told():
    lane = lane_on_trial()
    lane.send("2026-01-06", returned(4_000))
    lane.send("2026-01-07", intact())
    lane.tick("2026-01-09 00:00")
    assert reminders(lane) == [("trial_ending", "2026-01-12", 6_000)]


def test_an_extended_trial_is_told_of_its_new_end():
    lane = lane_on_trial()
    lane.send("2026-01-06", ExtensionRequested("order", 7))
    lane.tick("2026-01-15")
    assert reminders(lane) == []
    lane.tick("2026-01-16 00:00")
    assert reminders(lane) == [("trial_ending", "2026-01-19", 10_000)]


def test_a_trial_that_is_extended_after_its_reminder_is_told_again():
    lane = lane_on_trial()
    lane.tick("2026-01-09 00:00")
    lane.send("2026-01-10", ExtensionRequested("order", 7))
    lane.tick("2026-01-16 00:00")
    assert reminders(lane) == [("trial_ending", "2026-01-19", 10_000)]


def test_a_trial_with_an_open_return_is_not_told_until_that_has_ended():
    lane = lane_on_trial()
    lane.send("2026-01-08", returned())
    lane.tick("2026-01-20")
    assert reminders(lane) == []
    lane.send("2026-01-20", damaged())
    lane.tick("2026-02-01")
    assert reminders(lane) == []


def test_a_trial_whose_return_expires_at_its_reminder_is_told():
    lane = lane_with_line()
    lane.send("2026-01-02", placed())
    lane.send("2026-01-04 00:00", returned(4_000))
    lane.send("2026-01-15", PurchaseReceived("order"))
    lane.tick("2026-01-19 00:00")
    assert lane.notices() == ["return_expired", "trial_ending"]


@pytest.mark.parametrize("told_at", ["2026-01-08 23:59", "2026-01-09 00:00"])
def test_a_trial_whose_receipt_is_told_after_its_reminder_is_not_told(told_at):
    lane = lane_with_line()
    lane.send("2026-01-02", placed(days=7))
    lane.tick(told_at)
    lane.send("2026-01-05", PurchaseReceived("order"))
    lane.tick("2026-01-13")
    assert bool(reminders(lane)) is (told_at == "2026-01-08 23:59")


def test_a_trial_that_is_over_has_no_timers_left():
    lane = lane_on_trial()
    lane.send("2026-01-06", returned(10_000))
    lane.send("2026-01-07", intact())
    assert timers(lane) == set()


def test_a_kept_order_is_told_of_its_due_date_while_it_is_open():
    lane = lane_on_trial()
    lane.send("2026-01-06", PurchaseKept("order"))
    assert timers(lane) == {TimerKind.REMINDER, TimerKind.DEBIT_UNANSWERED}
    lane.send("2026-01-06 13:00", RepaymentFailed(lane.requested.debit_id, "card expired", retryable=False))
    lane.tick("2026-01-09 00:00")
    assert reminders(lane) == [("payment_due_soon", "2026-01-12", 10_000)]
    lane.tick("2026-01-12 00:00")
    assert [each.due_on for each in lane.outputs(AutoDebitRequested)] == [date(2026, 1, 12)]


def test_a_cancelled_order_is_not_told():
    lane = lane_with_line("douyin")
    lane.send("2026-01-02", in_instalments())
    lane.send("2026-01-03", PurchaseCancelled("order", "changed my mind"))
    lane.tick("2026-05-01")
    assert lane.outputs() == []
