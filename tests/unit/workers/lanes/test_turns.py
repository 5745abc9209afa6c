"""Lanes of one worker settle in turns: not too many at once, and none that waits for something else keeps its turn."""

import asyncio
import time

import pytest
from aiokafka import ConsumerRecord, TopicPartition

from contracts.topics import Topic
from storage.company import CompanyEndedError
from tests.unit.workers.lanes.surroundings import Gathering, surroundings
from workers.kafka.chunks import Chunk, Ends
from workers.lanes.lane import Lane
from workers.lanes.turns import Turns
from workers.status import LaneState, WorkerStatus

PATIENCE_S = 20


class Partitions:
    """Nothing more is to come of any topic."""

    def resume(self, tps):
        pass

    def ends(self, tp):
        return Ends(0, 0)


class Ready:
    """Stands for the settler of a claimed lane: settles when told to, or fails first."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.batches: list[int] = []
        self.companies: list[object] = []
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.positions = {}
        self.has_timers = False

    def timers_due(self, now):
        return self.has_timers

    async def settle(self, taken, read_to, company=None):
        self.begun.set()
        self.companies.append(company)
        if self.errors:
            raise self.errors.pop(0)
        await self.may_end.wait()
        self.batches.append(len(taken))

    def take_confirmed(self):
        return []


@pytest.fixture
def around():
    return surroundings(WorkerStatus(), partitions=Partitions)


def lane_with(around, number, settler, *records):
    lane = Lane(number, around)
    lane._settler = settler
    lane.status.enter(LaneState.RUNNING)
    add(lane, 0, *records)
    return lane


def add(lane, start, *values):
    tp = TopicPartition(Topic.PURCHASE.value, lane.number)
    records = [
        ConsumerRecord(tp.topic, tp.partition, start + n, n, 0, b"k", value, None, 1, 1, ())
        for n, value in enumerate(values)
    ]
    assert lane.intake._inbox.append(tp.topic, Chunk(tp, 1, start, start + len(records), records, len(records), None))


async def within(waiting):
    async with asyncio.timeout(PATIENCE_S):
        return await waiting


async def test_a_lane_takes_its_batch_when_its_turn_has_come_and_not_before(around):
    first, second = Ready(), Ready()
    second.may_end.set()
    busy, waiting = lane_with(around, 0, first, b"a"), lane_with(around, 1, second, b"b")
    settling = asyncio.create_task(busy._settle(None, first))
    await within(first.begun.wait())
    next_ = asyncio.create_task(waiting._settle(None, second))
    await asyncio.sleep(0)
    assert not second.begun.is_set()
    add(waiting, 1, b"c")  # comes while it waits, and goes with its batch
    first.may_end.set()
    await within(asyncio.gather(settling, next_))
    assert (first.batches, second.batches) == ([1], [2])


async def test_a_lane_that_waits_for_its_database_leaves_its_turn_to_others(around, monkeypatch):
    unreachable, fine = Ready(OSError("away")), Ready()
    unreachable.may_end.set()
    fine.may_end.set()
    away, other = lane_with(around, 0, unreachable, b"a"), lane_with(around, 1, fine, b"b")
    back = asyncio.Event()
    monkeypatch.setattr(away._backoff, "wait", back.wait)
    retrying = asyncio.create_task(away._settle(None, unreachable))
    await within(unreachable.begun.wait())
    await within(other._settle(None, fine))
    assert (unreachable.batches, fine.batches) == ([], [1])
    back.set()
    await within(retrying)
    assert unreachable.batches == [1], "the batch that failed, whole"


async def test_a_lane_whose_company_ended_settles_the_same_batch_alone():
    around = surroundings(WorkerStatus(), partitions=Partitions, turns=Turns(1, Gathering))
    failing, fine, other = Ready(CompanyEndedError("somebody's row is held")), Ready(), Ready()
    lanes = [lane_with(around, number, settler, b"a") for number, settler in enumerate((failing, fine, other))]
    failing.may_end.set()
    other.may_end.set()
    settling = [asyncio.create_task(lanes[number]._settle(None, each)) for number, each in enumerate((failing, fine))]
    await within(fine.begun.wait())
    settling.append(asyncio.create_task(lanes[2]._settle(None, other)))  # it would be company, when the turn is free
    add(lanes[0], 1, b"c")
    fine.may_end.set()
    await within(asyncio.gather(*settling))
    (company,) = fine.companies
    assert company.messages == {0: 1, 1: 1}
    assert failing.companies == [company, None]
    assert (failing.batches, fine.batches, other.batches) == ([1], [1], [1])


async def test_a_lane_with_timers_due_settles_alone():
    around = surroundings(WorkerStatus(), partitions=Partitions, turns=Turns(2, Gathering))
    settlers = [Ready(), Ready()]
    lanes = [lane_with(around, number, settler, b"a") for number, settler in enumerate(settlers)]
    settlers[0].has_timers = True
    for each in settlers:
        each.may_end.set()
    await within(asyncio.gather(*(lane._settle(None, each) for lane, each in zip(lanes, settlers, strict=True))))
    assert [each.companies for each in settlers] == [[None], [None]]


async def test_the_watchdog_does_not_take_a_lane_for_stuck_while_others_have_their_turns(around):
    settlers = [Ready(), Ready(), Ready()]
    lanes = [lane_with(around, number, settler, b"a") for number, settler in enumerate(settlers)]
    settling = [asyncio.create_task(lane._settle(None, settler)) for lane, settler in zip(lanes, settlers, strict=True)]
    await within(settlers[0].begun.wait())
    last = lanes[2].status
    last.settled_at = long_ago = time.monotonic() - 1000
    await asyncio.sleep(0)
    assert last.settled_at == long_ago, "nobody has had a turn since"
    settlers[0].may_end.set()
    await within(settlers[1].begun.wait())
    assert not settlers[2].begun.is_set()
    assert last.settled_at > long_ago
    for settler in settlers:
        settler.may_end.set()
    await within(asyncio.gather(*settling))


async def test_a_lane_held_while_it_waits_for_its_turn_takes_nothing(around):
    first, second = Ready(), Ready()
    busy, waiting = lane_with(around, 0, first, b"a"), lane_with(around, 1, second, b"b")
    settling = asyncio.create_task(busy._settle(None, first))
    await within(first.begun.wait())
    next_ = asyncio.create_task(waiting._settle(None, second))
    await asyncio.sleep(0)
    waiting.hold()
    assert await waiting.rest(0), "it has nothing in flight"
    first.may_end.set()
    await within(asyncio.gather(settling, next_))
    assert not second.begun.is_set()
    assert len(waiting.intake) == 1
