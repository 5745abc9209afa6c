"""Fetch sessions with a real broker: what is named, and that nothing is missed whatever becomes of one."""

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from random import Random
from uuid import uuid4

import pytest
from aiokafka import TopicPartition
from aiokafka.client import ConnectionGroup
from aiokafka.protocol.fetch import FetchRequest, FetchResponse_v11

from cli.embedded import settings_of
from contracts.topics import Topic
from tests.platform import eventually
from workers.kafka import topics
from workers.kafka.chunks import Ends, Seek
from workers.kafka.clients import producing, reading
from workers.kafka.fetch_sessions import FIRST_EPOCH, FetchingClient, FetchSession, SessionFetch
from workers.kafka.transport import LaneConsumerThread

PATIENCE_S = 30
A, B, C = range(3)


@pytest.fixture
async def settings(stack):
    made = settings_of(stack, clock="event", prefix=f"sessions-{uuid4().hex[:8]}.")
    await topics.create(made)
    return made


class Sessions:
    """A consumer whose fetches go out in sessions, those fetches, and a producer."""

    def __init__(self, settings, consumer, producer) -> None:
        self.topic = settings.topics.prefix + Topic.PURCHASE
        self.consumer, self.producer = consumer, producer
        self.sent: deque[SessionFetch] = deque(maxlen=1000)
        self.is_sent = asyncio.Event()
        self.answers: list[FetchResponse_v11] = []
        self._send = consumer._client.send
        consumer._client.send = self._looked_at
        self.client = FetchingClient(consumer._client)
        consumer._fetcher._client = self.client
        consumer.assign([self.part(each) for each in (A, B, C)])
        for each in (A, B, C):
            consumer.seek(self.part(each), 0)

    def part(self, number: int) -> TopicPartition:
        return TopicPartition(self.topic, number)

    async def _looked_at(self, node_id, request, **more):
        if not isinstance(request, FetchRequest):
            return await self._send(node_id, request, **more)
        self.node_id = node_id
        self.sent.append(request)
        self.is_sent.set()
        response = await self._send(node_id, request, **more)
        self.answers.append(response)
        return response

    async def put(self, number: int, value: bytes) -> None:
        await self.producer.send_and_wait(self.topic, value, partition=number)

    async def read(self) -> list[tuple[int, bytes]]:
        """What comes next; something does."""
        async with asyncio.timeout(PATIENCE_S):
            while not (found := await self.consumer.getmany(timeout_ms=1000)):
                pass
        return [(part.partition, record.value) for part, records in found.items() for record in records]

    async def sees(self, condition) -> SessionFetch:
        """Wait for a fetch, from now on, of which this is true."""
        self.sent.clear()
        async with asyncio.timeout(PATIENCE_S):
            while not (found := [fetch for fetch in self.sent if condition(fetch)]):
                self.is_sent.clear()
                await self.is_sent.wait()
        return found[0]

    async def lose(self) -> None:
        """Have the broker forget the session, as it does of one that is old when others want its place."""
        ends = SessionFetch(self.sent[-1].whole, {}, FetchSession(self.answers[-1].session_id, -1))
        await self._send(self.node_id, ends, group=ConnectionGroup.COORDINATION)


def named(fetch: SessionFetch) -> dict[int, int]:
    return {partition: offset for _, parts in fetch.topics for partition, offset, _ in parts}


def is_first(fetch: SessionFetch) -> bool:
    return fetch.session[1] == FIRST_EPOCH


@asynccontextmanager
async def sessions(settings):
    async with (
        producing(settings.kafka) as producer,
        reading(settings.kafka, fetch_max_wait_ms=50) as consumer,
    ):
        yield Sessions(settings, consumer, producer)


async def test_a_fetch_names_what_is_read_from_elsewhere_than_before_and_nothing_else(settings):
    async with sessions(settings) as made:
        first = await made.sees(lambda _: True)
        assert (is_first(first), named(first)) == (True, {A: 0, B: 0, C: 0})
        assert named(await made.sees(lambda fetch: not is_first(fetch))) == {}
        await made.put(B, b"1")
        assert await made.read() == [(B, b"1")]
        assert named(await made.sees(lambda fetch: B in named(fetch))) == {B: 1}
        assert not named(await made.sees(lambda fetch: not named(fetch)))
        await made.put(A, b"2")
        assert await made.read() == [(A, b"2")]
        await made.put(B, b"3")
        assert await made.read() == [(B, b"3")]


async def test_what_is_not_wanted_is_forgotten_and_wanted_again_is_named_again(settings):
    async with sessions(settings) as made:
        await made.sees(lambda fetch: not is_first(fetch))
        made.consumer.pause(made.part(C))
        assert (await made.sees(lambda fetch: fetch.forgotten)).forgotten == [(made.topic, [C])]
        await made.put(C, b"1")
        await made.put(A, b"2")
        assert await made.read() == [(A, b"2")]
        made.consumer.resume(made.part(C))
        assert await made.read() == [(C, b"1")]


async def test_a_session_that_the_broker_lost_is_begun_anew_from_where_each_partition_stands(settings):
    async with sessions(settings) as made:
        await made.put(A, b"1")
        assert await made.read() == [(A, b"1")]
        await made.sees(lambda fetch: not is_first(fetch) and not named(fetch))
        await made.lose()
        assert named(await made.sees(is_first)) == {A: 1, B: 0, C: 0}
        await made.put(B, b"2")
        assert await made.read() == [(B, b"2")]
        await made.sees(lambda fetch: not is_first(fetch))


async def test_after_a_seek_everything_is_named_and_told_once_more(settings):
    async with sessions(settings) as made:
        await made.put(A, b"1")
        assert await made.read() == [(A, b"1")]
        thread = object.__new__(LaneConsumerThread)
        thread._consumer, thread._sessions, thread._tokens = made.consumer, made.client, {}
        states = made.consumer._subscription.subscription.assignment.state_value
        await eventually(lambda: states(made.part(C)).highwater is not None)
        for each in (A, C):
            states(made.part(each)).highwater = None  # as that of a new assignment is
        await thread.seek_now({TopicPartition(*made.part(A)): Seek(0, 1)})
        assert await made.read() == [(A, b"1")]
        assert [thread.ends(TopicPartition(*made.part(each))) for each in (A, C)] == [Ends(1, 1), Ends(0, 0)]


class Read:
    """What was written, and how far each partition was read."""

    def __init__(self) -> None:
        self.written: dict[int, list[bytes]] = {A: [], B: [], C: []}
        self.position = dict.fromkeys(self.written, 0)

    async def catch_up(self, made: Sessions) -> None:
        """Read all; each record is the next of its partition."""
        while any(self.position[each] < len(values) for each, values in self.written.items()):
            for partition, value in await made.read():
                assert value == self.written[partition][self.position[partition]]
                self.position[partition] += 1


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_becomes_of_sessions_each_partition_is_read_in_order_from_where_it_was_sought(settings, seed):
    chance, read = Random(seed), Read()
    async with sessions(settings) as made:
        await made.sees(lambda fetch: not is_first(fetch))
        for number in range(60):
            each = chance.choice((A, B, C))
            match chance.choice(("put", "put", "put", "seek", "pause", "lose", "renew", "read")):
                case "put":
                    read.written[each].append(str(number).encode())
                    await made.put(each, read.written[each][-1])
                case "seek":
                    read.position[each] = chance.randint(0, len(read.written[each]))
                    made.consumer.seek(made.part(each), read.position[each])
                case "pause":
                    made.consumer.pause(made.part(each))
                    await asyncio.sleep(chance.random() / 10)
                    made.consumer.resume(made.part(each))
                case "lose":
                    await made.lose()
                case "renew":
                    made.client.renew()
                case "read":
                    await read.catch_up(made)
        await read.catch_up(made)
        assert {each: len(values) for each, values in read.written.items()} == read.position
        await made.sees(lambda fetch: not is_first(fetch))
