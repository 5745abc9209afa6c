"""Nothing that was fetched gets lost or comes twice between a seek and a fetch, whatever arrives late or not at all."""

import asyncio
import itertools
from collections.abc import Mapping

import pytest
from aiokafka import ConsumerRecord, TopicPartition

from contracts.topics import LANE_TOPICS
from tests.unit.workers.lanes.surroundings import surroundings
from workers.kafka.chunks import RECORD_OVERHEAD_BYTES, Chunk, Fetched, Seek
from workers.lanes.assignment import Assignment
from workers.lanes.lane import Lane
from workers.settings.model import Settings
from workers.status import WorkerStatus

PURCHASE = TopicPartition("purchase", 0)


class Partitions:
    """Remembers what it is asked for; a seek succeeds."""

    def __init__(self):
        self.seeks: list[Mapping[TopicPartition, Seek]] = []
        self.paused: set[TopicPartition] = set()

    async def seek_lanes(self, seeks):
        self.seeks.append(dict(seeks))
        return True

    async def still_member(self, offsets):
        return True

    def pause(self, tps):
        self.paused.update(tps)

    def resume(self, tps):
        self.paused.difference_update(tps)

    def ends(self, tp):
        return None


class Claimed:
    """Stands for the settler of a claimed lane."""

    positions: Mapping[str, object] = {}


@pytest.fixture
def partitions():
    return Partitions()


@pytest.fixture
async def owned(partitions):
    """The lanes of a worker with lane 0 claimed and sought under token 1."""
    lanes = Assignment(WorkerStatus())
    around = surroundings(
        lanes._status,
        settings=Settings(worker={"inbox_bytes": 65536}),
        partitions=lambda: partitions,
        next_token=lanes.next_token,
    )
    lane = Lane(0, around)
    lane._settler = Claimed()
    lane.intake.token = lanes.next_token()
    lanes.lanes[0] = lane
    return lanes


def chunk(start, offsets, *, token=1, end=None, tp=PURCHASE, error=None, size=1):
    records = [
        ConsumerRecord(tp.topic, tp.partition, offset, 0, 0, b"k", b"v" * size, None, 1, size, ()) for offset in offsets
    ]
    last = (offsets[-1] + 1) if offsets else start
    size_bytes = len(records) * (RECORD_OVERHEAD_BYTES + size + 1)
    return Chunk(tp, token, start, last if end is None else end, records, size_bytes, error)


def buffered(lanes):
    return [record.offset for record in lanes.lanes[0].intake._inbox.buffers["purchase"].records]


async def test_chunks_that_follow_each_other_are_taken_over(owned):
    owned.deliver(Fetched(1, [chunk(0, [0, 1])]))
    owned.deliver(Fetched(2, [chunk(2, [5, 6])]))  # offsets 2 to 4 were aborted: the position says so
    assert buffered(owned) == [0, 1, 5, 6]


async def test_a_chunk_of_an_older_seek_is_dropped_without_another_seek(owned, partitions):
    owned.deliver(Fetched(1, [chunk(0, [0], token=0), chunk(0, [0], token=99)]))
    await asyncio.sleep(0)
    assert buffered(owned) == []
    assert partitions.seeks == []


async def test_a_lost_fetch_makes_every_lane_go_back_to_where_it_was(owned, partitions):
    owned.deliver(Fetched(1, [chunk(0, [0, 1])]))
    owned.deliver(Fetched(3, [chunk(4, [4])]))
    await asyncio.sleep(0)
    assert buffered(owned) == [0, 1]
    token = owned.lanes[0].intake.token
    assert token > 1
    assert partitions.seeks[-1][PURCHASE] == Seek(2, token)
    owned.deliver(Fetched(4, [chunk(2, [2, 3, 4], token=token)]))
    assert buffered(owned) == [0, 1, 2, 3, 4]


async def test_a_lost_fetch_is_noticed_although_the_next_one_brings_nothing(owned, partitions):
    owned.deliver(Fetched(1, [chunk(0, [0, 1])]))
    owned.deliver(Fetched(3))
    await asyncio.sleep(0)
    assert partitions.seeks[-1][PURCHASE].offset == 2


async def test_a_hole_between_chunks_makes_the_lane_go_back(owned, partitions):
    owned.deliver(Fetched(1, [chunk(0, [0, 1])]))
    owned.deliver(Fetched(2, [chunk(3, [3])]))
    await asyncio.sleep(0)
    assert buffered(owned) == [0, 1]
    assert partitions.seeks[-1][PURCHASE].offset == 2


async def test_going_back_seeks_every_partition_of_the_lane_and_no_other(owned, partitions):
    owned.lanes[0].intake.seek_again()
    await asyncio.sleep(0)
    assert set(partitions.seeks[-1]) == {TopicPartition(str(topic), 0) for topic in LANE_TOPICS}


async def test_a_topic_that_came_after_the_database_is_read_from_its_beginning(owned, partitions):
    owned.lanes[0].intake.seek_again()
    await asyncio.sleep(0)
    assert partitions.seeks[-1][TopicPartition("payout-result", 0)].offset == 0


async def test_a_lane_given_up_takes_nothing_over(owned):
    lane = owned.lanes[0].intake
    lane.close()
    lane.deliver(chunk(0, [0], token=0))
    assert buffered(owned) == []


async def test_whatever_is_lost_late_or_repeated_each_record_is_buffered_once_and_in_order(owned, partitions):
    """A consumer thread is played that drains, loses and delays fetches; a broker with offset gaps is behind it."""
    import random

    chance = random.Random(5)
    log = [offset for offset in range(400) if offset % 7 not in {3, 4}]
    lane = owned.lanes[0]
    position, token, late = 0, 1, []
    numbers = itertools.count(1)
    for _ in range(5000):
        if partitions.seeks:
            seek = partitions.seeks.pop()
            partitions.seeks.clear()
            position, token = seek[PURCHASE].offset, seek[PURCHASE].token
        upto = min(400, position + chance.randrange(1, 9))
        fetched = Fetched(
            next(numbers), [chunk(position, [o for o in log if position <= o < upto], token=token, end=upto)]
        )
        position = upto
        fate = chance.random()
        if fate < 0.1:
            continue  # lost on the way
        if fate < 0.2:
            late.append(fetched)
            continue
        owned.deliver(fetched)
        while late and chance.random() < 0.5:
            owned.deliver(late.pop(0))
        await asyncio.sleep(0)
        if lane.intake._inbox.buffers["purchase"].fetched_to == 400:
            break
    assert buffered(owned) == log


async def test_a_full_partition_is_paused_alone_and_resumed_at_half(owned, partitions):
    lane = owned.lanes[0]
    repayment = TopicPartition("repayment", 0)
    owned.deliver(Fetched(1, [chunk(0, list(range(12)), size=1000), chunk(0, [0], tp=repayment)]))
    assert partitions.paused == {PURCHASE}
    lane.intake._inbox.take(5, 10**9, lambda _: False)
    lane.intake._resume(lane.intake._pausing.emptied())
    assert partitions.paused == {PURCHASE}
    lane.intake._inbox.take(5, 10**9, lambda _: False)
    lane.intake._resume(lane.intake._pausing.emptied())
    assert partitions.paused == set()


async def test_once_the_inbox_is_full_every_topic_above_its_share_is_paused_and_no_empty_one(owned, partitions):
    topics = [str(topic) for topic in LANE_TOPICS][:6]
    for number, topic in enumerate(topics, start=1):
        owned.deliver(Fetched(number, [chunk(0, list(range(10)), size=1000, tp=TopicPartition(topic, 0))]))
    assert partitions.paused == {TopicPartition(topics[4], 0), TopicPartition(topics[5], 0)}
    assert owned.lanes[0].intake._inbox.size_bytes < 2 * 65536


async def test_what_could_be_read_before_a_broken_batch_is_kept_and_the_other_topics_go_on(owned):
    lane = owned.lanes[0]
    owned.deliver(
        Fetched(1, [chunk(0, [0, 1], error=ValueError("broken")), chunk(0, [0], tp=TopicPartition("repayment", 0))])
    )
    assert buffered(owned) == [0, 1]
    assert len(lane.intake._inbox.buffers["repayment"].records) == 1
    broken = lane.intake._unreadable._breaks["purchase"]
    assert (broken.position, broken.times) == (2, 1)
