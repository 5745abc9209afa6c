"""What operators are shown of dead letters: why, and the record as it came."""

from typing import NamedTuple

import msgpack

from settlement.dead_letter import DeadLetter, DeadLetterReason
from settlement.messages import Source
from storage.database import Connection, Row
from storage.queries import read

_SQL = read("dead_letters")


class KeptLetter(NamedTuple):
    """A dead letter and the lane that keeps it."""

    lane: int
    letter: DeadLetter


async def dead_letters(connection: Connection, *, reason: str | None = None, limit: int = 1000) -> list[KeptLetter]:
    """List dead letters, the newest first, of one reason or of all."""
    return [_dead_letter(row) for row in await connection.fetch(_SQL["dead_letters"], reason, limit)]


async def dead_letter(connection: Connection, dead_letter_id: str) -> KeptLetter | None:
    """Return one dead letter by its id, `topic/partition/offset` or a timer's; None when there is none."""
    row = await connection.fetchrow(_SQL["dead_letter"], dead_letter_id)
    return None if row is None else _dead_letter(row)


def _dead_letter(row: Row) -> KeptLetter:
    headers = msgpack.unpackb(row["headers"]) if row["headers"] is not None else []
    letter = DeadLetter(
        None if row["topic"] is None else Source(row["topic"], row["partition"], row["record_offset"]),
        row["timer_id"],
        DeadLetterReason(row["reason"]),
        row["detail"],
        row["decided_at"],
        row["key"],
        row["raw"],
        row["event_id"],
        row["type"],
        row["occurred_at"],
        tuple((name.decode(errors="replace"), value) for name, value in headers),
    )
    return KeptLetter(row["lane"], letter)
