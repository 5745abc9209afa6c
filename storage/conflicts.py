"""What operators are shown of conflicts: known ids that came again with other content."""

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from settlement.messages import Source
from storage.database import Connection, Row
from storage.outcome_search import GROUPED_AT_MOST, Groups, OutcomeFilter, RecordEnd, before_record, groups
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

    @property
    def body(self) -> Any:
        """What it says; None where that was not kept."""
        return None if self.raw is None else json.loads(self.raw)

    def document(self) -> dict[str, Any]:
        """The message as JSON has it, without its body and outcome."""
        return {
            "topic": self.source.topic,
            "partition": self.source.partition,
            "offset": self.source.offset,
            "key": self.key,
            "event_id": self.event_id,
            "type": self.type,
            "occurred_at": self.occurred_at,
            "decided_at": self.decided_at,
        }


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
    def place(self) -> RecordEnd:
        """Where it stands among others."""
        return RecordEnd.of(self.message.decided_at, self.lane, self.message.source)

    def document(self) -> dict[str, Any]:
        """The conflict as JSON has it."""
        return {"id": self.conflict_id, "lane": self.lane, **self.message.document(), "reason": self.reason}


async def conflicts(
    connection: Connection, wanted: OutcomeFilter, *, limit: int, after: RecordEnd | None = None
) -> list[Conflict]:
    """List conflicts, the newest first; `reason` is a ConflictReason. `after` is the end of the page before."""
    rows = await connection.fetch(_SQL["newest"], *wanted.values, *before_record(after), limit, wanted.producer)
    return [_conflict(row, ConflictReason(row["reason"])) for row in rows]


async def conflict_groups(connection: Connection, wanted: OutcomeFilter) -> Groups:
    """How many conflicts are of each reason, topic, producer and day."""
    return groups(await connection.fetch(_SQL["groups"], *wanted.values, wanted.producer, GROUPED_AT_MOST))


async def conflict(connection: Connection, conflict_id: str) -> Conflict | None:
    """One conflict by its id, the position of its record; None when there is none."""
    source = _source(conflict_id)
    if source is None:
        return None
    row = await connection.fetchrow(_SQL["conflict"], source.topic, source.partition, source.offset)
    return None if row is None else _conflict(row, None)


async def first_of_event(connection: Connection, contradicting: Conflict) -> KeptMessage | None:
    """The message that had the same event_id first; None when none had."""
    message = contradicting.message
    row = await connection.fetchrow(
        _SQL["of_event"], contradicting.lane, contradicting.event_hash, message.source.offset, message.decided_at
    )
    return None if row is None else _message(row)


async def is_of_archived_event(connection: Connection, contradicting: Conflict) -> bool:
    """Whether the message that had the same event_id first was decided, and is archived."""
    source = contradicting.message.source
    found: bool = await connection.fetchval(
        _SQL["is_of_archived_event"], contradicting.lane, source.topic, source.partition, source.offset
    )
    return found


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


def _source(conflict_id: str) -> Source | None:
    topic, _, place = conflict_id.partition("/")
    partition, _, offset = place.partition("/")
    if not (partition.isdecimal() and offset.isdecimal()) or int(partition) >= 2**31 or int(offset) >= 2**63:
        return None
    return Source(topic, int(partition), int(offset))


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
