"""A claim that ends halfway leaves the next one what it needs."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer

from contracts.topics import LANE_TOPICS
from storage.database import open_pool
from tests.platform import Messages, platform
from workers.kafka.clients import STOP_TIMEOUT_S
from workers.lanes.claims import CHECK_TIMEOUT_S, Claimer
from workers.status import LaneStatus, WorkerStatus


@pytest.fixture
async def made(stack, tmp_path):
    async with platform(stack.bootstrap, stack.dsn, tmp_path) as platform_:
        yield platform_


@pytest.fixture
async def claimer(made):
    pool = await open_pool(made.settings.postgres.dsn, application_name="test", max_size=2)
    claimer_ = Claimer(
        pool, made.settings.kafka, made.prefix, map(str, LANE_TOPICS), owner="test", status=WorkerStatus()
    )
    yield claimer_
    await claimer_.close()
    pool.terminate()


async def test_a_claim_cancelled_as_its_consumer_gets_partitions_lets_the_next_one_claim(made, claimer, monkeypatch):
    """aiokafka loses this cancellation when it stops its fetches, and would wait for their end for ever."""
    await made.send([Messages().line_opened(f"acc-{number}") for number in range(20)])
    worker = made.worker()
    await made.settled(20)
    assert await worker.stopped() == 0
    first = await claimer.claim(LaneStatus(0))  # from here on its consumer fetches what was settled last
    assign = AIOKafkaConsumer.assign

    def assign_and_cancel(consumer, partitions):
        assign(consumer, partitions)
        claiming.cancel()

    monkeypatch.setattr(AIOKafkaConsumer, "assign", assign_and_cancel)
    claiming = asyncio.create_task(claimer.claim(LaneStatus(0)))
    done, _ = await asyncio.wait([claiming], timeout=CHECK_TIMEOUT_S + 2 * STOP_TIMEOUT_S)
    assert done
    assert claiming.cancelled()
    monkeypatch.undo()
    async with asyncio.timeout(CHECK_TIMEOUT_S):
        again = await claimer.claim(LaneStatus(0))
    assert again.epoch == first.epoch + 2
