"""Options that lists of operators share, and how a list is read: page by page, however long it is."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import Annotated, TypeVar

import typer

from cli import completion
from cli.failures import Failure
from contracts.topics import LANE_TOPICS
from storage.outcome_search import OutcomeFilter

INSTANT = ["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z"]

Topic = Annotated[
    str | None, typer.Option(help="Only of this topic, without prefix.", autocompletion=completion.lane_topics)
]
Key = Annotated[str | None, typer.Option(help="Only of this account or merchant: the record's key.")]
EventId = Annotated[str | None, typer.Option(help="Only this message.")]
Since = Annotated[
    datetime | None,
    typer.Option(metavar="INSTANT", help="Only from then on, as 2026-03-01T00:00:00+08:00.", formats=INSTANT),
]
Until = Annotated[datetime | None, typer.Option(metavar="INSTANT", help="Only before then.", formats=INSTANT)]
Limit = Annotated[int, typer.Option(min=1, help="At most so many.")]

PAGE = 500

PlaceT = TypeVar("PlaceT")
RowT = TypeVar("RowT")

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION = re.compile(r"([0-9]{1,9})([smhd])")


def outcome_filter(
    topic: str | None,
    key: str | None,
    event_id: str | None,
    reason: str | None,
    since: datetime | None,
    until: datetime | None,
) -> OutcomeFilter:
    """What a list is to agree with.

    Raises:
        Failure: there is no such topic.
    """
    if topic is not None and topic not in LANE_TOPICS:
        raise Failure(f"expected a topic without prefix ({', '.join(LANE_TOPICS)}), got {topic!r}")
    return OutcomeFilter(topic, key, event_id, reason, since, until)


def one_of(reason: str | None, known: list[str]) -> str | None:
    """A reason that is one of those there are.

    Raises:
        Failure: it is none of them.
    """
    if reason is not None and reason not in known:
        raise Failure(f"expected a reason code ({', '.join(known)}), got {reason!r}")
    return reason


def duration(text: str | None) -> timedelta | None:
    """A time span such as 90s, 30m, 12h or 3d.

    Raises:
        Failure: it is none.
    """
    if text is None:
        return None
    found = _DURATION.fullmatch(text)
    if found is None:
        raise Failure(f"expected a time span such as 90s, 30m, 12h or 3d, got {text!r}")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


async def paged(
    page: Callable[[int, PlaceT | None], Awaitable[list[RowT]]], place: Callable[[RowT], PlaceT], limit: int
) -> AsyncIterator[RowT]:
    """Rows of a list, at most `limit`, fetched page by page so that memory stays bounded.

    Args:
        page: fetches at most so many after a place; None is the beginning.
        place: of a row.
        limit: of all pages together.
    """
    after = None
    while limit > 0:
        rows = await page(min(PAGE, limit), after)
        for row in rows:
            yield row
        if len(rows) < min(PAGE, limit):
            return
        limit -= len(rows)
        after = place(rows[-1])
