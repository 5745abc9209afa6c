"""What is not paid on its due day: overdue obligations, the frozen line, and the way back.

Source: docs/rules.md, Overdue.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import takewhile
from typing import assert_never

from settlement import timeline
from settlement.changes import Place
from settlement.dates import business_date, days_after, midnight
from settlement.draft import Draft
from settlement.entities import Account, Obligation, Return
from settlement.ledger import LedgerAccount
from settlement.lifecycles import OBLIGATION
from settlement.rules import credit_line, penalty
from settlement.rules.credit_line import OVERDUE
from settlement.rules.restoring import restore
from settlement.rules.schedule import is_under_return, restate_orders
from settlement.statuses import ObligationStatus
from settlement.terms import RestoredWhen
from settlement.timers import WHOLE_ACCOUNT, TimerKind
from settlement.values import revised


def is_overdue(draft: Draft) -> bool:
    """Tell whether anything of the account is overdue."""
    return any(each.status is ObligationStatus.OVERDUE for each in _past_due(draft))


def overdue_ones(draft: Draft) -> list[Obligation]:
    """What is overdue, in the order it is paid."""
    return [each for each in _past_due(draft) if each.status is ObligationStatus.OVERDUE]


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
    if not is_overdue(draft):
        penalty.forget_notices(draft)  # penalties that a late payment changed since are of an earlier time
    late = [_fallen(draft, each) for each in unpaid]
    for obligation in late:
        draft.put(obligation)
    restate_orders(draft, dict.fromkeys(each.order_id for each in late if each.order_id is not None))
    expect_penalty(draft, penalized_from)
    draft.cancel(TimerKind.RESTORE, WHOLE_ACCOUNT)
    _freeze(draft)
    draft.notify(
        "payment_overdue",
        amount_minor=sum(each.open_minor for each in late),
        due_on=min(each.due_on for each in late).isoformat(),
        currency=draft.currency,
    )


def fall_again(draft: Draft) -> bool:
    """After a decision: what it has opened again past its due date is overdue at once.

    So is what was overdue before, turns out not to have been, and is open all the same.

    Returns:
        Whether anything fell overdue.
    """
    today = business_date(draft.moment.now)
    late: dict[date, list[Obligation]] = {}
    for each in draft.touched(Obligation):
        if each.status is ObligationStatus.OPEN and each.due_on < today and _was_not_open(draft, each):
            late.setdefault(each.due_on, []).append(each)
    for _, unpaid in sorted(late.items()):
        fall(draft, sorted(unpaid, key=lambda each: each.no), penalized_from=days_after(today, 1))
    return bool(late)


def charge_penalties(draft: Draft) -> None:
    """00:00 of a day on which something is overdue: another day's penalty on each obligation."""
    is_charged = penalty.charge(draft, overdue_ones(draft))
    penalty.notify(draft)
    tomorrow = days_after(business_date(draft.moment.now), 1)
    next_on = tomorrow if is_charged else penalty.notice_due_on(draft)
    if next_on is not None:
        expect_penalty(draft, next_on)


def expect_penalty(draft: Draft, day: date) -> None:
    """See to it that what is overdue costs a penalty at 00:00 of a date, and then at each one that follows."""
    if not draft.is_due(TimerKind.PENALTY, WHOLE_ACCOUNT):
        draft.schedule(TimerKind.PENALTY, WHOLE_ACCOUNT, midnight(day))


def note_changed(draft: Draft, before: Iterable[Obligation]) -> None:
    """Note whether anything is still overdue after a change, since when nothing is, and when the line is restored.

    What counts is what is known by now: a time overdue that is undone leaves no trace.

    Args:
        draft: the decision, in which the change is made already.
        before: the obligations that changed, as they were before.
    """
    pairs = [(each, draft.get(Obligation, each.obligation_id)) for each in before]
    pairs = [(earlier, later) for earlier, later in pairs if earlier.falls or later.falls]
    if not pairs:
        return
    account = draft.account
    is_frozen = OVERDUE in account.freeze_reasons
    ended = _ends([later for _, later in pairs], None)
    if account.overdue_until in _ends([earlier for earlier, _ in pairs], None) - ended:
        known = draft.past_since(draft.moment.now)
        until = max(_ends(known, None), default=None)
        cleared_at = max(_ends(known, account.overdue_since), default=None)
    else:
        until = max(ended | {each for each in (account.overdue_until,) if each is not None}, default=None)
        ended_now = _ends([later for _, later in pairs], account.overdue_since)
        cleared_at = max(ended_now | {each for each in (account.cleared_at,) if each is not None}, default=None)
    cleared_at = cleared_at if is_frozen else None
    if (until, cleared_at) != (account.overdue_until, account.cleared_at):
        draft.change_account(overdue_until=until, cleared_at=cleared_at)
    if any(earlier.penalty_runs != later.penalty_runs for earlier, later in pairs) and is_overdue(draft):
        expect_penalty(draft, days_after(business_date(draft.moment.now), 1))  # there may be room for more again
    if is_frozen and not is_overdue(draft):
        forget(draft)
        _cleared(draft, draft.account)


def forget(draft: Draft) -> None:
    """Nothing is overdue any more: no penalty is awaited, and the next overdue time has notices of its own."""
    draft.cancel(TimerKind.PENALTY, WHOLE_ACCOUNT)
    penalty.forget_notices(draft)


def _ends(obligations: Iterable[Obligation], since: datetime | None) -> set[datetime]:
    """When what fell overdue, at an instant or later, was no longer so."""
    falls = [(each, fall) for each in obligations for fall in timeline.falls_of(each)]
    ends = [timeline.ended_at(each, fall) for each, fall in falls if since is None or fall.place.at >= since]
    return {end for end in ends if end is not None}


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
            if Place(restored_at, TimerKind.RESTORE.rank) > draft.place:
                draft.schedule(TimerKind.RESTORE, WHOLE_ACCOUNT, restored_at)
            else:
                restore(draft, "cleared")
        case RestoredWhen.ON_REQUEST:
            pass
        case _:
            assert_never(terms.when)


def _fallen(draft: Draft, obligation: Obligation) -> Obligation:
    status = OBLIGATION.after(obligation.status, "fell overdue")
    return revised(timeline.fallen(obligation, draft.take_place()), status=status)


def _freeze(draft: Draft) -> None:
    account = draft.account
    if OVERDUE not in account.freeze_reasons:
        reasons = tuple(sorted({*account.freeze_reasons, OVERDUE}))
        draft.change_account(freeze_reasons=reasons, overdue_since=draft.moment.now)
    unused_minor = account.available_minor
    if credit_line.present_terms(draft).reclaims_unused_limit and unused_minor > 0:
        draft.post(LedgerAccount.LIMIT_GRANTED, LedgerAccount.LIMIT_AVAILABLE, unused_minor, account.currency)
        credit_line.reclaimed(draft, unused_minor, OVERDUE)


def _was_not_open(draft: Draft, obligation: Obligation) -> bool:
    """Tell whether something was over, or overdue, on the same due date before this decision.

    A return holds it up, also one that has begun and ended in this decision: what is left is due anew.
    """
    known = draft.state.find(Obligation, obligation.obligation_id)
    if known is None or known.due_on != obligation.due_on or known.status is ObligationStatus.OPEN:
        return False
    is_sent_back = any(each.order_id == obligation.order_id for each in draft.touched(Return))
    return not is_sent_back and not is_under_return(draft, obligation)


def _past_due(draft: Draft) -> Iterator[Obligation]:
    """Open and overdue obligations whose due date is over, in the order they are paid."""
    today = business_date(draft.moment.now)
    return takewhile(lambda each: each.due_on < today, draft.open_obligations())
