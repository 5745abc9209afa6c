"""Instants on the wire: RFC 3339 with an offset in, UTC with `Z` out. Dates: as RFC 3339 writes them.

Source: docs/messages.md, Common fields and Kinds of field.
"""

from datetime import UTC, date, datetime
from functools import lru_cache

PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
"""The shape of RFC 3339; `datetime.fromisoformat` alone would take weeks, basic format and times without offset."""

DATE_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"

FIRST_YEAR = 2000
"""Before it nothing can have happened: 1970 and year 1 are clocks that were never set, and would fire penalties."""

LAST_YEAR = 2199
"""After it comes a typo or a placeholder for "never", such as 9999-12-31."""

EXPECTED = "an RFC 3339 time with offset from 2000 up to 2199, such as 2026-03-01T10:15:30+08:00"
EXPECTED_DATE = "a date from 2000 up to 2199, such as 2026-03-01"


def parse_instant(text: str) -> datetime:
    """Read an instant whose shape is `PATTERN`; digits beyond microseconds are cut off.

    Raises:
        ValueError: no such day or time (a leap second among them), or out of range.
    """
    try:
        instant = datetime.fromisoformat(text.upper())
        if instant.tzinfo is not UTC:
            instant = instant.astimezone(UTC)
    except OverflowError as overflow:
        raise ValueError(str(overflow)) from overflow
    if not FIRST_YEAR <= instant.year <= LAST_YEAR:
        raise ValueError("out of range")
    return instant


def parse_date(text: str) -> date:
    """Read a date whose shape is `DATE_PATTERN`.

    Raises:
        ValueError: no such day, or out of range.
    """
    day = date.fromisoformat(text)
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError("out of range")
    return day


@lru_cache(maxsize=256)  # all that one batch says is of one instant or few
def format_instant(instant: datetime) -> str:
    """Write an aware instant in UTC."""
    if instant.tzinfo is not UTC:
        instant = instant.astimezone(UTC)
    return instant.isoformat()[:-6] + "Z"
