"""The quarter as it was sent, business day by business day."""

from collections import defaultdict
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain

from contracts.topics import Topic
from demo.buyers import buyer
from demo.dice import Dice
from demo.mishaps import delayed, repeated, strays
from demo.quarter import START, Quarter
from demo.record import Record, encoded
from demo.shops import shop
from settlement.terms import TermsBook

CRC32_TOPICS = frozenset({Topic.RETURN_INSPECTION})
"""The warehouse's service is written in Go on librdkafka, and nobody told it about the partitioner."""

TAKEN_OVER = timedelta(days=60)
TAKEN_OVER_WITHIN = timedelta(hours=1)
"""What happened before the quarter, at most so long, is sent in its first hour, when lanes are at its start already.
While it moved time on itself, what came a little out of order among topics was given up as unmatched."""


class History:
    """All records of the quarter that don't depend on what postpay says, by day of delivery.

    Args:
        accounts: how many buyers' accounts are opened.
        merchants: how many merchants register.
        days: how many business days are told.
        seed: the same seed gives the same records, byte for byte.
    """

    def __init__(self, *, accounts: int, merchants: int, days: int, seed: int) -> None:
        self.quarter = Quarter(START, days)
        self._days: dict[int, list[Record]] = defaultdict(list)
        for each in _everything(self.quarter, accounts, merchants, seed):
            if each.delivered_at < self.quarter.end and each.occurred_at < self.quarter.end:
                self._days[(each.delivered_at - START).days].append(each)
        self.records = sum(map(len, self._days.values()))

    def day(self, number: int) -> list[Record]:
        """Records delivered on a day, from 0, in order of delivery."""
        return sorted(self._days[number], key=lambda each: each.delivered_at)

    def midnight_after(self, number: int) -> datetime:
        """The end of a day, from 0."""
        return self.quarter.midnight_after(number)


def tick(at: datetime) -> Record:
    """Moves the time of a lane on; it goes to every partition of `clock`."""
    instant = at.isoformat()
    body = {"event_id": f"tick-{instant}", "type": "clock.ticked", "occurred_at": instant}
    return Record(Topic.CLOCK, b"clock", encoded(body), at, at)


def new_terms(quarter: Quarter) -> Record:
    """Terms that are published after a third of the quarter and count for orders from a fortnight later on."""
    published_at = quarter.start + timedelta(days=quarter.days // 3, hours=3)
    document = deepcopy(TermsBook.builtin().document)
    version = deepcopy(document["versions"][-1])
    version["effective_from"] = (published_at + timedelta(days=14)).date().isoformat()
    version["penalty_bps_per_day"] = 4
    version["programmes"]["tmall"]["extension"]["days_at_most"] = 10
    document["versions"].append(version)
    body = {
        "event_id": f"terms-{version['effective_from']}",
        "type": "terms.published",
        "occurred_at": published_at.isoformat(),
        "terms": document,
    }
    return Record(Topic.TERMS, b"terms", encoded(body), published_at, published_at)


def _everything(quarter: Quarter, accounts: int, merchants: int, seed: int) -> Iterator[Record]:
    for number in range(1, accounts + 1):
        life = buyer(number, merchants, quarter, seed).life()
        yield from _sent(life, Dice(seed, f"mishaps of buyer {number}"))
    for number in range(1, merchants + 1):
        life = shop(number, quarter, seed).life()
        yield from _sent(life, Dice(seed, f"mishaps of shop {number}"))
    yield from strays(quarter, accounts, seed)
    yield new_terms(quarter)


def _sent(life: Iterator[Record], dice: Dice) -> Iterator[Record]:
    """What is on its way of a life: each record by its service's partitioner, some of them late or repeated."""
    for each in map(_taken_over, chain.from_iterable(repeated(each, dice) for each in delayed(life, dice))):
        yield replace(each, crc32=True) if each.topic in CRC32_TOPICS else each


def _taken_over(each: Record) -> Record:
    """What was delivered before the quarter comes in its first hour, in the old order: postpay has taken over."""
    before = START - each.delivered_at
    if before <= timedelta(0):
        return each
    return each.late(START + TAKEN_OVER_WITHIN * (1 - before / TAKEN_OVER))
