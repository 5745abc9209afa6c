"""What *Account* and *Merchant* share: everything that happened, page by page, and what will come by itself."""

from typing import Any

from console.routes import Asked, AskedWronglyError
from console.rules import rule_of
from settlement.party import PartyKind
from storage import archive
from storage.stories.course import NEWEST, CoursePlace, StepStory, course, timers

STEPS = 50
TIMERS = 100


async def read(asked: Asked, lane: int, kind: PartyKind, party_id: str) -> dict[str, Any]:
    """A page of the course; `before` is the place it comes before."""
    page = await course(asked.connection, lane, kind, party_id, limit=STEPS, before=_place(asked.query.get("before")))
    ends = await archive.ends(asked.connection)
    return {
        "steps": [_step(each) for each in page.steps],
        "older_place": None if page.older is None else "-".join(map(str, page.older)),
        "is_newest": "before" not in asked.query,
        "archived_until": ends[lane].lane_time if lane in ends else None,
        "timers": await timers(asked.connection, lane, kind, party_id, limit=TIMERS),
    }


def _step(step: StepStory) -> dict[str, Any]:
    return {**step.document(), "rule": rule_of(step.type)}


def _place(text: str | None) -> CoursePlace:
    if text is None:
        return NEWEST
    numbers = text.split("-")
    if len(numbers) != len(CoursePlace._fields) or not all(each.isdecimal() and len(each) < 20 for each in numbers):  # noqa: PLR2004
        raise AskedWronglyError(f"expected a place as this page's links have it, got {text!r}")
    return CoursePlace(*map(int, numbers))
