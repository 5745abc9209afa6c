"""The broker or the database goes away under load: the worker waits, says so once, and loses nothing.

On a stack of its own, so that no other test is disturbed.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from devstack import stack as devstack
from devstack.stack import Stack
from tests.faults.load import Load
from tests.platform import Platform, WorkerProcess, platform

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(240)]

LOAD_S = 8.0


@dataclass
class Running:
    """A platform with two workers, and all that was sent to it so far."""

    stack: Stack
    made: Platform
    load: Load
    workers: list[WorkerProcess]


@pytest.fixture(scope="module")
async def running(tmp_path_factory) -> AsyncIterator[Running]:
    directory = Path(tmp_path_factory.mktemp("outages"))
    try:
        stack = await asyncio.to_thread(devstack.up, directory)
        async with platform(stack.bootstrap, stack.dsn, directory) as made:
            load = Load(made, random.Random(3), pause_s=0.2)
            workers = [made.worker(), made.worker()]
            await load.begin()
            await made.settled(load.sent)
            yield Running(stack, made, load, workers)
            for worker in workers:
                assert await worker.stopped() == 0, worker.tail()
    finally:
        await asyncio.to_thread(devstack.down, directory, wipe=True)


async def broker_paused(stack):
    stack.kafka.pause()
    await asyncio.sleep(8)
    stack.kafka.resume()


async def broker_killed(stack):
    await asyncio.to_thread(stack.kafka.kill)
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
async def test_nothing_is_lost_or_doubled_when(outage, running):
    loading = asyncio.create_task(running.load.run(LOAD_S))
    await asyncio.sleep(2)
    await outage(running.stack)
    await loading
    await running.made.settled(running.load.sent, within_s=60)
    await running.load.require_each_effect_once()
    assert all(worker.is_running for worker in running.workers)
