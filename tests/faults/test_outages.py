"""The broker or the database goes away under load: the worker waits, says so once, and loses nothing.

On a stack of its own, so that no other test is disturbed.
"""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack import stack as devstack
from devstack.stack import Stack
from tests.faults.load import Load
from tests.platform import platform

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(240)]

LOAD_S = 16.0


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory) -> Iterator[Stack]:
    directory = Path(tmp_path_factory.mktemp("outages"))
    try:
        yield devstack.up(directory)
    finally:
        devstack.down(directory, wipe=True)


async def broker_paused(stack):
    stack.kafka.pause()
    await asyncio.sleep(8)
    stack.kafka.resume()


async def broker_killed(stack):
    await asyncio.to_thread(stack.kafka.kill)
    await asyncio.sleep(1)
    await asyncio.to_thread(stack.kafka.start)


async def broker_restarted(stack):
    await asyncio.to_thread(stack.kafka.stop)
    await asyncio.to_thread(stack.kafka.start)


async def database_restarted(stack):
    await asyncio.to_thread(stack.postgres.restart, "immediate")


async def database_paused(stack):
    stack.postgres.pause()
    await asyncio.sleep(6)
    stack.postgres.resume()


async def connections_cut(stack):
    import asyncpg

    connection = await asyncpg.connect(stack.dsn)
    for _ in range(20):
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'postpay worker%'"
        )
        await asyncio.sleep(0.2)
    await connection.close()


@pytest.mark.parametrize(
    "outage",
    [broker_paused, broker_killed, broker_restarted, database_restarted, database_paused, connections_cut],
    ids=lambda outage: outage.__name__,
)
async def test_nothing_is_lost_or_doubled_when(outage, own_stack, tmp_path):
    async with platform(own_stack.bootstrap, own_stack.dsn, tmp_path) as made:
        workers = [made.worker(), made.worker()]
        load = Load(made, random.Random(3), pause_s=0.2)
        await load.begin()
        await made.settled(load.sent)
        loading = asyncio.create_task(load.run(LOAD_S))
        await asyncio.sleep(3)
        await outage(own_stack)
        await loading
        await made.settled(load.sent, within_s=60)
        await load.require_each_effect_once()
        for worker in workers:
            assert await worker.stopped() == 0, worker.tail()
