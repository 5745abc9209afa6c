"""Lanes that are being claimed when the broker stops answering: told, and all of them claimed when it goes on."""

import asyncio
from collections import Counter

import pytest

from tests.faults.looking import HEALED_S, ended, is_ready, lines, metric, says_not_ready
from tests.platform import Messages, eventually, platform

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(300)]

LANES = 8
WAITS, RUNS = "lane waits to be claimed", "lane runs again"


async def test_claims_that_hang_on_a_paused_broker_are_made_within_a_minute_after_it_goes_on(own_stack, tmp_path):
    async with platform(
        own_stack.bootstrap, own_stack.dsn, tmp_path, lanes=LANES, POSTPAY_OPS__REFRESH_S="0.5"
    ) as made:
        messages = Messages()
        await made.send([messages.line_opened(f"acc-{number}") for number in range(40)])
        before = made.worker()
        await made.settled(40)  # so a claim has records to read again
        assert await before.stopped() == 0
        epoch = await made.count("SELECT max(epoch) FROM lane")
        worker = await claiming(made, own_stack.kafka)
        try:

            async def tried_again() -> bool:
                return await made.count("SELECT max(epoch) FROM lane WHERE lane > 0") > epoch + 1

            await eventually(tried_again, state=made.state)
            await says_not_ready(worker, "is claiming", "no broker answers")
            assert await metric(worker, "postpay_lane_state", 'state="claiming"') == 1
        finally:
            own_stack.kafka.resume()
        await is_ready(worker, HEALED_S)
        assert await made.count("SELECT count(DISTINCT owner) FROM lane") == 1
        await made.send([messages.purchase_placed(f"acc-{number}", f"order-{number}") for number in range(40)])
        await made.settled(80)
        await made.require_sound()
        told = Counter(line["lane"] for line in lines(worker, WAITS))
        assert told.total() > 0
        assert set(told.values()) == {1}
        assert Counter(line["lane"] for line in lines(worker, RUNS)) == told
        await ended(worker)


async def claiming(made, kafka):
    """A worker whose lanes but the first have raised their epochs, or are about to, when the broker is paused."""
    async with made.database() as connection:
        async with connection.transaction():
            await connection.execute("SELECT FROM lane WHERE lane > 0 FOR UPDATE")
            worker = made.worker()

            async def first_runs() -> bool:
                return '"0": "running"' in await asyncio.to_thread(worker.readiness)

            await eventually(first_runs, state=worker.readiness)
            kafka.pause()
        return worker
