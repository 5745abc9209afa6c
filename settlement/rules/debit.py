"""Auto-debits: what they ask for, what changes a requested one, successes, failures, retries.

Nothing that is due stays unasked: `due_day.close` sees to it after every decision. Source: docs/rules.md, Debits.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from settlement.asks import Ask, AskState, asks_of, not_asked, open_parts, uncovered
from settlement.changes import Place
from settlement.dates import business_date
from settlement.draft import Draft
from settlement.entities import Debit, Obligation
from settlement.lifecycles import DEBIT
from settlement.outputs import AutoDebitCancelled, AutoDebitRequested
from settlement.parts import Parts
from settlement.statuses import DebitStatus
from settlement.timers import TimerKind
from settlement.values import revised

Wanted = Sequence[tuple[Obligation, Parts]]
"""What a debit is to ask for, obligation by obligation."""


def request(
    draft: Draft,
    wanted: Wanted,
    *,
    due_on: date,
    attempt: int,
    reason: str,
    first_requested_at: datetime,
) -> None:
    """Ask for amounts of obligations; for nothing when that is nothing.

    Args:
        draft: the decision.
        wanted: in the order they are paid, each as it is recorded now.
        due_on: the date they are debited for.
        attempt: counted from 1 within a series.
        reason: as in docs/messages.md.
        first_requested_at: when attempt 1 of the series was requested.
    """
    wanted = [(obligation, parts) for obligation, parts in wanted if parts.amount_minor]
    if not wanted:
        return
    now = draft.place
    debit = Debit(
        account_id=draft.party.id,
        debit_id=draft.new_id(),
        no=draft.next_no(),
        amount_minor=sum(parts.amount_minor for _, parts in wanted),
        due_on=due_on,
        attempt=attempt,
        reason=reason,
        status=DebitStatus.REQUESTED,
        first_requested_at=first_requested_at,
        obligation_ids=tuple([obligation.obligation_id for obligation, _ in wanted]),
        requested_at=now.at,
        requested_rank=now.rank,
    )
    draft.put(debit)
    for obligation, parts in wanted:
        ask = Ask(debit.debit_id, AskState.STANDING, parts)
        draft.put(revised(obligation, asks=(*obligation.asks, str(ask)), exhausted=False))
    answer_days = draft.rules.terms.on(business_date(now.at)).debit_answer_days
    draft.schedule(TimerKind.DEBIT_UNANSWERED, debit.debit_id, now.at + timedelta(days=answer_days))
    orders = dict.fromkeys(obligation.order_id for obligation, _ in wanted if obligation.order_id is not None)
    draft.emit(
        AutoDebitRequested(
            debit.account_id,
            debit.debit_id,
            debit.amount_minor,
            draft.currency,
            tuple(orders),
            due_on,
            attempt,
            reason,
        )
    )


def request_uncovered(draft: Draft, obligations: Iterable[Obligation], reason: str = "due") -> None:
    """Ask for what nobody asks for of obligations, in a new series for each due date, the earliest first.

    Args:
        draft: the decision.
        obligations: due, in the order they are paid.
        reason: as in docs/messages.md.
    """
    by_date: dict[date, list[Obligation]] = {}
    for obligation in obligations:
        by_date.setdefault(obligation.due_on, []).append(obligation)
    for due_on, due in sorted(by_date.items()):
        request_together(draft, due, due_on, reason)


def request_together(draft: Draft, obligations: Iterable[Obligation], due_on: date, reason: str = "due") -> None:
    """Ask for what nobody asks for of obligations, in one new series for a due date."""
    wanted = [(obligation, uncovered(obligation)) for obligation in obligations]
    request(draft, wanted, due_on=due_on, attempt=1, reason=reason, first_requested_at=draft.moment.now)


def place_of(debit: Debit) -> Place | None:
    """From where its success counts: its request; None where that is not known."""
    if debit.requested_at is None:
        return None
    return Place(debit.requested_at, debit.requested_rank, debit.no)


def lowered(draft: Draft, touched: Iterable[Obligation], reason: str) -> None:
    """Cancel requested debits that ask for more than is open now, the oldest first, and ask for what is left of them.

    Args:
        draft: the decision, in which the change is made already.
        touched: the obligations that changed, as they were before.
        reason: why, as in docs/messages.md.
    """
    for debit in _debits_of(draft, touched):
        asked = asked_of(draft, debit)
        left_minor = sum(_left_by_older(draft, obligation, debit).amount_minor for obligation in asked)
        if debit.status is DebitStatus.REQUESTED and left_minor < debit.amount_minor:
            _replace(draft, debit, asked, reason)
        elif debit.status is DebitStatus.FAILED and not any(obligation.open_minor for obligation in asked):
            _call_off(draft, debit, asked)


def leave_out(draft: Draft, obligations: Iterable[Obligation], reason: str) -> None:
    """Take obligations out of the debits that ask for them; those go on with the others, whatever these are by now."""
    before = [draft.get(Obligation, each.obligation_id) for each in obligations]
    debits = _debits_of(draft, before)
    for obligation in before:
        if obligation.asks:
            draft.put(revised(obligation, asks=()))
    for debit in debits:
        asked = asked_of(draft, debit)
        if debit.status is DebitStatus.REQUESTED:
            _replace(draft, debit, asked, reason)
        elif not any(obligation.open_minor for obligation in asked):
            _call_off(draft, debit, asked)


def asked_of(draft: Draft, debit: Debit) -> list[Obligation]:
    """The obligations a debit or its pending retry still asks for, in the order they are paid."""
    found = [draft.get(Obligation, obligation_id) for obligation_id in debit.obligation_ids]
    asked = [each for each in found if any(ask.debit_id == debit.debit_id for ask in asks_of(each))]
    return sorted(asked, key=lambda obligation: (obligation.due_on, obligation.no))


def succeeded(draft: Draft, debit: Debit) -> None:
    """The card was debited, whatever became of the debit meanwhile; nothing more is asked for by it."""
    _forget(draft, debit, asked_of(draft, debit))
    if debit.status is DebitStatus.FAILED:
        draft.cancel(TimerKind.DEBIT_RETRY, debit.debit_id)
    draft.cancel(TimerKind.DEBIT_UNANSWERED, debit.debit_id)
    draft.put(revised(debit, status=DEBIT.after(debit.status, "succeeded")))


def failed(draft: Draft, debit: Debit, *, retryable: bool) -> None:
    """The card was not debited: try again later, or give up with a notice.

    Of one that was not answered in time, others have asked since: nothing follows.
    """
    asked = asked_of(draft, debit)
    draft.cancel(TimerKind.DEBIT_UNANSWERED, debit.debit_id)
    debit = revised(debit, status=DEBIT.after(debit.status, "failed"))
    draft.put(debit)
    if debit.unanswered_at is not None:
        _forget(draft, debit, asked)
        return
    # A debit may ask for orders of several versions: the terms of the day it was first requested count for all.
    hours = draft.rules.terms.on(business_date(debit.first_requested_at)).debit_retry_hours
    if retryable and debit.attempt <= len(hours):
        for obligation in asked:
            _restate(draft, obligation, debit, AskState.RETRY)
        retry_at = debit.first_requested_at + timedelta(hours=hours[debit.attempt - 1])
        if retry_at > draft.moment.now:
            draft.schedule(TimerKind.DEBIT_RETRY, debit.debit_id, retry_at)
        else:
            retry(draft, debit)
        return
    _exhaust(draft, debit, asked)
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
    """Ask once more for all that is open now on what a failed debit asked for, less what others ask for."""
    asked = asked_of(draft, debit)
    _forget(draft, debit, asked)
    again = [draft.get(Obligation, obligation.obligation_id) for obligation in asked]
    request(
        draft,
        [(obligation, not_asked(obligation)) for obligation in again],
        due_on=debit.due_on,
        attempt=debit.attempt + 1,
        reason="retry",
        first_requested_at=debit.first_requested_at,
    )


def not_answered(draft: Draft, debit_id: str) -> None:
    """Nobody has told in time what became of a debit: it stands in the way of no other, and operators are told."""
    debit = draft.get(Debit, debit_id)
    draft.put(revised(debit, unanswered_at=draft.moment.now))
    for obligation in asked_of(draft, debit):
        _restate(draft, obligation, debit, AskState.UNANSWERED)
    requested_at = debit.requested_at or debit.first_requested_at
    draft.notify_operator(
        "debit_unanswered",
        days=(draft.moment.now - requested_at).days,
        account_id=debit.account_id,
        debit_id=debit.debit_id,
        amount_minor=debit.amount_minor,
        currency=draft.currency,
        due_on=debit.due_on.isoformat(),
    )


def is_requested(obligation: Obligation) -> bool:
    """Tell whether a requested debit asks for an obligation, and was not left unanswered."""
    return any(ask.state is AskState.STANDING for ask in asks_of(obligation))


def _debits_of(draft: Draft, obligations: Iterable[Obligation]) -> list[Debit]:
    """The debits that ask for obligations, in the order they were requested."""
    debit_ids = {ask.debit_id for obligation in obligations for ask in asks_of(obligation)}
    return sorted([draft.get(Debit, debit_id) for debit_id in debit_ids], key=lambda debit: debit.no)


def _left_by_older(draft: Draft, obligation: Obligation, debit: Debit) -> Parts:
    """What is open of an obligation less what standing debits ask for that were requested before one."""
    left = open_parts(obligation)
    for ask in asks_of(obligation):
        if ask.state is AskState.STANDING and draft.get(Debit, ask.debit_id).no < debit.no:
            left = left.less(ask.parts)
    return left


def _replace(draft: Draft, debit: Debit, asked: Sequence[Obligation], reason: str) -> None:
    """Cancel a requested debit and ask for what is left of it, as the same attempt of the same series."""
    draft.put(revised(debit, status=DEBIT.after(debit.status, "cancelled")))
    draft.cancel(TimerKind.DEBIT_UNANSWERED, debit.debit_id)
    draft.emit(AutoDebitCancelled(debit.account_id, debit.debit_id, reason))
    _forget(draft, debit, asked)
    if debit.unanswered_at is not None:
        return
    left = [draft.get(Obligation, obligation.obligation_id) for obligation in asked]
    request(
        draft,
        [(obligation, not_asked(obligation)) for obligation in left],
        due_on=debit.due_on,
        attempt=debit.attempt,
        reason=debit.reason,
        first_requested_at=debit.first_requested_at,
    )


def _call_off(draft: Draft, debit: Debit, asked: Iterable[Obligation]) -> None:
    """A pending retry has nothing left to ask for."""
    _forget(draft, debit, asked)
    draft.cancel(TimerKind.DEBIT_RETRY, debit.debit_id)


def _forget(draft: Draft, debit: Debit, asked: Iterable[Obligation]) -> None:
    """A debit asks for nothing any more."""
    for obligation in asked:
        asks = tuple([str(ask) for ask in asks_of(obligation) if ask.debit_id != debit.debit_id])
        draft.put(revised(obligation, asks=asks))


def _restate(draft: Draft, obligation: Obligation, debit: Debit, state: AskState) -> None:
    asks = [revised(ask, state=state) if ask.debit_id == debit.debit_id else ask for ask in asks_of(obligation)]
    draft.put(revised(obligation, asks=tuple(map(str, asks))))


def _exhaust(draft: Draft, debit: Debit, asked: Iterable[Obligation]) -> None:
    """A series has failed for good: what it asked for is asked for again only when something changes.

    What of an obligation nobody had asked for keeps its next 00:00, which asks for all that is open of it.
    """
    for obligation in asked:
        was_all_asked = not uncovered(obligation).amount_minor
        others = tuple([str(ask) for ask in asks_of(obligation) if ask.debit_id != debit.debit_id])
        draft.put(revised(obligation, asks=others, exhausted=was_all_asked or obligation.exhausted))
