"""Auto-debits: the due day, what changes a requested debit, failures and retries. Source: docs/rules.md, Debits."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import takewhile

from settlement.dates import business_date, midnight
from settlement.draft import Draft
from settlement.entities import Debit, Obligation, Order, PlanKind
from settlement.ledger import LedgerAccount
from settlement.lifecycles import DEBIT
from settlement.outputs import AutoDebitCancelled, AutoDebitRequested
from settlement.rules import overdue, reminder
from settlement.rules.allocation import Allocation
from settlement.rules.payout_request import pay_out_credit
from settlement.rules.schedule import is_under_return
from settlement.statuses import DebitStatus, ObligationStatus
from settlement.timers import TimerKind
from settlement.values import revised


def expect_due_day(draft: Draft, due_on: date) -> None:
    """See to it that what is due on a date is debited then, after a reminder; at once when the date has begun."""
    if midnight(due_on) > draft.moment.now:
        reminder.expect_due_date(draft, due_on)
    else:
        due_day(draft, due_on)


def debit_again(draft: Draft, obligations: Iterable[Obligation], day: date) -> None:
    """Request attempt 1 of a debit of obligations anew at 00:00 of a later date; at once when the date has begun."""
    again = [obligation.obligation_id for obligation in obligations]
    for obligation_id in again:
        draft.put(revised(draft.get(Obligation, obligation_id), debit_on=day))
    if again:
        expect_due_day(draft, day)


def due_day(draft: Draft, day: date) -> None:
    """Apply customer credit to all that is due by a date, and debit what is left of what is to be debited on it.

    A date on which nothing is to be debited any more, because it was paid or put off, is no due day.
    """
    if not any(_debit_on(obligation) == day for obligation in _open_by(draft, day)):
        return
    lowered(draft, spend_credit(draft, day), "customer_credit")
    wanted: dict[date, list[Obligation]] = {}
    for obligation in _open_by(draft, day):
        if obligation.due_on == day and obligation.status is ObligationStatus.OPEN:
            overdue.expect(draft, day)
        if _debit_on(obligation) == day and obligation.debit_id is None and not is_under_return(draft, obligation):
            wanted.setdefault(obligation.due_on, []).append(obligation)
    for due_on, obligations in wanted.items():
        reason = "trial_ended" if any(_ended_trial_now(draft, obligation) for obligation in obligations) else "due"
        request(draft, obligations, due_on=due_on, attempt=1, reason=reason, first_requested_at=draft.moment.now)
    pay_out_credit(draft)


def spend_credit(draft: Draft, due_on: date) -> list[Obligation]:
    """Pay all that is due by a date out of the customer credit, debited already or not.

    Returns:
        What was paid on, each as it was before. Debits still ask for it: see `lowered`.
    """
    account = draft.account
    if not account.customer_credit_minor:
        return []
    credit = Allocation(draft, LedgerAccount.CUSTOMER_CREDIT, account.customer_credit_minor)
    credit.pay(_open_by(draft, due_on))
    credit.finish()
    return credit.paid


def request(
    draft: Draft,
    obligations: Sequence[Obligation],
    *,
    due_on: date,
    attempt: int,
    reason: str,
    first_requested_at: datetime,
) -> None:
    """Ask for what is open on obligations; for nothing when that is nothing.

    Args:
        draft: the decision.
        obligations: in the order they are paid; without a debit of their own, or with the one this replaces.
        due_on: the date they are debited for.
        attempt: counted from 1 within a series.
        reason: as in docs/messages.md.
        first_requested_at: when attempt 1 of the series was requested.
    """
    wanted = [obligation for obligation in obligations if obligation.open_minor]
    if not wanted:
        return
    account = draft.account
    debit = Debit(
        account_id=account.account_id,
        debit_id=draft.new_id(),
        no=draft.next_no(),
        amount_minor=sum(obligation.open_minor for obligation in wanted),
        due_on=due_on,
        attempt=attempt,
        reason=reason,
        status=DebitStatus.REQUESTED,
        first_requested_at=first_requested_at,
        obligation_ids=tuple([obligation.obligation_id for obligation in wanted]),
    )
    draft.put(debit)
    for obligation in wanted:
        draft.put(revised(obligation, debit_id=debit.debit_id))
    orders = dict.fromkeys(obligation.order_id for obligation in wanted if obligation.order_id is not None)
    draft.emit(
        AutoDebitRequested(
            account.account_id,
            debit.debit_id,
            debit.amount_minor,
            account.currency,
            tuple(orders),
            due_on,
            attempt,
            reason,
        )
    )


def lowered(draft: Draft, touched: Iterable[Obligation], reason: str) -> None:
    """Cancel requested debits that ask for more than is open now, and ask for what is left of them.

    Args:
        draft: the decision, in which the change is made already.
        touched: the obligations that changed, as they were before.
        reason: why, as in docs/messages.md.
    """
    for debit in _debits_of(draft, touched):
        left_minor = sum(obligation.open_minor for obligation in asked_of(draft, debit))
        if left_minor < debit.amount_minor:
            _replace(draft, debit, reason)


def leave_out(draft: Draft, obligations: Iterable[Obligation], reason: str) -> None:
    """Take obligations out of the debits that ask for them; those go on with the others, whatever these are by now."""
    before = [obligation for obligation in obligations if obligation.debit_id is not None]
    for obligation in before:
        draft.put(revised(obligation, debit_id=None))
    for debit in _debits_of(draft, before):
        _replace(draft, debit, reason)


def _debits_of(draft: Draft, obligations: Iterable[Obligation]) -> list[Debit]:
    debit_ids = dict.fromkeys(obligation.debit_id for obligation in obligations)
    return [draft.get(Debit, debit_id) for debit_id in debit_ids if debit_id is not None]


def _replace(draft: Draft, debit: Debit, reason: str) -> None:
    """Cancel a requested debit and ask for what is left of it; a pending retry of nothing is called off."""
    asked = asked_of(draft, debit)
    if debit.status is DebitStatus.REQUESTED:
        draft.put(revised(debit, status=DEBIT.after(debit.status, "cancelled")))
        draft.emit(AutoDebitCancelled(debit.account_id, debit.debit_id, reason))
        _request_again(draft, debit, asked)
    elif debit.status is DebitStatus.FAILED and not any(obligation.open_minor for obligation in asked):
        draft.cancel(TimerKind.DEBIT_RETRY, debit.debit_id)


def asked_of(draft: Draft, debit: Debit) -> list[Obligation]:
    """The obligations a debit or its pending retry still asks for, in the order they are paid."""
    found = [draft.get(Obligation, obligation_id) for obligation_id in debit.obligation_ids]
    asked = [obligation for obligation in found if obligation.debit_id == debit.debit_id]
    return sorted(asked, key=lambda obligation: (obligation.due_on, obligation.no))


def succeeded(draft: Draft, debit: Debit) -> None:
    """The card was debited, whatever became of the debit meanwhile; nothing more is asked for by it."""
    for obligation in asked_of(draft, debit):
        draft.put(revised(obligation, debit_id=None))
    if debit.status is DebitStatus.FAILED:
        draft.cancel(TimerKind.DEBIT_RETRY, debit.debit_id)
    draft.put(revised(debit, status=DEBIT.after(debit.status, "succeeded")))


def failed(draft: Draft, debit: Debit, *, retryable: bool) -> None:
    """The card was not debited: try again later, or give up with a notice."""
    debit = revised(debit, status=DEBIT.after(debit.status, "failed"))
    draft.put(debit)
    # A debit may ask for orders of several versions: the terms of the day it was first requested count for all.
    hours = draft.rules.terms.on(business_date(debit.first_requested_at)).debit_retry_hours
    if retryable and debit.attempt <= len(hours):
        retry_at = debit.first_requested_at + timedelta(hours=hours[debit.attempt - 1])
        if retry_at > draft.moment.now:
            draft.schedule(TimerKind.DEBIT_RETRY, debit.debit_id, retry_at)
        else:
            retry(draft, debit)
        return
    for obligation in asked_of(draft, debit):
        draft.put(revised(obligation, debit_id=None))
    draft.notify(
        "debit_failed",
        debit_id=debit.debit_id,
        amount_minor=debit.amount_minor,
        currency=draft.account.currency,
        due_on=debit.due_on.isoformat(),
    )


def retry_due(draft: Draft, debit_id: str) -> None:
    """A failed debit's time to be asked once more has come."""
    retry(draft, draft.get(Debit, debit_id))


def retry(draft: Draft, debit: Debit) -> None:
    """Ask once more for all that is open now on what a failed debit asked for."""
    request(
        draft,
        asked_of(draft, debit),
        due_on=debit.due_on,
        attempt=debit.attempt + 1,
        reason="retry",
        first_requested_at=debit.first_requested_at,
    )


def _request_again(draft: Draft, debit: Debit, obligations: Sequence[Obligation]) -> None:
    """Ask for what is left of a cancelled debit, as the same attempt of the same series."""
    request(
        draft,
        obligations,
        due_on=debit.due_on,
        attempt=debit.attempt,
        reason=debit.reason,
        first_requested_at=debit.first_requested_at,
    )


def _open_by(draft: Draft, due_on: date) -> Iterator[Obligation]:
    """Open obligations that are due by a date, in the order they are paid."""
    return takewhile(lambda each: each.due_on <= due_on, draft.open_obligations())


def _debit_on(obligation: Obligation) -> date:
    return obligation.debit_on or obligation.due_on


def _ended_trial_now(draft: Draft, obligation: Obligation) -> bool:
    """Tell whether it is this very instant's end of a trial that made an obligation."""
    if obligation.order_id is None:
        return False
    order = draft.get(Order, obligation.order_id)
    return order.plan_kind is PlanKind.TRIAL and order.kept_at is None and order.captured_at == draft.moment.now
