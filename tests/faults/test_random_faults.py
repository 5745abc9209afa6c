"""Workers struck at random under load: each effect once, and everything settled within a minute of the last blow.

POSTPAY_TEST_FAULT_SECONDS sets how long (default 30), POSTPAY_TEST_SEED repeats a run.
"""

import os
import random

import pytest

from tests.faults.load import Crew, Load, strike_under_load
from tests.platform import platform

SECONDS = float(os.environ.get("POSTPAY_TEST_FAULT_SECONDS", "30"))
pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(SECONDS + 240)]


@pytest.fixture
def chances():
    """One for the load and one for the faults: the order in which they draw differs from run to run."""
    seed = int(os.environ.get("POSTPAY_TEST_SEED", random.SystemRandom().randrange(10**6)))
    print(f"POSTPAY_TEST_SEED={seed}")
    return random.Random(f"load {seed}"), random.Random(f"faults {seed}")


async def test_one_of_three_workers_is_killed_frozen_or_stopped_again_and_again(stack, tmp_path, chances):
    of_load, of_faults = chances
    async with platform(stack.bootstrap, stack.dsn, tmp_path, lanes=8) as made:
        crew, load = Crew(made, 3, of_faults), Load(made, of_load)
        await load.begin()
        await strike_under_load(load, crew.strike, SECONDS, of_faults, (3, 8))
        print(f"sent {load.sent}, struck: {', '.join(crew.struck)}")
        await made.settled(load.sent, within_s=60)
        await load.require_each_effect_once()
        for worker in crew.workers:
            assert await worker.stopped() == 0, worker.tail()
