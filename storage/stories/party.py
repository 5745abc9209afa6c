"""What is told of accounts and merchants alike: their payouts, and every message about them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from settlement.entities import Payout
from settlement.entity import EntityT
from settlement.party import PartyKind
from settlement.statuses import PayoutStatus
from storage.database import Connection, Row
from storage.queries import read
from storage.rows import TABLES
from storage.stories.story import Story

_SQL = read("stories/party")

TOPICS: Mapping[PartyKind, Sequence[str]] = {
    PartyKind.ACCOUNT: ("credit-line", "payout-result", "purchase", "repayment", "return-inspection"),
    PartyKind.MERCHANT: ("deposit-refund-request", "merchant", "payout-result"),
}
"""Topics whose records have a party's id as their key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutStory(Story):
    """Money that was to leave the platform; `source_id` is what it is for, None where that is nothing with an id."""

    payout_id: str
    amount_minor: int
    currency: str
    route: str
    reason: str
    source_id: str | None
    status: PayoutStatus
    requested_at: datetime
    answered_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryStory(Story):
    """One input about a party and what became of it.

    What still waits has `waits_for`, and `until` when; its `decided_at` is since when. A dead letter may have neither
    event_id nor type.
    """

    decided_at: datetime
    topic: str
    event_id: str | None
    type: str | None
    outcome: str
    reason: str | None
    waits_for: str | None = None
    until: datetime | None = None


def payouts_told(payouts: Iterable[Payout]) -> tuple[PayoutStory, ...]:
    """Payouts as they are told, in the order given."""
    return tuple(map(PayoutStory.of, payouts))


async def history(connection: Connection, lane: int, kind: PartyKind, party_id: str) -> tuple[HistoryStory, ...]:
    """Inputs about a party, in the order of what became of them."""
    rows = await connection.fetch(_SQL["history"], lane, kind.value, party_id, party_id.encode(), TOPICS[kind])
    return tuple(HistoryStory(**row) for row in rows)


def entity(kind: type[EntityT], row: Row) -> EntityT:
    """Make the entity of one row."""
    return cast("EntityT", TABLES[kind].entity(row))


async def entities(
    connection: Connection, queries: Mapping[str, str], kind: type[EntityT], lane: int, party_id: str
) -> list[EntityT]:
    """Read a party's entities of one class by the query that bears its table's name."""
    rows = await connection.fetch(queries[TABLES[kind].name], lane, party_id)
    return cast("list[EntityT]", TABLES[kind].entities(rows))
