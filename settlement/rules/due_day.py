"""What is due: customer credit pays it, debits ask for what is left, now or at the next 00:00.

Source: docs/rules.md, Debits.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import takewhile

from settlement.asks import uncovered
from settlement.dates import business_date, days_after, midnight
from settlement.decision import Decision, DeclineReason
from settlement.draft import Draft
from settlement.entities import Debit, Obligation, Order, PlanKind
from settlement.ledger import LedgerAccount
from settlement.rules import debit, difference, overdue, reminder
from settlement.rules.allocation import Allocation, Money
from settlement.rules.payout_request import pay_out_credit
from settlement.rules.schedule import is_under_return
from settlement.statuses import ObligationStatus
from settlement.timers import WHOLE_ACCOUNT, TimerKind


def expect(draft: Draft, due_on: date) -> None:
    """See to it that what is due on a date is debited then, after a reminder; at once when the date has begun."""
    if midnight(due_on) > draft.moment.now:
        reminder.expect_due_date(draft, due_on)
        return
    spend_credit(draft)
    made = [each for each in draft.touched(Obligation) if each.due_on == due_on]
    due = [each for each in sorted(made, key=_in_order) if _is_to_ask(draft, each)]
    if any(each.status is ObligationStatus.OPEN for each in made):
        overdue.expect(draft, due_on)
    debit.request_uncovered(draft, due, _reason(draft, due))


def due_day(draft: Draft, day: date) -> None:
    """00:00 of a date: what is due on it is debited, and falls overdue at the next 00:00 if it is not paid.

    A date on which nothing is due any more, because it was paid or put off, is no due day.
    """
    due = [each for each in _due_by(draft, day) if each.due_on == day]
    if due:
        debit_due(draft)
        if any(draft.get(Obligation, each.obligation_id).status is ObligationStatus.OPEN for each in due):
            overdue.expect(draft, day)


def debit_due(draft: Draft) -> None:
    """00:00: customer credit pays all that is due; what nobody asks for of the rest is debited, by due date.

    What a series asked for in vain goes with the debit of the date, where something falls due on it.
    """
    today = business_date(draft.moment.now)
    if not any(_due_by(draft, today)):  # what was to be asked for is paid: credit that rests goes on resting
        return
    settle_credit(draft)
    due = list(_due_by(draft, today))
    is_due_day = any(each.due_on == today for each in due)
    asked: dict[date, list[Obligation]] = {}
    for obligation in due:
        if obligation.exhausted:
            if is_due_day and not is_under_return(draft, obligation):
                asked.setdefault(today, []).append(obligation)
        elif _is_to_ask(draft, obligation):
            asked.setdefault(obligation.due_on, []).append(obligation)
    for due_on, obligations in sorted(asked.items()):
        debit.request_together(draft, obligations, due_on, _reason(draft, obligations))


def ask_again(draft: Draft) -> bool:
    """Ask at once for all that is due and nobody asks for, if a series has failed for good; tells whether it has."""
    due = [each for each in _due_by(draft, business_date(draft.moment.now)) if not is_under_return(draft, each)]
    if not any(each.exhausted and uncovered(each).amount_minor for each in due):
        return False
    debit.request_uncovered(draft, due)
    return True


def debit_requested(draft: Draft) -> Decision:
    """Ask at once for all that is due and nobody asks for, as a buyer or an operator wants it."""
    due = [each for each in _due_by(draft, business_date(draft.moment.now)) if not is_under_return(draft, each)]
    if not due:
        return _refused(draft, DeclineReason.NOTHING_DUE)
    if not any(uncovered(each).amount_minor for each in due):
        return _refused(draft, DeclineReason.IN_PROGRESS)
    debit.request_uncovered(draft, due)
    return draft.applied()


def spend_credit(draft: Draft) -> None:
    """Pay all that is due by now out of the customer credit, debited already or not; what that leaves goes out.

    Where nothing is due, or something is owed still, it stays.
    """
    paid = spend(draft)
    difference.conclude(draft, paid)
    debit.lowered(draft, paid, "customer_credit")
    if paid:
        pay_out_credit(draft)


def spend(draft: Draft) -> list[Obligation]:
    """Pay all that is due by now out of the customer credit.

    Returns:
        What was paid on, each as it was before; `difference.conclude` and `debit.lowered` are the caller's.
    """
    credit_minor = draft.account.customer_credit_minor
    if not credit_minor:
        return []
    allocation = Allocation(draft, LedgerAccount.CUSTOMER_CREDIT)
    allocation.spend_credit(credit_minor)
    return allocation.finish(credit_minor)


def spend_on_all(draft: Draft) -> None:
    """Pay all that is owed, due or not, out of the customer credit; nothing of it may be asked for."""
    credit_minor = draft.account.customer_credit_minor
    if credit_minor:
        allocation = Allocation(draft, LedgerAccount.CUSTOMER_CREDIT)
        allocation.spread(Money(draft.take_place(), credit_minor))
        allocation.finish(credit_minor)


def settle(draft: Draft, touched: Sequence[Obligation], reason: str) -> None:
    """After a change: customer credit pays what is due, debits ask for the rest, credit goes out if nothing is owed.

    Args:
        draft: the decision, in which the change is made already.
        touched: the obligations that changed, as they were before.
        reason: why, as `auto_debit.cancelled` tells.
    """
    changed = [*touched, *spend(draft)]
    difference.conclude(draft, changed)
    debit.lowered(draft, changed, reason)
    pay_out_credit(draft)


def settle_credit(draft: Draft) -> None:
    """Let customer credit pay what is due, and go out when nothing is owed."""
    settle(draft, (), "customer_credit")


def close(draft: Draft) -> bool:
    """After a decision: customer credit pays what is due, and what is due and not asked for is at the next 00:00.

    Returns:
        Whether there was anything to do.
    """
    touched = draft.touched(Obligation)
    has_credit = bool(draft.account.customer_credit_minor)
    if not touched and not has_credit:
        return False
    today = business_date(draft.moment.now)
    if has_credit:
        spend_credit(draft)
        touched = draft.touched(Obligation)
    is_waiting = any(each.due_on <= today and _is_to_ask(draft, each) for each in touched)
    unanswered = [each for each in draft.touched(Debit) if each.unanswered_at == draft.moment.now]
    if not is_waiting and not unanswered:
        return has_credit
    is_before_debits = draft.moment.now == midnight(today) and draft.moment.rank < TimerKind.DEBIT.rank
    if is_before_debits and unanswered:
        draft.schedule(TimerKind.DEBIT, WHOLE_ACCOUNT, draft.moment.now)
    elif draft.is_due(TimerKind.DEBIT, WHOLE_ACCOUNT):
        pass
    elif any(
        each.due_on <= today and _is_to_ask(draft, each) and (each.due_on < today or not is_before_debits)
        for each in touched  # what is due now has its own timer
    ):
        draft.schedule(TimerKind.DEBIT, WHOLE_ACCOUNT, midnight(days_after(today, 1)))
    return True


def _refused(draft: Draft, reason: DeclineReason) -> Decision:
    draft.notify("debit_request_declined", reason=reason.value)
    return draft.declined(reason)


def _due_by(draft: Draft, due_on: date) -> Iterator[Obligation]:
    """Open obligations that are due by a date, in the order they are paid."""
    return takewhile(lambda each: each.due_on <= due_on, draft.open_obligations())


def _is_to_ask(draft: Draft, obligation: Obligation) -> bool:
    """Whether something of an obligation that is due is still to be asked for."""
    if obligation.exhausted or not obligation.open_minor or not uncovered(obligation).amount_minor:
        return False
    return not is_under_return(draft, obligation)


def _in_order(obligation: Obligation) -> tuple[date, int]:
    return (obligation.due_on, obligation.no)


def _reason(draft: Draft, obligations: list[Obligation]) -> str:
    return "trial_ended" if any(_ended_trial_now(draft, obligation) for obligation in obligations) else "due"


def _ended_trial_now(draft: Draft, obligation: Obligation) -> bool:
    """Tell whether it is this very instant's end of a trial that made an obligation."""
    if obligation.order_id is None:
        return False
    order = draft.get(Order, obligation.order_id)
    return order.plan_kind is PlanKind.TRIAL and order.kept_at is None and order.captured_at == draft.moment.now
