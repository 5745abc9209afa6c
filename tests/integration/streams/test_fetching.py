"""What aiokafka asks the broker for, and when: a real consumer on a real broker, its requests looked at."""

import asyncio
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from aiokafka import TopicPartition
from aiokafka.protocol.fetch import FetchRequest

from cli.embedded import settings_of
from contracts.topics import Topic
from workers.kafka import pacing, topics
from workers.kafka.clients import producing, reading
from workers.kafka.pacing import PacedFetches, without_pauses
from workers.kafka.transport import LaneConsumerThread

PATIENCE_S = 30
READ, IDLE = 0, 1


@pytest.fixture
async def settings(stack):
    made = settings_of(stack, clock="event", prefix=f"fetching-{uuid4().hex[:8]}.")
    await topics.create(made)
    return made


async def put(settings, partition):
    async with producing(settings.kafka) as producer:
        await producer.send_and_wait(settings.topics.prefix + Topic.PURCHASE, b"{}", partition=partition)


@asynccontextmanager
async def fetching(settings):
    """A consumer that is about to fetch a partition with one record and an idle one; and all that it asks for."""
    name = settings.topics.prefix + Topic.PURCHASE
    await put(settings, READ)
    asked = asyncio.Queue()
    async with reading(settings.kafka) as consumer:
        without_pauses(consumer)
        send = consumer._client.send

        async def looked_at(node_id, request, **more):
            if isinstance(request, FetchRequest):
                asked.put_nowait({partition: offset for _, parts in request.topics for partition, offset, _ in parts})
            return await send(node_id, request, **more)

        consumer._client.send = looked_at
        parts = [TopicPartition(name, partition) for partition in (READ, IDLE)]
        consumer.assign(parts)
        for part in parts:
            consumer.seek(part, 0)
        yield consumer, asked


async def next_of(asked) -> int | None:
    """From which offset of the partition with the record the next fetch asks; None where it asks for others only."""
    async with asyncio.timeout(PATIENCE_S):
        return (await asked.get()).get(READ)


def thread_of(consumer) -> LaneConsumerThread:
    """A worker's consumer thread as far as it reads what was fetched, both partitions sought."""
    thread = object.__new__(LaneConsumerThread)
    thread._consumer, thread._fetches, thread._paced = consumer, 0, PacedFetches(consumer._fetcher)
    thread._tokens = dict.fromkeys(consumer.assignment(), 1)
    return thread


async def test_of_its_own_aiokafka_leaves_a_partition_just_read_out_of_the_next_fetch(settings):
    async with fetching(settings) as (consumer, asked):
        assert len(await consumer.getmany(timeout_ms=PATIENCE_S * 1000)) == 1
        assert await next_of(asked) == 0
        assert await next_of(asked) is None


async def test_a_partition_just_read_is_in_the_next_fetch(settings, monkeypatch):
    monkeypatch.setattr(pacing, "TAKEN_S", 2 * PATIENCE_S)
    async with fetching(settings) as (consumer, asked):
        thread = thread_of(consumer)
        fetched = await thread.fetch(frozenset(TopicPartition(*part) for part in consumer.assignment()), PATIENCE_S)
        assert [(chunk.start, chunk.end) for chunk in fetched.chunks] == [(0, 1)]
        assert await next_of(asked) == 0
        assert await next_of(asked) == 1


async def test_a_partition_that_is_not_wanted_holds_up_no_other(settings, monkeypatch):
    monkeypatch.setattr(pacing, "TAKEN_S", 2 * PATIENCE_S)
    async with fetching(settings) as (consumer, asked):
        thread = thread_of(consumer)
        assert not (await thread.fetch(frozenset(), PATIENCE_S)).chunks
        assert await next_of(asked) == 0
        assert await next_of(asked) is None


async def test_what_nobody_takes_holds_the_next_fetch_up_for_a_while_only(settings):
    async with fetching(settings) as (consumer, asked):
        PacedFetches(consumer._fetcher)
        assert await next_of(asked) == 0
        assert await next_of(asked) is None
        assert len(await consumer.getmany(timeout_ms=0)) == 1
