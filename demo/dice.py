"""Seeded chance: the same seed tells the same story on every machine."""

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from random import Random
from typing import TypeVar
from zoneinfo import ZoneInfo

BUSINESS_ZONE = ZoneInfo("Asia/Shanghai")

ChoiceT = TypeVar("ChoiceT")


class Dice:
    """Chance of one account, merchant or debit, so that more accounts don't change the lives of the others."""

    def __init__(self, seed: int, subject: str) -> None:
        self._random = Random(f"{seed}/{subject}")  # noqa: S311 - a story, not a secret

    def chance(self, probability: float) -> bool:
        """Whether something of this probability happens."""
        return self._random.random() < probability

    def share(self, low: float, high: float) -> float:
        """A number of the span."""
        return self._random.uniform(low, high)

    def between(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return self._random.randint(low, high)

    def one_of(self, weights: Mapping[ChoiceT, float]) -> ChoiceT:
        """One of the keys, by weight."""
        return self._random.choices(list(weights), list(weights.values()))[0]

    def price_minor(self, typical_minor: int) -> int:
        """A price around a typical one; few are much higher."""
        return max(100, round(typical_minor * self._random.lognormvariate(0, 0.6)))

    def hours(self, low: float, high: float) -> timedelta:
        """A span of time, to the millisecond."""
        return timedelta(milliseconds=round(self._random.uniform(low, high) * 3_600_000))

    def days(self, low: float, high: float) -> timedelta:
        """A span of time in days."""
        return self.hours(low * 24, high * 24)

    def moment_of(self, day: datetime) -> datetime:
        """An instant between 07:00 and 23:00 of a day, when people shop."""
        morning = datetime.combine(day.astimezone(BUSINESS_ZONE).date(), time(7), BUSINESS_ZONE)
        return morning + self.hours(0, 16)
