"""Extensions: once, in time, not too long; what they put off."""

from datetime import date

import pytest

from settlement.decision import DeclineReason, Outcome
from settlement.entities import Order
from settlement.messages import ExtensionRequested, PurchaseCancelled, PurchaseKept, PurchaseReceived
from settlement.outputs import AutoDebitCancelled, AutoDebitRequested, NotificationRequested
from settlement.statuses import DebitStatus, OrderStatus
from tests.unit.settlement.builders import Lane, damaged, deferred, lane_with_line, placed, repaid, returned


def lane_on_trial() -> Lane:
    """A lane on which an order's trial runs from 5 to 12 January 2026."""
    lane = lane_with_line()
    lane.send("2026-01-02", placed(days=7))
    lane.send("2026-01-05", PurchaseReceived("order"))
    return lane


def test_an_extension_puts_the_end_of_a_trial_off():
    lane = lane_on_trial()
    assert lane.send("2026-01-11 23:59", ExtensionRequested("order", 7)).outcome is Outcome.APPLIED
    notice = lane.outputs(NotificationRequested)[-1]
    assert (notice.template, notice.params["due_on"]) == ("extension_granted", "2026-01-19")
    lane.tick("2026-01-18 23:59")
    assert lane.outputs(AutoDebitRequested) == []
    lane.tick("2026-01-19 00:00")
    (request,) = lane.outputs(AutoDebitRequested)
    assert (request.due_on, request.reason) == (date(2026, 1, 19), "trial_ended")


def test_a_return_may_be_asked_for_until_the_extended_end():
    lane = lane_on_trial()
    lane.send("2026-01-06", ExtensionRequested("order", 7))
    assert lane.send("2026-01-18", returned()).outcome is Outcome.APPLIED


@pytest.mark.parametrize(
    ("when", "days", "reason"),
    [
        ("2026-01-12 00:00", 8, DeclineReason.TOO_LATE),
        ("2026-01-08", 8, DeclineReason.EXTENSION_TOO_LONG),
    ],
)
def test_an_extension_against_the_terms_is_refused_with_a_notice(when, days, reason):
    lane = lane_on_trial()
    assert lane.send(when, ExtensionRequested("order", days)).reason == reason
    assert lane.outputs(NotificationRequested)[-1].template == "extension_refused"
    assert lane.get(Order, "order").due_on == date(2026, 1, 12)


def test_there_is_one_extension_only_and_that_is_told_before_its_length():
    lane = lane_on_trial()
    lane.send("2026-01-06", ExtensionRequested("order", 1))
    assert lane.send("2026-01-07", ExtensionRequested("order", 8)).reason == DeclineReason.EXTENSION_USED
    assert lane.send("2026-01-13", ExtensionRequested("order", 8)).reason == DeclineReason.TOO_LATE


def test_a_refused_extension_is_not_used_up():
    lane = lane_on_trial()
    lane.send("2026-01-06", ExtensionRequested("order", 8))
    assert lane.send("2026-01-06", ExtensionRequested("order", 7)).outcome is Outcome.APPLIED


def test_a_programme_without_extensions_offers_none():
    lane = lane_with_line("kuaishou")
    lane.send("2026-01-02", deferred())
    assert lane.send("2026-01-03", ExtensionRequested("order", 1)).reason == DeclineReason.NOT_OFFERED
    assert lane.notices() == ["extension_refused"]


def test_an_extension_waits_for_the_receipt():
    lane = lane_with_line()
    lane.send("2026-01-02", placed(days=7))
    assert lane.send("2026-01-06", ExtensionRequested("order", 7)).outcome is Outcome.PARKED
    lane.send("2026-01-06", PurchaseReceived("order"))
    assert lane.get(Order, "order").due_on == date(2026, 1, 20)


@pytest.mark.parametrize("end", [PurchaseKept("order"), PurchaseCancelled("order", "changed my mind")])
def test_what_has_no_due_date_ahead_is_not_extended(end):
    lane = lane_with_line()
    lane.send("2026-01-02", placed(days=7))
    if isinstance(end, PurchaseKept):
        lane.send("2026-01-05", PurchaseReceived("order"))
    lane.send("2026-01-06", end)
    assert lane.send("2026-01-07", ExtensionRequested("order", 7)).reason == DeclineReason.WRONG_STATE
    assert lane.notices() == []


def test_an_extension_during_a_return_counts_when_the_return_ends():
    lane = lane_on_trial()
    lane.send("2026-01-06", returned())
    lane.send("2026-01-07", ExtensionRequested("order", 7))
    lane.send("2026-01-08", damaged())
    lane.tick("2026-01-18")
    assert lane.outputs(AutoDebitRequested) == []
    lane.tick("2026-01-19 00:00")
    assert lane.outputs(AutoDebitRequested)[0].due_on == date(2026, 1, 19)


def test_an_extension_told_late_takes_the_debit_back():
    lane = lane_on_trial()
    lane.tick("2026-01-12 08:00")
    debit = lane.requested
    lane.send("2026-01-11 20:00", ExtensionRequested("order", 7))
    assert lane.outputs(AutoDebitCancelled) == [AutoDebitCancelled("buyer", debit.debit_id, "extended")]
    assert [each.status for each in lane.debits] == [DebitStatus.CANCELLED]
    assert [each.due_on for each in lane.obligations] == [date(2026, 1, 19)]
    lane.tick("2026-01-19 00:00")
    (request,) = lane.outputs(AutoDebitRequested)
    assert (request.due_on, request.attempt, request.amount_minor) == (date(2026, 1, 19), 1, 10_000)


def test_an_order_paid_before_a_late_extension_is_not_extended():
    lane = lane_on_trial()
    lane.tick("2026-01-12 08:00")
    lane.send("2026-01-12 09:00", repaid(10_000, debit_id=lane.requested.debit_id))
    assert lane.get(Order, "order").status is OrderStatus.SETTLED
    assert lane.send("2026-01-11 20:00", ExtensionRequested("order", 7)).reason == DeclineReason.WRONG_STATE
