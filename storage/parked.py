"""Inputs that wait for what they name, as they are stored."""

from dataclasses import dataclass
from datetime import datetime

from settlement.messages import Source
from settlement.party import Party, PartyKind
from storage.database import Connection, Row
from storage.queries import read

_SQL = read("parked")


@dataclass(frozen=True, slots=True)
class ParkedRow:
    """A parked input as it is stored: what it takes to decode it again."""

    source: Source
    party: Party
    event_id: str
    event_hash: bytes
    fingerprint: bytes
    type: str
    occurred_at: datetime
    raw: bytes
    traceparent: str | None
    waits_for: str
    parked_at: datetime


async def parked_of(connection: Connection, lane: int, party_kinds: str, party_ids: str) -> list[ParkedRow]:
    """What waits for parties, given as array literals of the same length; in the order it came."""
    return [_parked_row(row) for row in await connection.fetch(_SQL["parked"], lane, party_kinds, party_ids)]


def _parked_row(row: Row) -> ParkedRow:
    return ParkedRow(
        source=Source(row["topic"], row["partition"], row["record_offset"]),
        party=Party(PartyKind(row["party_kind"]), row["party_id"]),
        event_id=row["event_id"],
        event_hash=row["event_hash"],
        fingerprint=row["fingerprint"],
        type=row["type"],
        occurred_at=row["occurred_at"],
        raw=row["raw"],
        traceparent=row["traceparent"],
        waits_for=row["waits_for"],
        parked_at=row["parked_at"],
    )
