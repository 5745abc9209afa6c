"""Extensions of a due date. Source: docs/rules.md, Purchase."""

from settlement.dates import business_date, days_after
from settlement.decision import Decision, DeclineReason
from settlement.draft import Draft
from settlement.entities import Obligation, Order
from settlement.messages import ExtensionRequested
from settlement.rules import debit, due_day, reminder
from settlement.rules.schedule import obligations_of
from settlement.statuses import ObligationStatus, OrderStatus
from settlement.values import revised


def requested(draft: Draft, body: ExtensionRequested) -> Decision:
    """Put an order's due date off, once."""
    order = draft.find(Order, body.order_id)
    if order is None:
        return draft.missing(Order, body.order_id)
    if _is_over(order):
        return draft.declined(DeclineReason.WRONG_STATE)
    terms = draft.rules.terms.since(order.terms_from).programmes[draft.account.programme]
    if terms.extension_days_at_most is None:
        return _refused(draft, body, DeclineReason.NOT_OFFERED)
    if order.due_on is None:
        return draft.wait(Order, order.order_id)
    if business_date(draft.moment.occurred_at) >= order.due_on or order.status is OrderStatus.OVERDUE:
        return _refused(draft, body, DeclineReason.TOO_LATE)
    if order.extension_days is not None:
        return _refused(draft, body, DeclineReason.EXTENSION_USED)
    if body.days > terms.extension_days_at_most:
        return _refused(draft, body, DeclineReason.EXTENSION_TOO_LONG)
    due_on = days_after(order.due_on, body.days)
    order = revised(order, due_on=due_on, extension_days=body.days)
    draft.put(order)
    draft.notify("extension_granted", order_id=order.order_id, days=body.days, due_on=due_on.isoformat())
    if order.captured_at is None:
        reminder.expect_trial_end(draft, order, due_on)
    else:
        _put_off(draft, obligations_of(draft, order), body.days)
    return draft.applied()


def _is_over(order: Order) -> bool:
    """Tell whether there is no due date left to put off: nothing is open, or the buyer chose to be debited at once."""
    ended = {OrderStatus.CANCELLED, OrderStatus.RETURNED, OrderStatus.SETTLED}
    return order.status in ended or order.kept_at is not None


def _put_off(draft: Draft, obligations: list[Obligation], days: int) -> None:
    """The request was told after the due date that it came before: what was debited meanwhile is debited later."""
    debit.leave_out(draft, obligations, "extended")
    found = [draft.get(Obligation, each.obligation_id) for each in obligations]
    open_ones = [each for each in found if each.status is ObligationStatus.OPEN]
    due_dates = [days_after(each.due_on, days) for each in open_ones]
    for obligation, due_on in zip(open_ones, due_dates, strict=True):
        draft.put(revised(obligation, due_on=due_on, exhausted=False))
    for due_on in sorted(set(due_dates)):
        due_day.expect(draft, due_on)


def _refused(draft: Draft, body: ExtensionRequested, reason: DeclineReason) -> Decision:
    draft.notify("extension_refused", order_id=body.order_id, days=body.days, reason=reason.value)
    return draft.declined(reason)
