"""Penalties on what is overdue, kept so that a late repayment can undo exactly the days it would have prevented.

Source: docs/rules.md, Overdue.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from settlement.dates import business_date, days_after, midnight
from settlement.draft import Draft
from settlement.entities import Obligation, Order
from settlement.ledger import LedgerAccount
from settlement.statuses import ObligationStatus
from settlement.values import revised


@dataclass(frozen=True, slots=True)
class Run:
    """The same penalty on days in a row, the first at 00:00 of `first_on`.

    No days: the obligation fell overdue on that date without a penalty.
    """

    first_on: date
    days: int
    daily_minor: int

    @classmethod
    def parse(cls, text: str) -> "Run":
        """Read what `str` wrote."""
        first_on, days, daily_minor = text.split()
        return cls(date.fromisoformat(first_on), int(days), int(daily_minor))

    def __str__(self) -> str:
        return f"{self.first_on} {self.days} {self.daily_minor}"

    def until(self, paid_at: datetime) -> "Run":
        """Return what of the run was charged at or before an instant."""
        # Its last midnight that is not after the instant is that of the instant's own business date.
        days = (business_date(paid_at) - self.first_on).days + 1
        return Run(self.first_on, max(0, min(self.days, days)), self.daily_minor)


def none_before(day: date) -> tuple[str, ...]:
    """What is noted of an obligation that falls overdue on a date: no penalty yet."""
    return (str(Run(day, 0, 0)),)


def charge(draft: Draft, obligations: Iterable[Obligation]) -> int:
    """Charge overdue obligations the penalty of the day that begins now; returns the sum in minor units."""
    today = business_date(draft.moment.now)
    sum_minor = 0
    for obligation in obligations:
        daily_minor = _daily_minor(draft, obligation)
        if not daily_minor:
            continue
        sum_minor += daily_minor
        draft.put(
            revised(
                obligation,
                penalty_minor=obligation.penalty_minor + daily_minor,
                penalty_runs=tuple(map(str, _extended(_runs(obligation), today, daily_minor))),
            )
        )
    draft.post(LedgerAccount.PENALTY_RECEIVABLE, LedgerAccount.PENALTY_INCOME, sum_minor, draft.currency)
    return sum_minor


def without_days_after(obligation: Obligation, paid_at: datetime) -> Obligation:
    """Return an obligation without the penalties that a payment of an instant undoes, nor what was paid of them.

    These are the ones charged after it, of what is overdue now; any other obligation is returned as it is. Nothing is
    posted.
    """
    if obligation.status is not ObligationStatus.OVERDUE:
        return obligation
    runs = _runs(obligation)
    kept = [run.until(paid_at) for run in runs if midnight(run.first_on) <= paid_at]
    # No more than there is: what was waived meanwhile is gone already.
    undone_minor = min(_sum(runs) - _sum(kept), obligation.penalty_minor)
    penalty_minor = obligation.penalty_minor - undone_minor
    return revised(
        obligation,
        penalty_minor=penalty_minor,
        paid_penalty_minor=min(obligation.paid_penalty_minor, penalty_minor),
        penalty_runs=tuple(map(str, kept)),
    )


def _daily_minor(draft: Draft, obligation: Obligation) -> int:
    """The next day's penalty: of the unpaid principal, half up, at least 1, within what is left of its bound."""
    unpaid_minor = obligation.principal_minor - obligation.paid_principal_minor
    bps = _bps(draft, obligation)
    if not unpaid_minor or not bps:
        return 0
    room_minor = (obligation.overdue_principal_minor or 0) - obligation.penalty_minor
    daily_minor = max(1, (unpaid_minor * bps + 5_000) // 10_000)
    return max(0, min(daily_minor, room_minor))


def _bps(draft: Draft, obligation: Obligation) -> int:
    """The rate of the terms the order was accepted under; of what belongs to no order, the present ones."""
    terms = draft.rules.terms
    if obligation.order_id is None:
        return terms.on(business_date(draft.moment.now)).penalty_bps_per_day
    return terms.since(draft.get(Order, obligation.order_id).terms_from).penalty_bps_per_day


def _runs(obligation: Obligation) -> list[Run]:
    return [Run.parse(text) for text in obligation.penalty_runs]


def _sum(runs: Sequence[Run]) -> int:
    return sum(run.days * run.daily_minor for run in runs)


def _extended(runs: list[Run], day: date, daily_minor: int) -> list[Run]:
    last = runs[-1]
    if last.daily_minor == daily_minor and days_after(last.first_on, last.days) == day:
        return [*runs[:-1], Run(last.first_on, last.days + 1, daily_minor)]
    if last.first_on == day:  # it falls overdue and costs its first penalty at one instant
        return [*runs[:-1], Run(day, 1, daily_minor)]
    return [*runs, Run(day, 1, daily_minor)]
