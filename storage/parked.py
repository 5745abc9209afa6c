"""Inputs that wait for what they name, as they are stored."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from settlement.messages import Source
from settlement.party import Party, PartyKind
from settlement.state import Parked
from storage.database import Connection, Row
from storage.outcome_search import GROUPED_AT_MOST, Groups, OutcomeFilter, RecordEnd, before_record, groups
from storage.queries import read
from storage.together import Lookup

_SQL = read("parked")

COLUMNS = (
    *("topic", "partition", "record_offset", "event_id", "fingerprint", "type", "occurred_at", "raw", "traceparent"),
    *("waits_for", "parked_at"),
)
"""What a row of `parked` tells of an input, beside its event hash, its party and its place among others."""


def values(parked: Parked) -> tuple[Any, ...]:
    """An input that waits, in the order of `COLUMNS`."""
    message, source = parked.input, parked.input.source
    return (
        *(source.topic, source.partition, source.offset, message.event_id, message.fingerprint, message.type),
        *(message.occurred_at, message.raw, message.traceparent, parked.waits_for, parked.parked_at),
    )


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


PARKED = Lookup(_SQL["parked"], ("event_hash", "party_kind", "party_id", *COLUMNS))
"""What waits for parties, given by kinds and ids, in the order it came; `parked_row` makes rows of it."""


def parked_row(values: tuple[Any, ...]) -> ParkedRow:
    """A row as `PARKED` has it."""
    return _parked_row(dict(zip(PARKED.columns, values, strict=True)))


@dataclass(frozen=True, slots=True)
class WaitingInput:
    """A parked input as operators see it: on which lane, and until when it waits."""

    lane: int
    row: ParkedRow
    until: datetime | None

    @property
    def place(self) -> RecordEnd:
        """Where it stands among others."""
        return RecordEnd.of(self.row.parked_at, self.lane, self.row.source)

    def document(self) -> dict[str, Any]:
        """The input as JSON has it, without its body."""
        row = self.row
        return {
            "topic": row.source.topic,
            "partition": row.source.partition,
            "offset": row.source.offset,
            "lane": self.lane,
            "key": row.party.id,
            "event_id": row.event_id,
            "type": row.type,
            "occurred_at": row.occurred_at,
            "parked_at": row.parked_at,
            "waits_for": row.waits_for,
            "until": self.until,
        }


async def waiting_inputs(
    connection: Connection,
    wanted: OutcomeFilter,
    *,
    older_than: timedelta | None = None,
    limit: int,
    after: RecordEnd | None = None,
) -> list[WaitingInput]:
    """List what waits, the newest first.

    Args:
        connection: reading is enough.
        wanted: `reason` is what it waits for, whole (`order:o-1`) or its kind (`order`).
        older_than: only what has waited so long by its lane's clock.
        limit: at most so many.
        after: the end of the page before.
    """
    place = before_record(after)
    rows = await connection.fetch(_SQL["newest"], *wanted.values, older_than, *place, limit, wanted.producer)
    return [WaitingInput(row["lane"], _parked_row(row), row["until"]) for row in rows]


async def parked_groups(
    connection: Connection, wanted: OutcomeFilter, *, older_than: timedelta | None = None
) -> Groups:
    """How many wait for each kind of thing, and of each topic, producer and day that they have waited since."""
    arguments = (*wanted.values, older_than, wanted.producer, GROUPED_AT_MOST)
    return groups(await connection.fetch(_SQL["groups"], *arguments))


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
