"""Currencies the contract takes are those the core can show."""

import pytest
from iso4217 import Currency

from contracts.fields import CURRENCIES
from settlement.currency import exponent


@pytest.mark.parametrize("code", CURRENCIES)
def test_the_core_knows_the_minor_unit_of_every_currency_a_message_may_name(code):
    assert exponent(code) == Currency(code).exponent


def test_what_has_no_minor_unit_is_no_currency_to_pay_in():
    assert {"CNY", "USD", "JPY"} <= set(CURRENCIES)
    assert not {"XAU", "XXX", "XTS"} & set(CURRENCIES)
