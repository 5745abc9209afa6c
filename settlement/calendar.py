"""Working days of the Chinese calendar, as data handed in: the core reads no clock and no library."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta


class UnknownYearError(LookupError):
    """The calendar holds no official days for that year; nothing may be guessed."""


@dataclass(frozen=True, slots=True)
class WorkingDays:
    """Official days off and make-up days by year; `version` names the table they come from."""

    version: str
    years: Mapping[int, frozenset[date]]
    """For each known year, its working days."""

    @property
    def end_on(self) -> date:
        """The first date of which the table doesn't know whether it is worked, nor of any later one."""
        return date(max(self.years) + 1, 1, 1)

    def is_working(self, day: date) -> bool:
        """Tell whether a day is worked.

        Raises:
            UnknownYearError: the table does not know the day's year.
        """
        try:
            return day in self.years[day.year]
        except KeyError:
            msg = f"working days of {day.year} are not known to calendar {self.version}: update it, then redrive"
            raise UnknownYearError(msg) from None

    def after(self, day: date, working_days: int) -> date:
        """Return the `working_days`-th working day after `day`.

        Raises:
            UnknownYearError: the table does not know a year on the way.
        """
        left = working_days
        while left:
            day += timedelta(days=1)
            left -= self.is_working(day)
        return day
