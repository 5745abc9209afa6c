"""What tests of the model begin with."""

from collections.abc import Iterator

import pytest

from tests.property.lives import Life
from tests.property.model.invariants import check_account


@pytest.fixture
def life() -> Iterator[Life]:
    """One order of 1000.00, due on 10 March; what must always hold is checked at the end."""
    told = Life()
    told.open("taobao")
    told.buy(100_000)
    yield told
    check_account(told.account, told.model.lane_time)
