"""What operators are shown of dead letters: why, the record as it came, and what was the end of it."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgpack

from settlement.dead_letter import DeadLetter, DeadLetterReason
from settlement.messages import Source
from storage import operator_log
from storage.database import Connection, Row
from storage.operator_log import Action, LogEntry
from storage.outcome_search import ANY, GROUPED_AT_MOST, Groups, OutcomeFilter, PageEnd, groups
from storage.queries import read

_SQL = read("dead_letters")


class KeptLetter(NamedTuple):
    """A dead letter and the lane that keeps it; entry `closed_entry` of the operator log is its end, if any."""

    lane: int
    letter: DeadLetter
    closed_entry: int | None = None

    @property
    def place(self) -> PageEnd:
        """Where it stands among others."""
        source = self.letter.source
        topic, offset = ("", -1) if source is None else (source.topic, source.offset)
        return PageEnd(self.letter.decided_at, self.lane, topic, offset, self.letter.dead_letter_id)

    def document(self) -> dict[str, Any]:
        """What lists give of each; the record itself is left to `record_document`, it may be large."""
        letter, source = self.letter, self.letter.source
        return {
            "id": letter.dead_letter_id,
            "reason": letter.reason,
            "detail": letter.detail,
            "topic": None if source is None else source.topic,
            "partition": None if source is None else source.partition,
            "offset": None if source is None else source.offset,
            "lane": self.lane,
            "key": _json_text(letter.key),
            "event_id": letter.event_id,
            "timer_id": letter.timer_id,
            "type": letter.type,
            "occurred_at": letter.occurred_at,
            "decided_at": letter.decided_at,
        }

    def record_document(self) -> dict[str, Any]:
        """The record as it came; its value always as the bytes, because they are what is wrong."""
        letter = self.letter
        value = None if letter.raw is None else {"base64": base64.b64encode(letter.raw).decode()}
        return {"headers": [[name, _json_text(header)] for name, header in letter.headers], "value": value}


@dataclass(frozen=True, slots=True)
class LetterStory:
    """A dead letter and what was done about it: how far a redrive has come, and who has closed it, if anybody."""

    kept: KeptLetter
    redrive: LogEntry | None
    closed: LogEntry | None

    def document(self) -> dict[str, Any]:
        """What lists give of each."""
        redrive, closed = self.redrive, self.closed
        return {
            **self.kept.document(),
            "redrive": None if redrive is None else {"outcome": redrive.outcome, "at": redrive.at},
            "closed": None if closed is None else {"by": closed.operator, "at": closed.at, "reason": closed.reason},
        }


async def dead_letters(
    connection: Connection,
    wanted: OutcomeFilter = ANY,
    *,
    is_open: bool | None = None,
    limit: int = 1000,
    after: PageEnd | None = None,
) -> list[KeptLetter]:
    """List dead letters, the newest first.

    Args:
        connection: reading is enough.
        wanted: `reason` is a reason code.
        is_open: whether nobody has redriven or closed them; None lists all.
        limit: at most so many.
        after: the end of the page before.
    """
    place = _place(after)
    rows = await connection.fetch(_SQL["newest"], *_wanted(wanted), *place, limit, is_open, wanted.producer)
    return [_dead_letter(row) for row in rows]


async def open_count(connection: Connection) -> int:
    """How many are open, at most GROUPED_AT_MOST, without reading what they say."""
    counted: int = await connection.fetchval(_SQL["open_count"], GROUPED_AT_MOST)
    return counted


async def letter_groups(connection: Connection, wanted: OutcomeFilter, *, is_open: bool | None = None) -> Groups:
    """How many dead letters are of each reason, topic, producer and day."""
    arguments = (*_wanted(wanted), is_open, wanted.producer, GROUPED_AT_MOST)
    return groups(await connection.fetch(_SQL["groups"], *arguments))


async def batches(connection: Connection) -> list[int]:
    """The last batch of each lane: which dead letters there are by now."""
    return [row["batch_seq"] for row in await connection.fetch(_SQL["batches"])]


async def oldest_letters(
    connection: Connection,
    wanted: OutcomeFilter,
    until: Sequence[int],
    *,
    is_open: bool | None = None,
    limit: int,
    after: PageEnd | None = None,
) -> list[KeptLetter]:
    """List dead letters of records, the oldest first, up to the batches that `batches` gave."""
    place = _place(after)
    arguments = (*_wanted(wanted), *place, limit, until, wanted.producer, is_open)
    return [_dead_letter(row) for row in await connection.fetch(_SQL["oldest"], *arguments)]


async def count_letters(
    connection: Connection, wanted: OutcomeFilter, until: Sequence[int], *, is_open: bool | None = None
) -> int:
    """How many `oldest_letters` gives altogether."""
    arguments = (*_wanted(wanted), until, wanted.producer, is_open)
    counted: int = await connection.fetchval(_SQL["counted"], *arguments)
    return counted


async def dead_letter(connection: Connection, dead_letter_id: str) -> KeptLetter | None:
    """Return one dead letter by its id, `topic/partition/offset` or a timer's; None when there is none."""
    row = await connection.fetchrow(_SQL["dead_letter"], dead_letter_id)
    return None if row is None else _dead_letter(row)


async def ends(connection: Connection, dead_letter_ids: Sequence[str]) -> dict[str, LogEntry]:
    """By id, what was the end of some dead letters: a redrive that is done, or that somebody closed it."""
    rows = await connection.fetch(_SQL["closed"], dead_letter_ids)
    entries = await operator_log.of_numbers(connection, [row["closed_entry"] for row in rows])
    return {row["dead_letter_id"]: entries[row["closed_entry"]] for row in rows}


async def stories(connection: Connection, letters: Sequence[KeptLetter]) -> list[LetterStory]:
    """What was done about some dead letters."""
    redrives = await operator_log.latest(connection, Action.REDRIVE, [each.letter.dead_letter_id for each in letters])
    numbers = [each.closed_entry for each in letters if each.closed_entry is not None]
    ends = await operator_log.of_numbers(connection, numbers)
    return [
        LetterStory(each, redrives.get(each.letter.dead_letter_id), _closing(ends.get(each.closed_entry or 0)))
        for each in letters
    ]


def _closing(end: LogEntry | None) -> LogEntry | None:
    return None if end is None or end.action != Action.CLOSE_DEAD_LETTER else end


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
    return KeptLetter(row["lane"], letter, row["closed_entry"])


def _json_text(raw: bytes | None) -> Any:
    if raw is None:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode()}
