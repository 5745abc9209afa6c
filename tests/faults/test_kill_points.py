"""A worker killed at each named point of the protocol: nothing is lost, nothing is applied or sent twice.

POSTPAY_TEST_KILLS sets how often each point is passed before the kill, and so how many runs there are (default 1).
"""

import asyncio
import os
import signal

import pytest

from tests.platform import Messages, Platform, platform
from workers.lanes.fault_points import CHECKPOINTS

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(180)]

ACCOUNTS = 20
AT_START = {"claimed", "others_fenced", "after_claim_record"}
"""Passed once for each lane."""
LANES = 2
KILLS = int(os.environ.get("POSTPAY_TEST_KILLS", "1"))


async def feed(made: Platform, until) -> int:
    """Send accounts and purchases, a few at a time, until the worker is dead; how many."""
    messages = Messages()
    await made.send([messages.line_opened(f"acc-{number}") for number in range(ACCOUNTS)])
    sent, order = ACCOUNTS, 0
    while True:
        some = [messages.purchase_placed(f"acc-{(order + n) % ACCOUNTS}", f"order-{order + n}") for n in range(10)]
        await made.send(some)
        order += 10
        sent += 10
        if until():
            return sent
        await asyncio.sleep(0.05)


async def kill_at(stack, logs, point: str, passage: int) -> None:
    logs.mkdir()
    async with platform(stack.bootstrap, stack.dsn, logs, lanes=LANES) as made:
        victim = made.worker(POSTPAY_FAULT=f"{point}:{passage}")
        sent = await feed(made, lambda: not victim.is_running)
        assert victim.exit_code == -signal.SIGKILL, victim.tail()
        heir = made.worker()
        await made.settled(sent)
        assert await made.outcomes() == {"applied": sent}
        assert await made.count("SELECT count(*) FROM purchase_order") == sent - ACCOUNTS
        await made.require_sound()
        assert await heir.stopped() == 0


@pytest.mark.parametrize("points", [CHECKPOINTS[:5], CHECKPOINTS[5:]], ids=["settling", "relaying"])
async def test_nothing_is_lost_or_doubled_when_a_worker_dies_at(points, stack, tmp_path):
    """Points are tried side by side: most of the time goes by in waiting for the group to miss the dead."""
    for kill in range(KILLS):
        at_start, later = 1 + kill % LANES, 3 + kill
        await asyncio.gather(
            *(
                kill_at(stack, tmp_path / f"{point}-{kill}", point, at_start if point in AT_START else later)
                for point in points
            )
        )
