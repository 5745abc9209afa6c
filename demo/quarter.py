"""The time that is told."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from demo.dice import BUSINESS_ZONE

START = datetime(2026, 4, 1, tzinfo=BUSINESS_ZONE)
"""The second quarter of 2026: its working days are official, with make-up days around two holidays."""


@dataclass(frozen=True, slots=True)
class Quarter:
    """Whole business days from `start`, 00:00 in Shanghai."""

    start: datetime
    days: int

    @property
    def end(self) -> datetime:
        """00:00 after the last day."""
        return self.start + timedelta(days=self.days)

    def midnight_after(self, number: int) -> datetime:
        """The end of a day, from 0."""
        return self.start + timedelta(days=number + 1)
