"""What operators are shown of money that is to leave the platform."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import NamedTuple

from settlement.party import Party, PartyKind
from settlement.statuses import PayoutStatus
from storage.database import Connection
from storage.identity import identity
from storage.queries import read
from storage.stories.party import PayoutStory

_SQL = read("payouts")
_TOLD = [each.name for each in fields(PayoutStory)]


SUMMED_AT_MOST = 10_000
"""Of accounts, and of merchants."""


class PayoutPlace(NamedTuple):
    """The last payout of a page: the next page goes on from there."""

    requested_at: datetime
    lane: int
    payout_id: str


@dataclass(frozen=True, slots=True)
class PayoutFilter:
    """What listed payouts must agree with; None is anything. `unanswered`: only those without a result."""

    unanswered: bool = False
    party_id: str | None = None
    payout_id: str | None = None
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class PartysPayout:
    """A payout, the lane that keeps it and whose it is."""

    lane: int
    party: Party
    payout: PayoutStory

    @property
    def place(self) -> PayoutPlace:
        """Where it stands among others."""
        return PayoutPlace(self.payout.requested_at, self.lane, self.payout.payout_id)


async def payouts(
    connection: Connection, wanted: PayoutFilter, *, limit: int, after: PayoutPlace | None = None
) -> list[PartysPayout]:
    """List payouts, the newest first. `after` is the end of the page before."""
    rows = await connection.fetch(
        _SQL["unanswered" if wanted.unanswered else "newest"],
        wanted.party_id,
        wanted.payout_id,
        wanted.reason,
        wanted.since,
        wanted.until,
        *(after or (None, -1, "")),
        limit,
        [] if wanted.party_id is None else [*range((await identity(connection)).lanes)],
    )
    return [
        PartysPayout(
            row["lane"],
            Party(PartyKind(row["party_kind"]), row["party_id"]),
            PayoutStory(**{**{name: row[name] for name in _TOLD}, "status": PayoutStatus(row["status"])}),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class UnansweredSum:
    """Payouts without a result, of one kind of payee, reason and currency; the oldest SUMMED_AT_MOST count."""

    party_kind: PartyKind
    reason: str
    currency: str
    payouts: int
    amount_minor: int
    oldest_at: datetime


async def unanswered_sums(connection: Connection) -> list[UnansweredSum]:
    """What is asked to be paid and nobody has answered."""
    rows = await connection.fetch(_SQL["unanswered_sums"], SUMMED_AT_MOST)
    return [UnansweredSum(**{**dict(row), "party_kind": PartyKind(row["party_kind"])}) for row in rows]
