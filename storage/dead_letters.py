"""What operators are shown of dead letters: why, and the record as it came."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgpack

from settlement.dead_letter import DeadLetter, DeadLetterReason
from settlement.messages import Source
from storage.database import Connection, Row
from storage.outcome_search import ANY, OutcomeFilter, PageEnd
from storage.queries import read

_SQL = read("dead_letters")


class KeptLetter(NamedTuple):
    """A dead letter and the lane that keeps it."""

    lane: int
    letter: DeadLetter

    @property
    def place(self) -> PageEnd:
        """Where it stands among others."""
        source = self.letter.source
        topic, offset = ("", -1) if source is None else (source.topic, source.offset)
        return PageEnd(self.letter.decided_at, self.lane, topic, offset, self.letter.dead_letter_id)


async def dead_letters(
    connection: Connection, wanted: OutcomeFilter = ANY, *, limit: int = 1000, after: PageEnd | None = None
) -> list[KeptLetter]:
    """List dead letters, the newest first; `reason` is a reason code. `after` is the end of the page before."""
    rows = await connection.fetch(_SQL["newest"], *_wanted(wanted), *_place(after), limit)
    return [_dead_letter(row) for row in rows]


async def batches(connection: Connection) -> list[int]:
    """The last batch of each lane: which dead letters there are by now."""
    return [row["batch_seq"] for row in await connection.fetch(_SQL["batches"])]


async def oldest_letters(
    connection: Connection, wanted: OutcomeFilter, until: Sequence[int], *, limit: int, after: PageEnd | None = None
) -> list[KeptLetter]:
    """List dead letters of records, the oldest first, up to the batches that `batches` gave."""
    rows = await connection.fetch(_SQL["oldest"], *_wanted(wanted), *_place(after), limit, until)
    return [_dead_letter(row) for row in rows]


async def count_letters(connection: Connection, wanted: OutcomeFilter, until: Sequence[int]) -> int:
    """How many `oldest_letters` gives altogether."""
    counted: int = await connection.fetchval(_SQL["counted"], *_wanted(wanted), until)
    return counted


async def dead_letter(connection: Connection, dead_letter_id: str) -> KeptLetter | None:
    """Return one dead letter by its id, `topic/partition/offset` or a timer's; None when there is none."""
    row = await connection.fetchrow(_SQL["dead_letter"], dead_letter_id)
    return None if row is None else _dead_letter(row)


async def taken_events(connection: Connection, events: Sequence[tuple[int, bytes]]) -> set[bytes]:
    """Which events, given by lane and hash, some message has become since."""
    taken: set[bytes] = set()
    for lane in {lane for lane, _ in events}:
        hashes = [event_hash for on_lane, event_hash in events if on_lane == lane]
        taken |= {row["event_hash"] for row in await connection.fetch(_SQL["taken"], lane, hashes)}
    return taken


def _wanted(wanted: OutcomeFilter) -> tuple[Any, ...]:
    topic, key, *others = wanted.values
    return topic, None if key is None else key.encode(), *others


def _place(after: PageEnd | None) -> tuple[Any, ...]:
    return (None, -1, "", -1, "") if after is None else tuple(after)


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
