"""How many histories are tried, and by which seed.

A commit's tests try a fixed set. `POSTPAY_HISTORIES=2000` tries so many of each property, by a seed of their own that
is printed; `POSTPAY_SEED` repeats one.
"""

import os
import secrets
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings

Test = TypeVar("Test", bound=Callable[..., None])

HISTORIES = int(os.environ.get("POSTPAY_HISTORIES", "0"))
SEED = int(os.environ.get("POSTPAY_SEED", secrets.randbelow(2**32) if HISTORIES else "1"))
PATIENCE_S = 600
"""For one property on a busy machine; alone they take a fraction of it."""


def tried(times: int) -> Callable[[Test], Test]:
    """Try a property on `times` examples, or as many as a campaign asks for."""

    def decorate(test: Test) -> Test:
        test = settings(
            max_examples=HISTORIES or times,
            phases=[Phase.explicit, Phase.generate],  # `shortest` shortens
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )(test)
        test = seed(SEED)(test)
        return pytest.mark.timeout(0 if HISTORIES else PATIENCE_S)(test)

    return decorate
