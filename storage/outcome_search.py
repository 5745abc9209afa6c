"""What operators look for among dead letters, conflicts and parked inputs: what agrees, in groups, and page by page."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from settlement.messages import Source
from storage.database import Row

GROUPED_AT_MOST = 10_000
"""So many of the newest are counted by reason, topic, producer and day: what is wrong shows in them."""


@dataclass(frozen=True, slots=True)
class OutcomeFilter:
    """What listed rows must agree with; None is anything.

    `topic` is without prefix, `key` the account or merchant, `reason` what each list says of its reasons. `since` and
    `until` are of when it became what it is, in lane time; `until` itself is left out. `producer` is the value of a
    group.
    """

    topic: str | None = None
    key: str | None = None
    event_id: str | None = None
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    producer: str | None = None

    @property
    def values(self) -> tuple[Any, ...]:
        """In the order of the fields, as the statements of each list take them, without the producer."""
        return self.topic, self.key, self.event_id, self.reason, self.since, self.until


ANY = OutcomeFilter()


class PageEnd(NamedTuple):
    """The last row of a page: the next page goes on from there. Rows are in the order of these fields."""

    at: datetime
    lane: int
    topic: str
    offset: int
    last: str
    """The id of a dead letter: timers have no offset."""


class RecordEnd(NamedTuple):
    """The same of a list whose rows are of records."""

    at: datetime
    lane: int
    topic: str
    offset: int
    partition: int

    @classmethod
    def of(cls, at: datetime, lane: int, source: Source) -> "RecordEnd":
        """The end of a page whose last row is of a record."""
        return cls(at, lane, source.topic, source.offset, source.partition)


def before_record(after: RecordEnd | None) -> tuple[Any, ...]:
    """Where a page of rows of records begins, as its statement takes it; None: at the newest."""
    return (None, -1, "", -1, -1) if after is None else after


@dataclass(frozen=True, slots=True)
class Groups:
    """How many rows of a list are of each reason, topic, producer and day (of the business's zone); None: nobody knows.

    `total` ends at GROUPED_AT_MOST; the newest were counted then. A producer is spelled as in its messages, see
    `producer_name`.
    """

    total: int
    reasons: Counter[str]
    topics: Counter[str | None]
    producers: Counter[str | None]
    days: Counter[date]


def groups(rows: Sequence[Row]) -> Groups:
    """Add up the rows of a list's statement `groups`."""
    found = Groups(sum(row["number"] for row in rows), Counter(), Counter(), Counter(), Counter())
    for row in rows:
        found.reasons[row["reason"]] += row["number"]
        found.topics[row["topic"]] += row["number"]
        found.producers[row["producer"]] += row["number"]
        found.days[row["day"]] += row["number"]
    return found


def producer_name(spelled: str) -> str:
    """What a producer calls itself, by the spelling that `producer_of` finds in its messages."""
    raw = re.sub(rb"\\([0-7]{3})|\\\\", _byte, spelled.encode())
    text = raw.decode(errors="replace")
    return re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)


def _byte(found: re.Match[bytes]) -> bytes:
    return b"\\" if found[1] is None else bytes([int(found[1], 8)])
