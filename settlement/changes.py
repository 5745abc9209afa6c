"""What can happen to an obligation, and when: the values of which its past is made, and their texts.

Source: docs/rules.md, Overdue and Repayment.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from enum import StrEnum

from settlement.dates import days_after
from settlement.parts import Parts
from settlement.values import dataclass, revised

CREDIT = 20
FALLS = 40
PENALTIES = 50
"""Ranks of what customer credit pays before debits are requested, and of the timers that let something fall overdue and
charge penalties (`settlement.timers`)."""

BY_MESSAGE = 100
"""Messages come after all timers of their instant."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in the order of all that happens: an instant, within it a rank, and within that as it was decided.

    `no` is of the account's running numbers; 0, in rows from before too, is before all that was decided of a rank.
    """

    at: datetime
    rank: int
    no: int = 0

    @classmethod
    def parse(cls, at: str, rank_and_no: str) -> "Place":
        """Read what `str` wrote."""
        rank, _, no = rank_and_no.partition("/")
        return cls(datetime.fromisoformat(at), int(rank), int(no) if no else 0)

    def __str__(self) -> str:
        no = f"/{self.no}" if self.no else ""
        return f"{self.at.astimezone(UTC).isoformat()} {self.rank}{no}"


class ChangeKind(StrEnum):
    """What a change does: to what is owed, to what is paid, or to both."""

    PAID = "paid"
    """More is paid, by a repayment (its id is the source) or by customer credit (no source)."""
    KEPT = "kept"
    """The same, but as much went back to the buyer since: it stayed where it was when payments were spread anew."""
    UNPAID = "unpaid"
    """What was paid is owed again: a repayment (the source) was reversed."""
    REFUNDED = "refunded"
    """What was paid went back to the buyer: it is neither owed nor paid any more."""
    LESS = "less"
    """Less is owed: cut or waived. Of negative amounts more is owed."""
    MOVED = "moved"
    """Less is owed of it, and as much more of other parts of its plan."""
    CHARGED_OFF = "charged_off"
    """It is owed no more, but remembered as charged off. Of negative amounts less is charged off, and open again."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of an obligation; `source` is the repayment, return, waiver … it came from, or empty."""

    kind: ChangeKind
    place: Place
    penalty_minor: int
    fee_minor: int
    principal_minor: int
    source: str = ""

    @classmethod
    def parse(cls, text: str) -> "Change":
        """Read what `str` wrote."""
        kind, at, rank, penalty, fee, principal, source = text.split(" ", 6)
        return cls(ChangeKind(kind), Place.parse(at, rank), int(penalty), int(fee), int(principal), source)

    def __str__(self) -> str:
        amounts = f"{self.penalty_minor} {self.fee_minor} {self.principal_minor}"
        return f"{self.kind} {self.place} {amounts} {self.source}"

    @property
    def parts(self) -> Parts:
        """What it changes, part by part."""
        return Parts(self.penalty_minor, self.fee_minor, self.principal_minor)

    @property
    def amount_minor(self) -> int:
        """All three parts together."""
        return self.penalty_minor + self.fee_minor + self.principal_minor

    def so_much(self, kind: ChangeKind, parts: Parts) -> "Change":
        """So much of it, as a change of a kind."""
        return Change(kind, self.place, parts.penalty_minor, parts.fee_minor, parts.principal_minor, self.source)


@dataclass(frozen=True, slots=True)
class Fall:
    """One time at which an obligation fell overdue with so much of its principal unpaid.

    `ended_at` is when something else than paying all of it ended it (a rescheduling); None: paying it does.
    """

    place: Place
    principal_minor: int
    ended_at: datetime | None = None

    @classmethod
    def parse(cls, text: str) -> "Fall":
        """Read what `str` wrote."""
        at, rank, principal, *ended = text.split()
        return cls(Place.parse(at, rank), int(principal), datetime.fromisoformat(ended[0]) if ended else None)

    def __str__(self) -> str:
        ended = f" {self.ended_at.astimezone(UTC).isoformat()}" if self.ended_at is not None else ""
        return f"{self.place} {self.principal_minor}{ended}"


@dataclass(frozen=True, slots=True)
class Run:
    """The same penalty on days in a row, the first at 00:00 of `first_on`."""

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

    def since(self, day: date) -> Iterator[tuple[date, int]]:
        """Its dates from one on, each with its penalty."""
        for number in range(max(0, (day - self.first_on).days), self.days):
            yield days_after(self.first_on, number), self.daily_minor

    def before(self, day: date) -> "Run":
        """The part of it before a date."""
        return Run(self.first_on, min(self.days, (day - self.first_on).days), self.daily_minor)


def extended(runs: Iterable[Run], day: date, daily_minor: int) -> list[Run]:
    """Add a day's penalty to runs, to the last one where it goes on."""
    known = list(runs)
    if known and known[-1].daily_minor == daily_minor and days_after(known[-1].first_on, known[-1].days) == day:
        return [*known[:-1], revised(known[-1], days=known[-1].days + 1)]
    return [*known, Run(day, 1, daily_minor)]
