"""The broker or the database goes away under load: the worker waits, says so once, and loses nothing.

On a stack of its own, so that no other test is disturbed.
"""

import asyncio
import json
import random
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import asyncpg
import pytest
from aiokafka.errors import KafkaError

from contracts.topics import LANE_TOPICS
from devstack.stack import Stack
from storage.database import open_pool
from tests.faults.load import Load
from tests.platform import Messages, Platform, WorkerProcess, eventually, platform
from workers.kafka.clients import STOP_TIMEOUT_S
from workers.lanes.claims import CHECK_TIMEOUT_S, Claimer
from workers.status import LaneStatus, WorkerStatus

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(240)]

SETTLED_TIMEOUT_S = 120
"""After an outage. A broker whose partitions look for leaders may end a transaction only when its own request has timed
out, 30 s later, and until then it takes nothing more from that producer."""


@dataclass
class Running:
    """A platform with two workers, and all that was sent to it so far."""

    stack: Stack
    made: Platform
    load: Load
    workers: list[WorkerProcess]

    async def not_ready(self, worker: WorkerProcess) -> str:
        """What /readyz gives as reasons."""
        port = re.search(r'"port": (\d+)', worker.log.read_text())[1]
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/readyz") as answer:
            return "; ".join((await answer.json())["not_ready"])

    async def all_say(self, reason: str) -> None:
        """Wait until every worker gives this reason for not being ready."""

        async def said():
            return all([reason in await self.not_ready(worker) for worker in self.workers])

        await eventually(said, state=self.made.state)

    async def more_settled(self) -> None:
        """Wait until the workers have settled something more than now."""
        query = "SELECT sum(settled_records)::bigint FROM lane_offset"
        settled = await self.made.count(query)

        async def more():
            return await self.made.count(query) > settled

        await eventually(more, state=self.made.state)


@pytest.fixture(scope="module")
async def running(own_stack, tmp_path_factory) -> AsyncIterator[Running]:
    logs = tmp_path_factory.mktemp("workers")
    async with platform(own_stack.bootstrap, own_stack.dsn, logs, POSTPAY_OPS__REFRESH_S="0.5") as made:
        load = Load(made, random.Random(3), pause_s=0.2)
        workers = [made.worker(), made.worker()]
        await load.begin()
        await made.settled(load.sent)
        yield Running(own_stack, made, load, workers)
        for worker in workers:
            assert await worker.stopped() == 0, worker.tail()


async def broker_paused(running):
    running.stack.kafka.pause()
    await running.all_say("no broker answers")
    running.stack.kafka.resume()


async def broker_killed(running):
    await asyncio.to_thread(running.stack.kafka.kill)
    await asyncio.to_thread(running.stack.kafka.start)


async def broker_restarted(running):
    await asyncio.to_thread(running.stack.kafka.stop)
    await asyncio.to_thread(running.stack.kafka.start)


async def database_restarted(running):
    await asyncio.to_thread(running.stack.postgres.restart, "immediate")


async def database_paused(running):
    running.stack.postgres.pause()
    await running.all_say("the database does not answer")
    running.stack.postgres.resume()


async def connections_cut(running):
    """Whenever both workers have sessions again, until each has lost them many times."""
    connection = await asyncpg.connect(running.stack.dsn)

    async def cut():
        pids = await connection.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'postpay worker%' AND datname = $1 AND state <> 'idle'",
            running.made.database_name,
        )
        return len(pids) > 0

    for _ in range(20):
        await eventually(cut, state=running.made.state)
    await connection.close()


@pytest.mark.parametrize(
    "outage",
    [broker_paused, broker_killed, broker_restarted, database_restarted, database_paused, connections_cut],
    ids=lambda outage: outage.__name__,
)
async def test_nothing_is_lost_or_doubled_when(outage, running):
    enough = asyncio.Event()
    loading = asyncio.create_task(running.load.run_until(enough))
    await running.more_settled()
    await outage(running)
    await running.more_settled()
    enough.set()
    await loading
    await running.made.settled(running.load.sent, within_s=SETTLED_TIMEOUT_S)
    await running.load.require_each_effect_once()
    assert all(worker.is_running for worker in running.workers)


async def test_outages_that_idle_workers_meet_are_told_once_each_and_in_postpays_words_alone(running):
    before = {worker.log: len(worker.log.read_text().splitlines()) for worker in running.workers}

    def said(worker, *levels):
        lines = [json.loads(line) for line in worker.log.read_text().splitlines()[before[worker.log] :]]
        return [line["event"] for line in lines if line["level"] in levels]

    async def all_say_that(ended):
        for worker in running.workers:
            await eventually(lambda worker=worker: ended in said(worker, "info"), state=worker.tail)

    await broker_paused(running)
    await all_say_that("a broker answers again")
    await database_paused(running)
    await all_say_that("the database answers again")
    for worker in running.workers:
        assert said(worker, "warning", "error", "critical") == ["no broker answers", "the database does not answer"]
        lines = map(json.loads, worker.log.read_text().splitlines())
        assert {line["logger"].partition(".")[0] for line in lines} == {"workers"}
        assert "Starting..." not in worker.log.read_text()


async def test_a_claim_ends_in_time_when_the_broker_does_not_answer_and_the_lane_is_claimed_when_it_does(
    own_stack, tmp_path
):
    async with platform(own_stack.bootstrap, own_stack.dsn, tmp_path) as made:
        await made.send([Messages().line_opened(f"acc-{number}") for number in range(20)])
        worker = made.worker()
        await made.settled(20)
        assert await worker.stopped() == 0
        pool = await open_pool(made.settings.postgres.dsn, application_name="test", max_size=2)
        claimer = Claimer(
            pool, made.settings.kafka, made.prefix, map(str, LANE_TOPICS), owner="test", status=WorkerStatus()
        )
        lane = LaneStatus(0)
        before = await claimer.claim(lane)  # its consumer is open, with partitions that it fetches
        own_stack.kafka.pause()
        try:
            begun = time.monotonic()
            for _ in range(2):  # the first with an open consumer, the second without one
                with pytest.raises((TimeoutError, KafkaError)):
                    await asyncio.wait_for(claimer.claim(lane), 120)
            took_s = time.monotonic() - begun
        finally:
            own_stack.kafka.resume()
        assert took_s < 2 * (CHECK_TIMEOUT_S + STOP_TIMEOUT_S) + 5
        after = await asyncio.wait_for(claimer.claim(lane), 60)
        assert (after.epoch, after.batch_seq) == (before.epoch + 3, before.batch_seq)
        await claimer.close()
        pool.terminate()
