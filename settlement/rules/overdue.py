"""What is not paid on its due day: overdue obligations, the frozen line, and the way back.

Source: docs/rules.md, Overdue.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import takewhile
from typing import assert_never

from settlement.dates import business_date, days_after, midnight
from settlement.draft import Draft
from settlement.entities import Account, Obligation, Order
from settlement.ledger import LedgerAccount
from settlement.lifecycles import OBLIGATION, ORDER
from settlement.rules import credit_line, penalty
from settlement.rules.credit_line import OVERDUE
from settlement.rules.restoring import restore
from settlement.rules.schedule import is_under_return
from settlement.statuses import ObligationStatus, OrderStatus
from settlement.terms import RestoredWhen
from settlement.timers import WHOLE_ACCOUNT, TimerKind
from settlement.values import revised


def is_overdue(draft: Draft) -> bool:
    """Tell whether anything of the account is overdue."""
    return any(each.status is ObligationStatus.OVERDUE for each in _past_due(draft))


def expect(draft: Draft, due_on: date) -> None:
    """See to it that what is still unpaid of a due date falls overdue, at the next 00:00 at the earliest."""
    last_day = max(due_on, business_date(draft.moment.now))
    draft.schedule(TimerKind.OVERDUE, due_on.isoformat(), midnight(days_after(last_day, 1)))


def due_day_passed(draft: Draft, due_on: date) -> None:
    """00:00 after a due date: what is unpaid of it is overdue, and costs its first penalty at this instant."""
    late = [
        each
        for each in _past_due(draft)
        if each.due_on == due_on and each.status is ObligationStatus.OPEN and not is_under_return(draft, each)
    ]
    fall(draft, late, penalized_from=business_date(draft.moment.now))


def fall(draft: Draft, unpaid: Sequence[Obligation], *, penalized_from: date) -> None:
    """Let open obligations fall overdue: the line is frozen, and unused limit reclaimed where the programme says so.

    Args:
        draft: the decision.
        unpaid: past their due dates, none of them overdue yet.
        penalized_from: at 00:00 of this date, which may be now, the first penalty is charged.
    """
    if not unpaid:
        return
    late = [_fallen(draft, each) for each in unpaid]
    for order_id in dict.fromkeys(each.order_id for each in late if each.order_id is not None):
        order = draft.get(Order, order_id)
        if order.status is not OrderStatus.OVERDUE:
            draft.put(revised(order, status=ORDER.after(order.status, "fell overdue")))
    for obligation in late:
        draft.put(obligation)
    expect_penalty(draft, penalized_from)
    draft.cancel(TimerKind.RESTORE, WHOLE_ACCOUNT)
    _freeze(draft)
    draft.notify(
        "payment_overdue",
        amount_minor=sum(each.open_minor for each in late),
        due_on=min(each.due_on for each in late).isoformat(),
        currency=draft.currency,
    )


def charge_penalties(draft: Draft) -> None:
    """00:00 of a day on which something is overdue: another day's penalty on each obligation."""
    charged_minor = penalty.charge(draft, _overdue_ones(draft))
    if not charged_minor:
        return
    draft.notify("penalty_charged", amount_minor=charged_minor, currency=draft.currency)
    expect_penalty(draft, days_after(business_date(draft.moment.now), 1))


def expect_penalty(draft: Draft, day: date) -> None:
    """See to it that what is overdue costs a penalty at 00:00 of a date, and then at each one that follows."""
    draft.schedule(TimerKind.PENALTY, WHOLE_ACCOUNT, midnight(day))


def undo_prevented(draft: Draft, obligation: Obligation, left_minor: int, paid_at: datetime) -> Obligation:
    """Undo what a repayment that comes late would have prevented, if it pays all that is then open of an obligation.

    Args:
        draft: the decision.
        obligation: that the repayment pays next.
        left_minor: what is left of the repayment.
        paid_at: when it was made.

    Returns:
        The obligation to pay: without the penalties after `paid_at`, and not overdue if it was not at that time.
    """
    before = penalty.without_days_after(obligation, paid_at)
    if before == obligation:
        return obligation
    if left_minor < before.open_minor:
        return obligation
    if not before.penalty_runs:
        before = revised(before, status=OBLIGATION.after(before.status, "paid in time after all"))
    undone_minor = obligation.penalty_minor - before.penalty_minor
    refunded_minor = obligation.paid_penalty_minor - before.paid_penalty_minor
    income, currency = LedgerAccount.PENALTY_INCOME, draft.currency
    draft.post(income, LedgerAccount.PENALTY_RECEIVABLE, undone_minor - refunded_minor, currency)
    draft.post(income, LedgerAccount.CUSTOMER_CREDIT, refunded_minor, currency)
    draft.put(before)
    return before


def note_cleared(draft: Draft, touched: Iterable[Obligation]) -> None:
    """Note whether anything is still overdue after a change, and when the line is restored if not.

    Args:
        draft: the decision, in which the change is made already.
        touched: the obligations that changed, as they were before.
    """
    account = draft.account
    if OVERDUE not in account.freeze_reasons:
        return
    was_overdue = [each for each in touched if each.status is ObligationStatus.OVERDUE]
    if any(draft.get(Obligation, each.obligation_id).status is not ObligationStatus.OVERDUE for each in was_overdue):
        until = max(account.overdue_until or draft.moment.occurred_at, draft.moment.occurred_at)
        draft.change_account(overdue_until=until, cleared_at=until)
    if not is_overdue(draft):
        draft.cancel(TimerKind.PENALTY, WHOLE_ACCOUNT)
        _cleared(draft, draft.account)


def wait_over(draft: Draft) -> None:
    """The wait after clearing is over: the line is restored, unless something is overdue again."""
    if OVERDUE in draft.account.freeze_reasons and not is_overdue(draft):
        restore(draft, "cleared")


def _cleared(draft: Draft, account: Account) -> None:
    if account.appeal_upheld:
        restore(draft, "appeal")
        return
    if account.cleared_at is None:  # all that was overdue has turned out to be paid in time
        restore(draft, "cleared")
        return
    terms = credit_line.present_terms(draft).restore
    match terms.when:
        case RestoredWhen.CLEARED:
            restore(draft, "cleared")
        case RestoredWhen.DAYS_AFTER_CLEARING:
            restored_at = account.cleared_at + timedelta(days=terms.days)
            if restored_at > draft.moment.now:
                draft.schedule(TimerKind.RESTORE, WHOLE_ACCOUNT, restored_at)
            else:
                restore(draft, "cleared")
        case RestoredWhen.ON_REQUEST:
            pass
        case _:
            assert_never(terms.when)


def _fallen(draft: Draft, obligation: Obligation) -> Obligation:
    unpaid_minor = obligation.principal_minor - obligation.paid_principal_minor
    return revised(
        obligation,
        status=OBLIGATION.after(obligation.status, "fell overdue"),
        overdue_principal_minor=max(obligation.overdue_principal_minor or 0, unpaid_minor),
        penalty_runs=penalty.none_before(business_date(draft.moment.now)),
    )


def _freeze(draft: Draft) -> None:
    account = draft.account
    if OVERDUE not in account.freeze_reasons:
        draft.change_account(freeze_reasons=tuple(sorted({*account.freeze_reasons, OVERDUE})))
    unused_minor = account.available_minor
    if credit_line.present_terms(draft).reclaims_unused_limit and unused_minor > 0:
        draft.post(LedgerAccount.LIMIT_GRANTED, LedgerAccount.LIMIT_AVAILABLE, unused_minor, account.currency)
        credit_line.reclaimed(draft, unused_minor, OVERDUE)


def _past_due(draft: Draft) -> Iterator[Obligation]:
    """Open and overdue obligations whose due date is over, in the order they are paid."""
    today = business_date(draft.moment.now)
    return takewhile(lambda each: each.due_on < today, draft.open_obligations())


def _overdue_ones(draft: Draft) -> list[Obligation]:
    return [each for each in _past_due(draft) if each.status is ObligationStatus.OVERDUE]
