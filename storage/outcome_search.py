"""What operators look for among dead letters, conflicts and parked inputs, and where a page of them ends."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from settlement.messages import Source


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

    @property
    def values(self) -> tuple[Any, ...]:
        """In the order of the fields, as the statements of each list take them."""
        return self.topic, self.key, self.event_id, self.reason, self.since, self.until


ANY = OutcomeFilter()


class PageEnd(NamedTuple):
    """The last row of a page: the next page goes on from there. Rows are in the order of these fields."""

    at: datetime
    lane: int
    topic: str
    offset: int
    last: str
    """What tells rows of one offset apart: a partition, or the id of a dead letter."""

    @classmethod
    def of_record(cls, at: datetime, lane: int, source: Source) -> "PageEnd":
        """The end of a page whose last row is of a record."""
        return cls(at, lane, source.topic, source.offset, str(source.partition))


def before_record(after: PageEnd | None) -> tuple[Any, ...]:
    """Where a page of rows of records begins, as its statement takes it; None: at the newest."""
    return (None, -1, "", -1, -1) if after is None else (*after[:4], int(after.last))
