"""A claim that ends halfway leaves the next one what it needs."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer

from contracts.topics import LANE_TOPICS
from storage.database import open_pool
from tests.platform import Messages, eventually, platform
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


async def test_a_lane_that_waits_while_others_are_checked_has_moved_whenever_one_of_them_is_done(claimer):
    lanes = {number: LaneStatus(number) for number in (0, 1)}
    claimer._status.lanes |= lanes
    async with claimer._consumer.borrowed(CHECK_TIMEOUT_S):
        claims = [asyncio.create_task(claimer.claim(lane)) for lane in lanes.values()]
        await eventually(lambda: all(lane.waits_for_turn for lane in lanes.values()))
        for lane in lanes.values():
            lane.settled_at = 0.0
    await asyncio.wait(claims, return_when=asyncio.FIRST_COMPLETED)
    assert [lane.settled_at > 0 for lane in lanes.values()].count(True) == 1, "that of the other, which still waits"
    await asyncio.gather(*claims)
    assert not any(lane.waits_for_turn for lane in lanes.values())
