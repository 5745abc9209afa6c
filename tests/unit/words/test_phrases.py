from datetime import UTC, datetime

import pytest

from words.phrases import counted, moment, money


@pytest.mark.parametrize(
    ("amount_minor", "currency", "text"),
    [
        (0, "CNY", "0.00 CNY"),
        (5, "CNY", "0.05 CNY"),
        (123_456_789, "CNY", "1,234,567.89 CNY"),
        (-150, "CNY", "-1.50 CNY"),
        (1234, "JPY", "1,234 JPY"),
        (1234, "KWD", "1.234 KWD"),
        (7, None, "7"),
        (10**15, "CNY", "10,000,000,000,000.00 CNY"),
    ],
)
def test_money_is_written_with_its_currencys_digits(amount_minor, currency, text):
    assert money(amount_minor, currency) == text


def test_instants_are_told_by_the_business_zones_clocks():
    assert moment(datetime(2026, 1, 31, 16, 0, tzinfo=UTC)) == "2026-02-01 00:00:00"
    assert moment(None) == ""


def test_counts_agree_with_their_nouns():
    assert (counted(1, "order"), counted(2, "order"), counted(1000, "batch", "batches")) == (
        "1 order",
        "2 orders",
        "1,000 batches",
    )
