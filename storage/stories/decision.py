"""The story of what became of an event."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from storage import archive
from storage.database import Connection, Row
from storage.queries import read
from storage.stories.story import Story

_SQL = read("stories/decision")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostingStory(Story):
    """An amount that moved from the account it credits to the one it debits."""

    debit: str
    credit: str
    currency: str
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputStory(Story):
    """A message that followed; what else is in it, its topic knows."""

    type: str
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatStory(Story):
    """The same event once more, or what contradicts it."""

    outcome: str
    decided_at: datetime
    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionStory(Story):
    """What became of an event, and what followed.

    Only a decision has a `seq`, what waits a `waits_for`, a dead letter `detail` and `dead_letter_id`. `keys` names all
    parties that have the event, told of is `party_id`; None where a dead letter's record has no key. A timer's has
    neither topic nor event_id, but a `timer_id`.
    """

    topic: str | None
    partition: int | None
    offset: int | None
    lane: int
    party_id: str | None
    event_id: str | None
    type: str | None
    occurred_at: datetime | None
    decided_at: datetime
    outcome: str
    reason: str | None
    reasons: tuple[str, ...] = ()
    postings: tuple[PostingStory, ...] = ()
    outputs: tuple[OutputStory, ...] = ()
    seq: int | None = None
    waits_for: str | None = None
    detail: str | None = None
    dead_letter_id: str | None = None
    repeats: tuple[RepeatStory, ...] = ()
    keys: tuple[str | None, ...] = ()
    party_kind: str | None = None
    timer_id: str | None = None


async def decision_story(
    connection: Connection, topic: str, event_id: str, party_id: str | None = None
) -> DecisionStory | None:
    """Tell what became of an event, and what followed from it; None when it was never seen.

    An event_id counts within its topic and key. Where several parties have it, the one told of is the first decided, or
    that of `party_id`.
    """
    return await archive.in_one_snapshot(connection, partial(_decision_story, connection, topic, event_id, party_id))


async def _decision_story(
    connection: Connection, topic: str, event_id: str, party_id: str | None
) -> DecisionStory | None:
    stories = [
        *[await _decided(connection, row) for row in await _of_event(connection, "decisions", topic, event_id)],
        *map(_parked, await _of_event(connection, "parked", topic, event_id)),
        *map(_dead, await _of_event(connection, "dead_letters", topic, event_id)),
    ]
    receipts = await _of_event(connection, "receipts", topic, event_id)
    # What repeats another event, or contradicts it, has a receipt only. So has what repeats an archived one, and the
    # story would be that one's.
    known = {story.party_id for story in stories} | {row["party_id"] for row in receipts if row["repeats_archived"]}
    first = {row["party_id"]: row for row in reversed(receipts) if row["party_id"] not in known}
    stories += [_story(row, row["outcome"], reason=None) for row in reversed(first.values())]
    repeats = [row for row in receipts if row not in first.values()]
    told = next((story for story in stories if party_id is None or story.party_id == party_id), None)
    if told is None:
        return None
    return replace(
        told,
        repeats=tuple(_repeat(row) for row in repeats if row["party_id"] == told.party_id),
        keys=tuple(dict.fromkeys(story.party_id for story in stories)),
    )


async def _of_event(connection: Connection, outcome: str, topic: str, event_id: str) -> Sequence[Row]:
    rows: Sequence[Row] = await connection.fetch(_SQL[f"{outcome}_of_event"], topic, event_id)
    return rows


async def _decided(connection: Connection, row: Row) -> DecisionStory:
    postings = await connection.fetch(_SQL["postings"], row["lane"], row["seq"])
    return _story(
        row,
        row["outcome"],
        reason=row["reason"],
        reasons=tuple(row["reasons"].split()),
        postings=tuple(PostingStory(**posting) for posting in postings),
        outputs=outputs_told(row["outputs"]),
        seq=row["seq"],
        party_kind=row["party_kind"],
        timer_id=row["timer_id"],
    )


def outputs_told(lines: str) -> tuple[OutputStory, ...]:
    """The messages that a decision's row names."""
    return tuple(map(_output, lines.splitlines()))


def _output(line: str) -> OutputStory:
    kind, _, output_id = line.partition(" ")
    return OutputStory(type=kind, event_id=output_id)


async def decision_at(connection: Connection, lane: int, seq: int) -> DecisionStory | None:
    """Tell of one decision by its number, that of a timer among them; None when there is none."""
    row = await connection.fetchrow(_SQL["decision"], lane, seq)
    return None if row is None else await _decided(connection, row)


async def raw_message(connection: Connection, story: DecisionStory) -> bytes | None:
    """The message of a story as it came, where it is kept: not of duplicates, whose content was settled before."""
    raw: bytes | None = await connection.fetchval(
        _SQL["raw"], story.lane, story.topic, story.partition, story.offset, story.seq
    )
    return raw


def _parked(row: Row) -> DecisionStory:
    return _story(row, "parked", decided_at=row["parked_at"], reason=None, waits_for=row["waits_for"])


def _dead(row: Row) -> DecisionStory:
    return _story(
        row,
        "dead_lettered",
        party_id=row["key"].decode(errors="replace") if row["key"] is not None else None,
        reason=row["reason"],
        detail=row["detail"],
        dead_letter_id=row["dead_letter_id"],
    )


def _story(row: Row, outcome: str, **others: Any) -> DecisionStory:
    """Tell what rows of every outcome have, by the names of their columns unless given."""
    columns = ("topic", "partition", "lane", "party_id", "event_id", "type", "occurred_at", "decided_at")
    common = {name: row[name] for name in columns if name not in others}
    return DecisionStory(**common, **others, offset=row["record_offset"], outcome=outcome)


def _repeat(row: Row) -> RepeatStory:
    return RepeatStory(
        outcome=row["outcome"], decided_at=row["decided_at"], partition=row["partition"], offset=row["record_offset"]
    )
