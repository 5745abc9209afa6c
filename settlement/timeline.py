"""What happened to an obligation, each thing at the instant it counts from, and what follows from it.

An obligation keeps its changes (`changes`), when it fell overdue (`falls`) and the penalties charged (`penalty_runs`).
Its sums follow from them: whoever puts something in at an instant that has passed, or takes something out, derives what
came after that instant anew (`derived`), and the difference between the two is what is posted and told. Of rows from
before there were changes, what was paid counts as paid before everything.

Pure: nothing here posts, and no status changes. Source: docs/rules.md, Overdue and Repayment.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime

from settlement.asks import open_parts
from settlement.changes import PENALTIES, Change, ChangeKind, Fall, Place, Run, extended
from settlement.dates import business_date, days_after, midnight
from settlement.entities import Obligation
from settlement.parts import Parts
from settlement.values import revised

Rate = Callable[[date], int]
"""The penalty in bps a day, by the date at whose 00:00 it is charged."""

# What an obligation's texts say.


def changes_of(obligation: Obligation) -> list[Change]:
    """Its changes in the order they count."""
    return sorted(map(Change.parse, obligation.changes), key=lambda each: each.place)


def falls_of(obligation: Obligation) -> list[Fall]:
    """When it fell overdue, in order."""
    return [Fall.parse(text) for text in obligation.falls]


def runs_of(obligation: Obligation) -> list[Run]:
    """The penalties charged on it, in order."""
    return [Run.parse(text) for text in obligation.penalty_runs]


# How an obligation stood.


def principal_unpaid_at(obligation: Obligation, place: Place) -> int:
    """What was unpaid of its principal right after a place."""
    unpaid_minor = obligation.open_principal_minor
    return max(0, unpaid_minor + sum(_opened(each) * each.principal_minor for each in _after(obligation, place)))


def payable_at(obligation: Obligation, place: Place) -> Parts:
    """What money that counts from a place can pay: penalties charged by then, and what is open of the rest."""
    parts = open_parts(obligation)
    if not obligation.penalty_runs:
        return parts
    penalty_minor = max(0, parts.penalty_minor - charged_after(obligation, place))
    return revised(parts, penalty_minor=penalty_minor)


def unpaid_at(obligation: Obligation, place: Place) -> Parts:
    """What had not been paid right after a place of all that there is by now, of penalties of what was charged then."""
    later, parts = _after(obligation, place), open_parts(obligation)
    return Parts(
        max(
            0,
            parts.penalty_minor
            - charged_after(obligation, place)
            + sum(_settled(each) * each.penalty_minor for each in later),
        ),
        max(0, parts.fee_minor + sum(_settled(each) * each.fee_minor for each in later)),
        max(0, parts.principal_minor + sum(_settled(each) * each.principal_minor for each in later)),
    )


def charged_after(obligation: Obligation, place: Place) -> int:
    """The penalties charged after a place that still stand."""
    return charged_minor(obligation) - _charged_until(obligation, place)


def charged_minor(obligation: Obligation) -> int:
    """All penalties charged that stand, waived or not: those of its runs, within what a lowering leaves."""
    return _charged_by(obligation, runs_of(obligation))


def is_overdue(obligation: Obligation) -> bool:
    """Tell whether the last time it fell overdue has not ended."""
    return bool(obligation.falls) and ended_at(obligation, Fall.parse(obligation.falls[-1])) is None


def ended_at(obligation: Obligation, fall: Fall) -> datetime | None:
    """When something that fell overdue was no longer so: by what left nothing open of it; None while it is."""
    if fall.ended_at is not None:
        return fall.ended_at
    end = _end_of(obligation, fall)
    if end is not None:
        return end.at
    # Of rows from before there were changes, what paid it is not known.
    return None if obligation.open_minor else fall.place.at


def _end_of(obligation: Obligation, fall: Fall) -> Place | None:
    """Where something that fell overdue was paid or waived, if it was.

    A waiver counts from where it was given; a fee that was lowered since counts as if it had never been more.
    """
    later = _after(obligation, fall.place)
    principal_minor = obligation.open_principal_minor + sum(_opened(each) * each.principal_minor for each in later)
    fee_minor = obligation.open_fee_minor + sum(_settled(each) * each.fee_minor for each in later)
    waived_minor = -sum(_OWED[each.kind] * each.penalty_minor for each in map(Change.parse, obligation.changes))
    settled_minor = obligation.paid_penalty_minor + obligation.charged_off_penalty_minor + waived_minor
    settled_minor -= sum(_opened(each) * each.penalty_minor for each in later)
    for change in later:
        principal_minor -= _opened(change) * change.principal_minor
        fee_minor -= _settled(change) * change.fee_minor
        settled_minor += _opened(change) * change.penalty_minor
        if principal_minor <= 0 and fee_minor <= 0 and settled_minor >= _charged_until(obligation, change.place):
            return change.place
    return None


# What is put in and taken out.


def put_in(obligation: Obligation, change: Change) -> Obligation:
    """Return an obligation with a change, and its sums by it; what it means for later penalties: see `derived`."""
    paid, owed, given_up = _PAID[change.kind], _OWED[change.kind], _CHARGED_OFF[change.kind]
    after = revised(
        obligation,
        fee_minor=obligation.fee_minor + owed * change.fee_minor,
        principal_minor=obligation.principal_minor + owed * change.principal_minor,
        paid_penalty_minor=obligation.paid_penalty_minor + paid * change.penalty_minor,
        paid_fee_minor=obligation.paid_fee_minor + paid * change.fee_minor,
        paid_principal_minor=obligation.paid_principal_minor + paid * change.principal_minor,
        charged_off_penalty_minor=obligation.charged_off_penalty_minor + given_up * change.penalty_minor,
        charged_off_fee_minor=obligation.charged_off_fee_minor + given_up * change.fee_minor,
        charged_off_principal_minor=obligation.charged_off_principal_minor + given_up * change.principal_minor,
        changes=(*obligation.changes, str(change)),
        paid_at=_later(obligation.paid_at, change.place.at) if change.kind is ChangeKind.PAID else obligation.paid_at,
    )
    return _repenalized(obligation, after) if owed and (obligation.penalty_runs or change.penalty_minor) else after


def taken_back(
    obligation: Obligation, is_meant: Callable[[Change], bool], most: Parts | None = None
) -> tuple[Obligation, list[Change]]:
    """Return an obligation without some of its payments, as if they had never been, and what each of them paid.

    The earliest first, and no more than counts as paid in all by now, or than `most`: what of them went back to the
    buyer since stays where it is.
    """
    left = most or Parts(obligation.paid_penalty_minor, obligation.paid_fee_minor, obligation.paid_principal_minor)
    kept: list[Change] = []
    gone: list[Change] = []
    for change in changes_of(obligation):
        if change.kind is not ChangeKind.PAID or not is_meant(change):
            kept.append(change)
            continue
        back = change.parts.within(left)
        left = left.less(back)
        rest = change.parts.less(back)
        if back.amount_minor:
            gone.append(change.so_much(ChangeKind.PAID, back))
        if rest.amount_minor:
            kept.append(change.so_much(ChangeKind.KEPT, rest))
    if not gone:
        return obligation, []
    without = revised(
        obligation,
        paid_penalty_minor=obligation.paid_penalty_minor - sum(each.penalty_minor for each in gone),
        paid_fee_minor=obligation.paid_fee_minor - sum(each.fee_minor for each in gone),
        paid_principal_minor=obligation.paid_principal_minor - sum(each.principal_minor for each in gone),
        changes=tuple(map(str, kept)),
        paid_at=max((each.place.at for each in kept if each.kind is ChangeKind.PAID), default=None),
    )
    return without, gone


def without_reversal(obligation: Obligation, source: str) -> Obligation:
    """Return an obligation as if a repayment, and its reversal, had never been."""
    changes = changes_of(obligation)
    reversals = [each for each in changes if each.kind is ChangeKind.UNPAID and each.source == source]
    again = Parts(
        sum(each.penalty_minor for each in reversals),
        sum(each.fee_minor for each in reversals),
        sum(each.principal_minor for each in reversals),
    )
    paid = revised(
        obligation,
        paid_penalty_minor=obligation.paid_penalty_minor + again.penalty_minor,
        paid_fee_minor=obligation.paid_fee_minor + again.fee_minor,
        paid_principal_minor=obligation.paid_principal_minor + again.principal_minor,
        changes=tuple([str(each) for each in changes if each not in reversals]),
    )
    return taken_back(paid, lambda change: change.source == source, again)[0]


def fallen(obligation: Obligation, place: Place) -> Obligation:
    """Return an obligation that falls overdue at a place, now; by a reversal it does again while it is overdue."""
    unpaid_minor = obligation.open_principal_minor
    return revised(
        obligation,
        overdue_principal_minor=max(obligation.overdue_principal_minor or 0, unpaid_minor),
        falls=(*obligation.falls, str(Fall(place, unpaid_minor))),
    )


def overdue_ended(obligation: Obligation, instant: datetime) -> Obligation:
    """Return an obligation that is no longer overdue from an instant on, though something of it is open.

    Whatever comes, that is when it ended: its principal stands elsewhere from then on.
    """
    falls = [revised(fall, ended_at=ended_at(obligation, fall) or instant) for fall in falls_of(obligation)]
    return revised(obligation, falls=tuple(map(str, falls)))


def without_falls_after(obligation: Obligation, place: Place) -> Obligation:
    """Return an obligation as if it had not fallen overdue after a place, which undoes the penalties since too."""
    falls = [fall for fall in falls_of(obligation) if fall.place <= place]
    if len(falls) == len(obligation.falls):
        return obligation
    first_undone = falls_of(obligation)[len(falls)].place
    kept = [run for run in runs_of(obligation) if Place(midnight(run.first_on), PENALTIES) < first_undone]
    return _recharged(obligation, falls, kept)


def charged(obligation: Obligation, day: date, rate: Rate) -> Obligation:
    """Return an overdue obligation with the penalty of 00:00 of a date, which is now; a part of a plan bears none."""
    if obligation.plan_id is not None:
        return obligation
    unpaid_minor = obligation.open_principal_minor
    runs = runs_of(obligation)
    daily_minor = min(daily_penalty(unpaid_minor, rate(day)), _room(obligation, runs))
    if daily_minor <= 0:
        return obligation
    return _recharged(obligation, falls_of(obligation), extended(runs, day, daily_minor))


def derived(obligation: Obligation, since: Place, most: Sequence[Run], rate: Rate) -> Obligation:
    """Return an obligation with all that a change at a place means for what came after it.

    A fall with nothing open at its instant is undone. The penalties are those of each 00:00 since at which one was
    charged (`most`): of what was unpaid of the principal then, and never more. What was paid of penalties that are no
    more does not count as paid; whose money that is, the caller sees by the difference.
    """
    if not obligation.falls:
        return obligation
    after = _derived_once(obligation, since, most, rate)
    while after.falls != obligation.falls:  # what is no longer charged may have been all that was open at a later fall
        obligation, after = after, _derived_once(after, since, most, rate)
    return after


def _derived_once(obligation: Obligation, since: Place, most: Sequence[Run], rate: Rate) -> Obligation:
    falls = [
        fall if fall.place < since else revised(fall, principal_minor=principal_unpaid_at(obligation, fall.place))
        for fall in falls_of(obligation)
        if fall.place < since or _was_open_at(obligation, fall.place)
    ]
    first_on = business_date(since.at)
    if since >= Place(midnight(first_on), PENALTIES):
        first_on = days_after(first_on, 1)
    runs = [run.before(first_on) for run in runs_of(obligation) if run.first_on < first_on]
    sum_minor = sum(run.days * run.daily_minor for run in runs)
    for day, most_minor in (each for run in most for each in run.since(first_on)):
        charged_at = Place(midnight(day), PENALTIES)
        bound_minor = max((fall.principal_minor for fall in falls if fall.place < charged_at), default=0)
        unpaid_minor = principal_unpaid_at(obligation, charged_at)
        daily_minor = min(most_minor, daily_penalty(unpaid_minor, rate(day)), bound_minor - sum_minor)
        if daily_minor > 0:
            sum_minor += daily_minor
            runs = extended(runs, day, daily_minor)
    return _recharged(obligation, falls, runs)


def lowered(cut: Obligation, rate_bps: int) -> Obligation:
    """Return what a lowering or a credit has cut, its penalties held from now on to what is left of it.

    What has moved to other parts of its plan by now is not left of it.
    """
    changes = [
        revised(each, kind=ChangeKind.LESS) if each.kind is ChangeKind.MOVED else each
        for each in map(Change.parse, cut.changes)
    ]
    return _repenalized(cut, revised(cut, lowered_bps=rate_bps, changes=tuple(map(str, changes))))


def daily_penalty(unpaid_minor: int, bps: int) -> int:
    """A day's penalty on so much unpaid principal: half up, at least 1 while there is any."""
    if not unpaid_minor or not bps:
        return 0
    return max(1, (unpaid_minor * bps + 5_000) // 10_000)


_PAID = dict.fromkeys(ChangeKind, 0) | {
    ChangeKind.PAID: 1,
    ChangeKind.KEPT: 1,
    ChangeKind.UNPAID: -1,
    ChangeKind.REFUNDED: -1,
}
_OWED = dict.fromkeys(ChangeKind, 0) | {ChangeKind.REFUNDED: -1, ChangeKind.LESS: -1, ChangeKind.MOVED: -1}
_CHARGED_OFF = dict.fromkeys(ChangeKind, 0) | {ChangeKind.CHARGED_OFF: 1}


def _after(obligation: Obligation, place: Place) -> list[Change]:
    """Its changes after a place, in the order they count."""
    return [each for each in changes_of(obligation) if each.place > place]


def _opened(change: Change) -> int:
    """How much more was open before a change, for each unit of it."""
    return _settled(change) - _OWED[change.kind]


def _settled(change: Change) -> int:
    """How much more of what is owed was paid, or given up, by a change, for each unit of it."""
    return _PAID[change.kind] + _CHARGED_OFF[change.kind]


def _later(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)


def _charged_until(obligation: Obligation, place: Place) -> int:
    day = business_date(place.at)
    if place >= Place(midnight(day), PENALTIES):
        day = days_after(day, 1)
    return _charged_by(obligation, [run.before(day) for run in runs_of(obligation) if run.first_on < day])


def _charged_by(obligation: Obligation, runs: Sequence[Run]) -> int:
    """What stands of some of its penalties, the first ones: what they come to, within what a lowering leaves."""
    sum_minor = sum(run.days * run.daily_minor for run in runs)
    if obligation.lowered_bps is None:
        return sum_minor
    days = sum(run.days for run in runs if run.daily_minor)
    moved = [each for each in map(Change.parse, obligation.changes) if each.kind is ChangeKind.MOVED]
    principal_minor = obligation.principal_minor + sum(each.principal_minor for each in moved)
    limit_minor = days * max(daily_penalty(principal_minor, obligation.lowered_bps), 1)
    return min(sum_minor, principal_minor, limit_minor)


def _room(obligation: Obligation, runs: Sequence[Run]) -> int:
    """What the next penalty may be at most: all together at most what was unpaid when it fell overdue."""
    known_minor = max(obligation.penalty_minor, sum(run.days * run.daily_minor for run in runs))
    return (obligation.overdue_principal_minor or 0) - known_minor


def _was_open_at(obligation: Obligation, place: Place) -> bool:
    """Tell whether anything was open of it right after a place; a fee or penalty waived since was not."""
    if principal_unpaid_at(obligation, place):
        return True
    unpaid = unpaid_at(obligation, place)
    return bool(unpaid.penalty_minor or unpaid.fee_minor)


def _recharged(obligation: Obligation, falls: Sequence[Fall], runs: Sequence[Run]) -> Obligation:
    """Return an obligation with other falls and penalties, and its sums by them."""
    bound_minor = max((fall.principal_minor for fall in falls), default=None)
    if not falls and not obligation.falls:
        bound_minor = obligation.overdue_principal_minor  # of rows from before falls were kept
    after = revised(
        obligation,
        falls=tuple(map(str, falls)),
        penalty_runs=tuple(map(str, runs)),
        overdue_principal_minor=bound_minor,
    )
    return _repenalized(obligation, after)


def _not_waived(obligation: Obligation) -> int:
    """What was charged and stands less what was waived of it or went back; below 0 where more was than there is now."""
    changes = map(Change.parse, obligation.changes)
    return charged_minor(obligation) + sum(_OWED[each.kind] * each.penalty_minor for each in changes)


def _repenalized(before: Obligation, after: Obligation) -> Obligation:
    """Return an obligation with the penalties that its past gives; those of `before` are right.

    Of rows from before there were changes, some of it is known by these alone.
    """
    unknown_minor = before.penalty_minor - max(0, _not_waived(before))
    return _with_penalty(after, unknown_minor + _not_waived(after))


def _with_penalty(obligation: Obligation, penalty_minor: int) -> Obligation:
    """Set what its penalties are; of more than that, the last was not charged off, or paid, after all."""
    penalty_minor = max(0, penalty_minor)
    excess_minor = obligation.paid_penalty_minor + obligation.charged_off_penalty_minor - penalty_minor
    if excess_minor <= 0:
        return revised(obligation, penalty_minor=penalty_minor)
    given_up_minor = min(excess_minor, obligation.charged_off_penalty_minor)
    paid_minor = excess_minor - given_up_minor
    changes = _less_penalty(changes_of(obligation), ChangeKind.CHARGED_OFF, given_up_minor)
    changes = _less_penalty(changes, ChangeKind.PAID, paid_minor)
    return revised(
        obligation,
        penalty_minor=penalty_minor,
        paid_penalty_minor=obligation.paid_penalty_minor - paid_minor,
        charged_off_penalty_minor=obligation.charged_off_penalty_minor - given_up_minor,
        changes=tuple(map(str, changes)),
    )


def _less_penalty(changes: Iterable[Change], kind: ChangeKind, excess_minor: int) -> list[Change]:
    """Changes of which those of a kind are of so much less of the penalties, the last ones first."""
    after: list[Change] = []
    for change in reversed([*changes]):
        less_minor = max(0, min(change.penalty_minor, excess_minor)) if change.kind is kind else 0
        excess_minor -= less_minor
        after.append(revised(change, penalty_minor=change.penalty_minor - less_minor) if less_minor else change)
    return after[::-1]
