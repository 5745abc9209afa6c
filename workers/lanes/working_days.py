"""The official Chinese working days, out of the library and into the shape the core takes."""

from datetime import date, timedelta
from functools import cache
from importlib.metadata import version

import chinese_calendar

from settlement.calendar import WorkingDays


@cache
def working_days() -> WorkingDays:
    """All years the library knows; later ones are refused by the core, never guessed."""
    years = sorted({day.year for day in chinese_calendar.holidays})
    return WorkingDays(
        f"chinesecalendar {version('chinesecalendar')}",
        {year: frozenset(filter(chinese_calendar.is_workday, _days_of(year))) for year in years},
    )


def _days_of(year: int) -> list[date]:
    first = date(year, 1, 1)
    return [first + timedelta(days=number) for number in range((date(year + 1, 1, 1) - first).days)]
