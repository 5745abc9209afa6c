"""What operators are shown of dead letters: why, and the record as it came."""

from dataclasses import dataclass
from datetime import datetime

import msgpack

from storage.database import Connection, Row
from storage.queries import read

_SQL = read("dead_letters")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter. `topic`, `partition` and `offset` are None for a timer that failed; `timer_id` names it then."""

    dead_letter_id: str
    lane: int
    topic: str | None
    partition: int | None
    offset: int | None
    key: bytes | None
    event_id: str | None
    timer_id: str | None
    type: str | None
    occurred_at: datetime | None
    decided_at: datetime
    reason: str
    detail: str
    raw: bytes | None
    headers: tuple[tuple[str, bytes], ...]


async def dead_letters(connection: Connection, *, reason: str | None = None, limit: int = 1000) -> list[DeadLetter]:
    """List dead letters, the newest first, of one reason or of all."""
    return [_dead_letter(row) for row in await connection.fetch(_SQL["dead_letters"], reason, limit)]


async def dead_letter(connection: Connection, dead_letter_id: str) -> DeadLetter | None:
    """Return one dead letter by its id, `topic/partition/offset` or a timer's; None when there is none."""
    row = await connection.fetchrow(_SQL["dead_letter"], dead_letter_id)
    return None if row is None else _dead_letter(row)


def _dead_letter(row: Row) -> DeadLetter:
    headers = msgpack.unpackb(row["headers"]) if row["headers"] is not None else []
    return DeadLetter(
        dead_letter_id=row["dead_letter_id"],
        lane=row["lane"],
        topic=row["topic"],
        partition=row["partition"],
        offset=row["record_offset"],
        key=row["key"],
        event_id=row["event_id"],
        timer_id=row["timer_id"],
        type=row["type"],
        occurred_at=row["occurred_at"],
        decided_at=row["decided_at"],
        reason=row["reason"],
        detail=row["detail"],
        raw=row["raw"],
        headers=tuple((name.decode(errors="replace"), value) for name, value in headers),
    )
