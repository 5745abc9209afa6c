"""A lane's records are handed on again as its inbox took them, batch after batch, from the lane-log's ranges alone."""

import random
from itertools import pairwise

import pytest
from aiokafka import ConsumerRecord, TopicPartition

from contracts.records import Rejected
from contracts.topics import LANE_TOPICS, Topic
from settlement.dead_letter import DeadLetterReason
from settlement.messages import Source
from tests.unit.workers.replay.topics_in_memory import EPOCH, LANE, TopicsInMemory, at, some_values
from workers.kafka.chunks import Chunk
from workers.lanes.inbox import Inbox
from workers.replay import merge
from workers.replay.extent import HistoryError
from workers.replay.merge import logged, unlogged

TOPICS = ("clock", "purchase", "repayment", "rerouted")


@pytest.fixture(autouse=True)
def _values_are_times(monkeypatch):
    """Decode for tests: a value of digits is the second at which it occurred; another tells none."""

    def decode(record):
        when = at(int(record.value)) if record.value.isdigit() else None
        source = Source(record.topic, record.partition, record.offset)
        return Rejected(source, DeadLetterReason.EMPTY, "", record.key, record.value, occurred_at=when)

    monkeypatch.setattr(merge, "decode", decode)


def places(taken):
    return [(each.record.topic, each.record.offset) for each in taken]


def settled_live(topics, chance, *, event_clock):
    """Let a lane's inbox take the records in random batches, as they come in random chunks, and log them."""
    inbox, live = None, []
    read_to = dict.fromkeys(TOPICS, 0)
    while any(read_to[topic] < topics.ends[topic] for topic in TOPICS):
        if inbox is None or chance.random() < 0.2:  # another worker takes over, with an inbox of its own
            inbox = Inbox([topic.value for topic in LANE_TOPICS], merge.decode, event_clock=event_clock)
            inbox.restart(read_to)
        topic = chance.choice(TOPICS)
        start = inbox.buffers[topic].fetched_to
        end = min(topics.ends[topic], start + chance.randrange(1, 12))
        inbox.append(topic, chunk(topics, topic, start, end))
        taken = inbox.take(chance.randrange(1, 9), 10**9, lambda _: False)
        moved = {name: inbox.buffers[name].read_to for name in TOPICS}
        spans = {
            name: (read_to[name], moved[name], sum(each.record.topic == name for each in taken))
            for name in TOPICS
            if moved[name] > read_to[name]
        }
        if spans:
            topics.log(at(len(live)), **spans)
            live.append(places(taken))
        read_to = moved
    return live


def chunk(topics, topic, start, end):
    records = [
        ConsumerRecord(topic, LANE, each.offset, each.timestamp_ms, 0, each.key, each.value, None, 1, 1, ())
        for each in topics.records[topic]
        if start <= each.offset < end
    ]
    return Chunk(TopicPartition(topic, LANE), 1, start, end, records, 0)


@pytest.mark.parametrize("event_clock", [False, True])
@pytest.mark.parametrize("seed", range(20))
async def test_what_an_inbox_took_is_handed_on_in_the_same_batches_and_order(event_clock, seed):
    chance = random.Random(seed)
    topics = TopicsInMemory()
    for topic in TOPICS:
        for value in some_values(chance, chance.randrange(60)):
            topics.add(topic, value, timestamp=chance.randrange(50), gap=chance.choice([0, 0, 0, 1, 3]))
        topics.ends[topic] += chance.randrange(3)
    topics.claim()
    live = settled_live(topics, chance, event_clock=event_clock)
    topics.claim()
    again = [batch async for batch in logged(topics, topics.extent(), event_clock=event_clock)]
    assert [places(batch.taken) for batch in again] == live
    assert [batch.now for batch in again] == [at(number) for number in range(len(live))]
    assert sum(batch.offsets for batch in again) == sum(topics.ends[topic] for topic in TOPICS)


async def batches(topics, extent=None, *, event_clock=False, from_batch=1):
    made = logged(topics, extent or topics.extent(), event_clock=event_clock, from_batch=from_batch)
    return [(batch.log.batch_seq, places(batch.taken)) async for batch in made]


async def test_a_batch_of_timers_alone_takes_nothing():
    topics = TopicsInMemory()
    topics.log()
    assert await batches(topics) == [(1, [])]


async def test_a_rerouted_record_is_handed_on_as_it_was_read():
    topics = TopicsInMemory()
    topics.add("rerouted", b"7")
    topics.log(rerouted=(0, 1, 1))
    assert await batches(topics) == [(1, [("rerouted", 0)])]


async def test_reading_may_begin_at_a_later_batch_and_then_leaves_out_what_came_before():
    topics = TopicsInMemory()
    topics.add("purchase", b"1", b"2", b"3")
    for number in range(3):
        topics.log(purchase=(number, number + 1, 1))
    assert await batches(topics, from_batch=3) == [(3, [("purchase", 2)])]
    assert await batches(topics, topics.extent(purchase=2), from_batch=3) == [(3, [("purchase", 2)])]


async def refusal(topics, extent=None, **more):
    with pytest.raises(HistoryError) as refused:
        await batches(topics, extent, **more)
    return str(refused.value)


async def test_records_that_the_brokers_have_deleted_are_named_with_topic_lane_and_offsets():
    topics = TopicsInMemory()
    topics.add("purchase", b"1", b"2", b"3")
    topics.log(purchase=(0, 3, 3))
    said = await refusal(topics, topics.extent(purchase=2))
    assert said == (
        "batch 1 of lane 3 took 3 records of purchase[3], and offsets 0 to 1 are gone; read them from an export made"
        " before that (--from DIR)"
    )


async def test_another_number_of_records_than_was_taken_is_told():
    topics = TopicsInMemory()
    topics.add("purchase", b"1", b"2", b"3")
    topics.log(purchase=(0, 3, 3))
    del topics.records["purchase"][1]
    assert "took 3 records of purchase[3] between offsets 0 and 2, where 2 are now" in await refusal(topics)


async def test_a_hole_in_the_lane_log_is_told():
    topics = TopicsInMemory()
    for _ in range(3):
        topics.log()
    del topics.records[Topic.LANE_LOG][1]
    assert await refusal(topics) == "the lane-log of lane 3 has batch 3 after batch 1: one is missing"


async def test_a_lane_log_that_begins_late_is_told():
    topics = TopicsInMemory()
    topics.log()
    topics.log()
    assert "begins with batch 2, and batch 1 was wanted" in await refusal(topics, topics.extent(**{"lane-log": 1}))


async def test_a_lane_log_of_two_databases_is_told():
    topics = TopicsInMemory()
    topics.log()
    topics.database_id = "e"
    topics.log()
    assert "by database d up to batch 1 and by database e after it" in await refusal(topics)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"{", "lane-log[3] offset 0 is no lane-log record"),
        (b'{"kind": "batch", "format": 2}', "a newer postpay may have written it"),
        (b'{"kind": "batch", "format": 1}', "KeyError"),
        (b'{"kind": "other", "format": 1}', "expected a claim, a batch or a branch, got 'other'"),
        (None, "is no lane-log record"),
    ],
)
async def test_what_is_no_record_of_a_lane_log_is_told(value, said):
    topics = TopicsInMemory()
    topics.add("lane-log", value)
    assert said in await refusal(topics)


async def test_a_record_of_another_lane_is_told():
    topics = TopicsInMemory()
    topics.log()
    (record,) = topics.records["lane-log"]
    topics.records["lane-log"] = [record._replace(partition=5)]
    assert "speaks of lane 3" in await refusal(topics)


# Without a lane-log.


def many(chance, number=5_000):
    topics = TopicsInMemory()
    for topic in TOPICS:
        for value in some_values(chance, number // len(TOPICS)):
            topics.add(topic, value, timestamp=chance.randrange(1000), gap=chance.choice([0, 0, 2]))
        topics.marker(topic)
    return topics


async def cut(topics, extent=None, *, event_clock=False):
    made = unlogged(topics, extent or topics.extent(), event_clock=event_clock)
    return [(batch.log, batch.now, places(batch.taken), batch.offsets) async for batch in made]


@pytest.mark.parametrize("event_clock", [False, True])
async def test_without_a_lane_log_two_readings_agree_however_much_is_read_at_once(event_clock, monkeypatch):
    topics = many(random.Random(5))

    async def decided():
        return [(now, taken) for _, now, taken, _ in await cut(topics, event_clock=event_clock)]

    first = await decided()
    assert await decided() == first
    monkeypatch.setattr(merge, "UNLOGGED_READ", 7)
    assert await decided() == first


async def test_without_a_lane_log_batches_are_of_one_size_and_hold_everything_once():
    topics = many(random.Random(6))
    found = await cut(topics)
    assert [len(taken) for _, _, taken, _ in found[:-1]] == [merge.UNLOGGED_BATCH] * (len(found) - 1)
    everything = [place for _, _, taken, _ in found for place in taken]
    assert sorted(everything) == sorted((each.topic, each.offset) for name in TOPICS for each in topics.records[name])
    assert sum(offsets for *_, offsets in found) == topics.extent().offsets
    assert topics.largest_read <= merge.UNLOGGED_READ


async def test_without_a_lane_log_records_are_merged_by_their_timestamp_and_at_one_instant_by_topic():
    topics = TopicsInMemory()
    topics.add("repayment", b"1", b"2", timestamp=lambda number: [10, 30][number])
    topics.add("purchase", b"1", b"2", timestamp=lambda number: [10, 20][number])
    ((log, now, taken, _),) = await cut(topics)
    assert taken == [("purchase", 0), ("repayment", 0), ("purchase", 1), ("repayment", 1)]
    assert log is None
    assert now.timestamp() * 1000 == 30


async def test_without_a_lane_log_under_the_event_clock_records_are_merged_by_when_they_occurred():
    topics = TopicsInMemory()
    topics.add("repayment", b"3", timestamp=10)
    topics.add("purchase", b"5", timestamp=5)
    ((*_, taken, _),) = await cut(topics, event_clock=True)
    assert taken == [("repayment", 0), ("purchase", 0)]


async def test_without_a_lane_log_the_time_to_decide_with_never_goes_back():
    times = [now for _, now, _, _ in await cut(many(random.Random(7)))]
    assert all(before <= after for before, after in pairwise(times))
    assert times[0] > EPOCH.fromtimestamp(0, EPOCH.tzinfo)


async def test_an_empty_lane_has_no_batches():
    topics = TopicsInMemory()
    topics.marker("purchase")
    assert await batches(topics) == []
    assert await cut(topics) == []
