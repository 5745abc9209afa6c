"""The quarter as it was sent, business day by business day."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain

from contracts.topics import Topic
from workers.demo.buyers import Quarter, buyer
from workers.demo.dice import BUSINESS_ZONE, Dice
from workers.demo.mishaps import delayed, repeated, strays
from workers.demo.record import Record, encoded
from workers.demo.shops import shop

START = datetime(2026, 4, 1, tzinfo=BUSINESS_ZONE)
"""The second quarter of 2026: its working days are official, with make-up days around two holidays."""

CRC32_TOPICS = frozenset({Topic.RETURN_INSPECTION})
"""The warehouse's service is written in Go on librdkafka, and nobody told it about the partitioner."""


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
        return START + timedelta(days=number + 1)


def tick(at: datetime) -> Record:
    """Moves the time of a lane on; it goes to every partition of `clock`."""
    instant = at.isoformat()
    body = {"event_id": f"tick-{instant}", "type": "clock.ticked", "occurred_at": instant}
    return Record(Topic.CLOCK, b"clock", encoded(body), at, at)


def _everything(quarter: Quarter, accounts: int, merchants: int, seed: int) -> Iterator[Record]:
    for number in range(1, accounts + 1):
        life = buyer(number, merchants, quarter, seed).life()
        yield from _sent(life, Dice(seed, f"mishaps of buyer {number}"))
    for number in range(1, merchants + 1):
        life = shop(number, quarter, seed).life()
        yield from _sent(life, Dice(seed, f"mishaps of shop {number}"))
    yield from strays(quarter, accounts, seed)


def _sent(life: Iterator[Record], dice: Dice) -> Iterator[Record]:
    """What is on its way of a life: each record by its service's partitioner, some of them late or repeated."""
    for each in chain.from_iterable(repeated(each, dice) for each in delayed(life, dice)):
        yield replace(each, crc32=True) if each.topic in CRC32_TOPICS else each
