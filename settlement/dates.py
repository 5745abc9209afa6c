"""Business dates: days as the platform's users live them, in Asia/Shanghai.

Source: docs/rules.md, Time.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

BUSINESS_ZONE = ZoneInfo("Asia/Shanghai")


@lru_cache(maxsize=4096)
def business_date(instant: datetime) -> date:
    """Return the date on which an instant falls. One decision asks for the date of the same instants several times."""
    return instant.astimezone(BUSINESS_ZONE).date()


@lru_cache(maxsize=4096)
def midnight(day: date) -> datetime:
    """Return the instant at which a business date begins, in UTC."""
    return datetime.combine(day, time(), BUSINESS_ZONE).astimezone(UTC)


def days_after(day: date, days: int) -> date:
    """Return the date `days` days later."""
    return day + timedelta(days=days)


def next_day_of_month(day: date, number: int) -> date:
    """Return the first date after `day` that has this number in its month; `number` is at most 28."""
    if day.day < number:
        return day.replace(day=number)
    return (day.replace(day=1) + timedelta(days=31)).replace(day=number)
