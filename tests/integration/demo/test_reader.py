"""The reader that proves the demo's outputs: it sees what is committed, all of it, and notices what comes twice."""

from uuid import uuid4

import pytest

from cli.embedded import settings_of
from contracts.headers import ORIGIN
from contracts.topics import Topic
from demo.reader import TopicReader, count_delivered
from workers.kafka import topics
from workers.kafka.clients import producing


@pytest.fixture
async def settings(stack):
    made = settings_of(stack, clock="event", prefix=f"reader-{uuid4().hex[:8]}.")
    await topics.create(made)
    return made


def headers(event_id: str) -> list[tuple[str, bytes]]:
    return [("ce_id", event_id.encode()), ("ce_type", b"payout.requested")]


async def test_an_event_id_that_came_twice_is_found_whatever_topics_it_is_on(settings):
    async with producing(settings.kafka) as producer:
        for topic, event_id in (("payout", "a"), ("payout", "b"), ("notification", "a")):
            await producer.send_and_wait(settings.topics.prefix + topic, b"{}", headers=headers(event_id))

    delivered = await count_delivered(settings)

    assert delivered.by_type == {"payout.requested": 3}
    assert len(delivered.twice) == 1


async def test_a_record_that_was_re_routed_twice_is_found_by_its_origin(settings):
    origin = [(name, value) for name, value in zip(ORIGIN, (b"purchase", b"3", b"17", b"0"), strict=True)]
    async with producing(settings.kafka) as producer:
        for _ in range(2):
            await producer.send_and_wait(settings.topics.prefix + Topic.REROUTED, b"{}", headers=origin)

    assert len((await count_delivered(settings)).twice) == 1


async def test_what_was_aborted_is_not_delivered(settings):
    name = settings.topics.prefix + Topic.PAYOUT
    async with producing(settings.kafka, transactional_id=settings.topics.prefix) as producer:
        async with producer.transaction():
            await producer.send_and_wait(name, b"{}", headers=headers("kept"))
        await producer.begin_transaction()
        await producer.send_and_wait(name, b"{}", headers=headers("aborted"))
        await producer.abort_transaction()

    delivered = await count_delivered(settings)

    assert delivered.records == 1
    assert delivered.twice == []


async def test_a_reader_goes_on_where_it_left_off(settings):
    name = settings.topics.prefix + Topic.AUTO_DEBIT
    async with producing(settings.kafka) as producer, TopicReader(settings, [Topic.AUTO_DEBIT]) as reader:
        assert [record.value async for record in reader.up_to_now()] == []
        await producer.send_and_wait(name, b"1", b"k")
        assert [record.value async for record in reader.up_to_now()] == [b"1"]
        await producer.send_and_wait(name, b"2", b"k")
        assert [record.value async for record in reader.up_to_now()] == [b"2"]
