"""What operators are shown of conflicts: known ids that came again with other content."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from settlement.messages import Source
from storage.database import Connection, Row
from storage.outcome_search import OutcomeFilter, PageEnd, before_record
from storage.queries import read

_SQL = read("conflicts")

CANDIDATES = 100
"""Earlier messages that are looked at to find the one with the same business id."""


class ConflictReason(StrEnum):
    """Which id was known."""

    SAME_EVENT_ID = "same_event_id"
    SAME_BUSINESS_ID = "same_business_id"


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """A message as it was kept, and what became of it."""

    source: Source
    key: str | None
    event_id: str
    type: str
    occurred_at: datetime
    decided_at: datetime
    outcome: str
    raw: bytes | None


@dataclass(frozen=True, slots=True)
class Conflict:
    """A message that contradicts an earlier one; `event_hash` is what its event_id counts as within its lane."""

    lane: int
    message: KeptMessage
    event_hash: bytes
    reason: ConflictReason | None = None

    @property
    def conflict_id(self) -> str:
        """The position of its record, by which it is shown."""
        source = self.message.source
        return f"{source.topic}/{source.partition}/{source.offset}"

    @property
    def place(self) -> PageEnd:
        """Where it stands among others."""
        return PageEnd.of_record(self.message.decided_at, self.lane, self.message.source)


async def conflicts(
    connection: Connection, wanted: OutcomeFilter, *, limit: int, after: PageEnd | None = None
) -> list[Conflict]:
    """List conflicts, the newest first; `reason` is a ConflictReason. `after` is the end of the page before."""
    rows = await connection.fetch(_SQL["newest"], *wanted.values, *before_record(after), limit)
    return [_conflict(row, ConflictReason(row["reason"])) for row in rows]


async def conflict(connection: Connection, source: Source) -> Conflict | None:
    """One conflict by the position of its record; None when there is none."""
    row = await connection.fetchrow(_SQL["conflict"], source.topic, source.partition, source.offset)
    return None if row is None else _conflict(row, None)


async def first_of_event(connection: Connection, contradicting: Conflict) -> KeptMessage | None:
    """The message that had the same event_id first; None when none had."""
    message = contradicting.message
    row = await connection.fetchrow(
        _SQL["of_event"], contradicting.lane, contradicting.event_hash, message.source.offset, message.decided_at
    )
    return None if row is None else _message(row)


async def earlier_naming(connection: Connection, contradicting: Conflict, name: str) -> list[KeptMessage]:
    """Earlier decided messages of its type and party whose text has an id in it, at most CANDIDATES."""
    message = contradicting.message
    rows = await connection.fetch(
        _SQL["naming"],
        contradicting.lane,
        message.key,
        message.type,
        message.source.topic,
        message.decided_at,
        name.encode(),
        CANDIDATES,
    )
    return [_message(row) for row in rows]


def _conflict(row: Row, reason: ConflictReason | None) -> Conflict:
    return Conflict(row["lane"], _message(row), row["event_hash"], reason)


def _message(row: Row) -> KeptMessage:
    return KeptMessage(
        Source(row["topic"], row["partition"], row["record_offset"]),
        row["party_id"],
        row["event_id"],
        row["type"],
        row["occurred_at"],
        row["decided_at"],
        row["outcome"],
        row["raw"],
    )
