"""The course of a party's life, for people who look through it page by page: every outcome, timers among them."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from settlement.party import PartyKind
from storage.database import Connection, Row
from storage.queries import read
from storage.stories.decision import OutputStory, PostingStory, outputs_told
from storage.stories.party import TOPICS
from storage.stories.story import Story

_SQL = read("stories/course")

_LAST = 2**62
"""Beyond every number of a batch or decision."""


class CoursePlace(NamedTuple):
    """Where a step stands among others; the next page goes on from there."""

    batch_seq: int
    place: int
    follows: int
    n: int


NEWEST = CoursePlace(_LAST, _LAST, _LAST, _LAST)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStory(Story):
    """One thing that happened: an input, with its topic and event_id, or a timer, with its timer_id.

    Only a decision has a `seq`; what waits has `waits_for` and `until` when.
    """

    seq: int | None
    decided_at: datetime
    occurred_at: datetime | None
    topic: str | None
    event_id: str | None
    timer_id: str | None
    type: str | None
    outcome: str
    reason: str | None
    reasons: tuple[str, ...]
    postings: tuple[PostingStory, ...]
    outputs: tuple[OutputStory, ...]
    dead_letter_id: str | None
    waits_for: str | None
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerStory(Story):
    """Something that will come by itself, unless what happens meanwhile takes it away."""

    kind: str
    subject_id: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class CoursePage:
    """Some steps, the newest first; `older` is where the next page begins, None after the last."""

    lane: int
    steps: tuple[StepStory, ...]
    older: CoursePlace | None


async def lane_of(connection: Connection, kind: PartyKind, party_id: str) -> int | None:
    """The lane that has a party; None when none has."""
    lane: int | None = await connection.fetchval(_SQL[f"{kind.value}_lane"], party_id)
    return lane


async def course(
    connection: Connection, lane: int, kind: PartyKind, party_id: str, *, limit: int, before: CoursePlace = NEWEST
) -> CoursePage:
    """A page of what happened to a party."""
    key = party_id.encode(errors="surrogatepass")
    arguments = (lane, kind.value, party_id, key, TOPICS[kind], *before, limit + 1, _LAST)
    rows = await connection.fetch(_SQL["course"], *arguments)
    shown = rows[:limit]
    postings = await _postings(connection, lane, [row["seq"] for row in shown if row["seq"] is not None])
    steps = tuple(_step(row, tuple(postings[row["seq"]])) for row in shown)
    older = CoursePlace(*(shown[-1][name] for name in CoursePlace._fields)) if len(rows) > limit else None
    return CoursePage(lane, steps, older)


async def timers(
    connection: Connection, lane: int, kind: PartyKind, party_id: str, *, limit: int
) -> tuple[TimerStory, ...]:
    """What will come by itself, the next first."""
    rows = await connection.fetch(_SQL["timers"], lane, kind.value, party_id, limit)
    return tuple(TimerStory(**row) for row in rows)


async def _postings(connection: Connection, lane: int, seqs: list[int]) -> dict[int | None, list[PostingStory]]:
    found: dict[int | None, list[PostingStory]] = defaultdict(list)
    for row in await connection.fetch(_SQL["postings"], lane, seqs):
        found[row["seq"]].append(
            PostingStory(
                debit=row["debit"], credit=row["credit"], currency=row["currency"], amount_minor=row["amount_minor"]
            )
        )
    return found


def _step(row: Row, postings: tuple[PostingStory, ...]) -> StepStory:
    same = ("seq", "decided_at", "occurred_at", "topic", "event_id", "timer_id", "type", "outcome", "reason")
    return StepStory(
        **{name: row[name] for name in (*same, "dead_letter_id", "waits_for", "until")},
        reasons=tuple(row["reasons"].split()),
        postings=postings,
        outputs=outputs_told(row["outputs"]),
    )
