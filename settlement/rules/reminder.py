"""Reminders: something is due soon, or a trial ends soon. Source: docs/rules.md, Reminders."""

from datetime import date
from itertools import takewhile

from settlement.dates import days_after, midnight
from settlement.draft import Draft
from settlement.entities import Order
from settlement.rules.schedule import is_under_return, left_minor
from settlement.timers import TimerKind


def expect_due_date(draft: Draft, due_on: date) -> None:
    """Set what comes next of a due date ahead: its reminder or, when it is too late for that, its due day.

    A date has one timer at a time, because a reminder sets the due day when it is sent.
    """
    remind_at = midnight(days_after(due_on, -draft.rules.terms.on(due_on).reminder_days))
    if remind_at > draft.moment.now:
        draft.schedule(TimerKind.REMINDER, due_on.isoformat(), remind_at)
    else:
        draft.schedule(TimerKind.DUE_DAY, due_on.isoformat(), midnight(due_on))


def due_soon(draft: Draft, due_on: date) -> None:
    """Tell what will be debited on a date, if anything, and set its due day."""
    due = takewhile(lambda each: each.due_on <= due_on, draft.open_obligations())
    wanted = [each for each in due if each.due_on == due_on and not is_under_return(draft, each)]
    if wanted:
        draft.notify(
            "payment_due_soon",
            amount_minor=sum(each.open_minor for each in wanted),
            currency=draft.currency,
            due_on=due_on.isoformat(),
        )
    draft.schedule(TimerKind.DUE_DAY, due_on.isoformat(), midnight(due_on))


def expect_trial_end(draft: Draft, order: Order, ends_on: date) -> None:
    """Set a trial's end, which is ahead, and its reminder unless it is too late for that."""
    draft.schedule(TimerKind.TRIAL_END, order.order_id, midnight(ends_on))
    expect_trial_reminder(draft, order, ends_on)


def expect_trial_reminder(draft: Draft, order: Order, ends_on: date) -> None:
    """Set the reminder of a trial's end, unless it is too late for that.

    A return that is open keeps the trial from its end, but not from its reminder: it may have ended by then.
    """
    remind_at = midnight(days_after(ends_on, -draft.rules.terms.since(order.terms_from).reminder_days))
    if remind_at > draft.moment.now:
        draft.schedule(TimerKind.TRIAL_REMINDER, order.order_id, remind_at)


def forget_trial_end(draft: Draft, order_id: str) -> None:
    """A trial does not end by itself any more."""
    draft.cancel(TimerKind.TRIAL_END, order_id)
    draft.cancel(TimerKind.TRIAL_REMINDER, order_id)


def trial_ends_soon(draft: Draft, order_id: str) -> None:
    """Tell what a trial's end will debit; while a return is open, nobody knows when it ends."""
    order = draft.get(Order, order_id)
    if order.due_on is None or order.open_return_ids:
        return
    draft.notify(
        "trial_ending",
        order_id=order_id,
        amount_minor=left_minor(order),
        currency=draft.currency,
        due_on=order.due_on.isoformat(),
    )
