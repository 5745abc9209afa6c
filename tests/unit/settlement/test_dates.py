from datetime import UTC, date, datetime

import pytest

from settlement.dates import business_date, midnight, next_day_of_month


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        (datetime(2026, 1, 31, 15, 59, 59, 999_999, UTC), date(2026, 1, 31)),
        (datetime(2026, 1, 31, 16, 0, tzinfo=UTC), date(2026, 2, 1)),
        (datetime(2024, 2, 28, 16, 0, tzinfo=UTC), date(2024, 2, 29)),
    ],
)
def test_a_business_date_begins_at_midnight_in_shanghai(instant, day):
    assert business_date(instant) == day


@pytest.mark.parametrize("day", [date(2026, 1, 1), date(1986, 5, 4), date(1988, 9, 11)])
def test_midnight_is_the_first_instant_of_a_date(day):
    begins = midnight(day)
    assert business_date(begins) == day
    assert begins.tzinfo is UTC


@pytest.mark.parametrize(
    ("day", "number", "found"),
    [
        (date(2026, 1, 1), 1, date(2026, 2, 1)),
        (date(2026, 1, 31), 1, date(2026, 2, 1)),
        (date(2026, 1, 5), 6, date(2026, 1, 6)),
        (date(2026, 1, 6), 6, date(2026, 2, 6)),
        (date(2026, 12, 31), 28, date(2027, 1, 28)),
        (date(2028, 2, 29), 28, date(2028, 3, 28)),
    ],
)
def test_the_next_day_of_a_month_is_after_the_given_one(day, number, found):
    assert next_day_of_month(day, number) == found
