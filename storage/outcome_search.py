"""What operators look for among dead letters, conflicts and parked inputs, and where a page of them ends."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class OutcomeFilter:
    """What listed rows must agree with; None is anything.

    `topic` is without prefix, `key` the account or merchant, `reason` what each list says of its reasons. `since` and
    `until` are of when it became what it is, in lane time; `until` itself is left out.
    """

    topic: str | None = None
    key: str | None = None
    event_id: str | None = None
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None


ANY = OutcomeFilter()


class PageEnd(NamedTuple):
    """The last row of a page: the next page goes on from there. Rows are in the order of these fields."""

    at: datetime
    lane: int
    topic: str
    offset: int
    last: str
    """What tells rows of one offset apart: a partition, or the id of a dead letter."""
