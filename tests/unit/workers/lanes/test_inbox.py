"""Order of a lane's input: by time across topics, by offset within one, complete before it goes on."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import ConsumerRecord, TopicPartition

from contracts.records import Rejected
from settlement.dead_letter import DeadLetterReason
from settlement.messages import Source
from workers.kafka.chunks import RECORD_OVERHEAD_BYTES, Chunk
from workers.lanes.inbox import Inbox

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
TOPICS = ("credit-line", "purchase", "repayment")


def record(topic, offset, timestamp, value=b"v"):
    return ConsumerRecord(topic, 0, offset, timestamp, 0, b"k", value, None, 1, len(value), ())


def chunk(topic, times, *, start=0, end=None, size=1):
    records = [record(topic, start + number, time, b"v" * size) for number, time in enumerate(times)]
    size_bytes = sum(RECORD_OVERHEAD_BYTES + size + 1 for _ in records)
    return Chunk(TopicPartition(topic, 0), 1, start, start + len(records) if end is None else end, records, size_bytes)


def occurred(timed):
    """Decode for tests: the value's time is the record's timestamp in seconds; a negative one tells none."""
    at = None if timed.timestamp_ms < 0 else EPOCH + timedelta(seconds=timed.timestamp_ms)
    return Rejected(Source(timed.topic, 0, timed.offset), DeadLetterReason.EMPTY, "", b"k", b"", occurred_at=at)


def inbox(*, event_clock=False):
    made = Inbox(TOPICS, occurred, event_clock=event_clock)
    made.restart({})
    return made


def complete(_buffer):
    return False


def taken(box, most=100, most_bytes=10**9, may_bring=complete):
    return [(each.record.topic, each.record.offset) for each in box.take(most, most_bytes, may_bring)]


@pytest.mark.parametrize("event_clock", [False, True])
def test_records_of_different_topics_are_taken_by_time(event_clock):
    box = inbox(event_clock=event_clock)
    box.append("purchase", chunk("purchase", [10, 30]))
    box.append("repayment", chunk("repayment", [20, 40]))
    assert taken(box) == [("purchase", 0), ("repayment", 0), ("purchase", 1), ("repayment", 1)]


def test_at_one_instant_the_order_of_topics_decides():
    box = inbox()
    for topic in reversed(TOPICS):
        box.append(topic, chunk(topic, [5]))
    assert taken(box) == [("credit-line", 0), ("purchase", 0), ("repayment", 0)]


def test_records_of_one_topic_are_never_reordered():
    box = inbox()
    box.append("purchase", chunk("purchase", [50, 10]))
    box.append("repayment", chunk("repayment", [20]))
    assert taken(box) == [("repayment", 0), ("purchase", 0), ("purchase", 1)]


def test_a_record_that_tells_no_time_follows_its_predecessor_at_once():
    box = inbox(event_clock=True)
    box.append("purchase", chunk("purchase", [10, -1, 30]))
    box.append("repayment", chunk("repayment", [20]))
    assert taken(box) == [("purchase", 0), ("purchase", 1), ("repayment", 0), ("purchase", 2)]


def test_nothing_is_taken_while_an_empty_topic_may_still_bring_something():
    box = inbox()
    box.append("purchase", chunk("purchase", [10]))
    assert taken(box, may_bring=lambda buffer: buffer.topic == "repayment") == []
    assert box.missing(lambda buffer: buffer.topic == "repayment") == ["repayment"]
    box.append("repayment", chunk("repayment", [5]))
    assert taken(box, may_bring=lambda buffer: buffer.topic == "repayment") == [("repayment", 0)]


def test_taking_stops_where_a_topic_runs_empty_and_may_bring_something_earlier():
    box = inbox()
    box.append("purchase", chunk("purchase", [10]))
    box.append("repayment", chunk("repayment", [20]))
    assert taken(box, may_bring=lambda buffer: buffer.topic == "purchase") == [("purchase", 0)]


def test_a_batch_is_bounded_in_records_and_bytes_but_never_empty():
    box = inbox()
    box.append("purchase", chunk("purchase", range(10), size=1000))
    assert len(taken(box, most=3)) == 3
    assert len(taken(box, most_bytes=1)) == 1
    assert len(taken(box, most_bytes=2 * (RECORD_OVERHEAD_BYTES + 1001))) == 2


def test_positions_count_control_records_as_read_once_all_before_them_is_taken():
    box = inbox()
    box.append("purchase", chunk("purchase", [1, 2], end=5))
    buffer = box.buffers["purchase"]
    assert (buffer.read_to, buffer.fetched_to) == (0, 5)
    taken(box, most=1)
    assert buffer.read_to == 1
    taken(box)
    assert buffer.read_to == 5
    box.append("purchase", chunk("purchase", [], start=5, end=9))
    assert buffer.read_to == 9


def test_a_chunk_that_does_not_follow_the_last_is_refused():
    box = inbox()
    assert box.append("purchase", chunk("purchase", [1, 2]))
    assert not box.append("purchase", chunk("purchase", [3], start=3))
    assert not box.append("purchase", chunk("purchase", [2], start=1))
    assert box.append("purchase", chunk("purchase", [3], start=2))


def test_bytes_are_back_at_zero_when_everything_is_taken():
    box = inbox()
    for topic in TOPICS:
        box.append(topic, chunk(topic, range(20), size=33))
    assert box.size_bytes > 0
    taken(box)
    assert (box.size_bytes, len(box)) == (0, 0)


def test_the_order_depends_on_the_records_alone_not_on_how_they_were_cut_into_batches():
    chance = random.Random(11)
    times = {topic: [chance.randrange(100) for _ in range(60)] for topic in TOPICS}

    def order(cut):
        box = inbox()
        for topic in TOPICS:
            box.append(topic, chunk(topic, times[topic]))
        found = []
        while len(box):
            found += taken(box, most=cut())
        return found

    whole = order(lambda: 10**6)
    assert order(lambda: 1) == whole
    assert order(lambda: chance.randrange(1, 9)) == whole
