"""Work and no movement is told first and ends the process later; waiting for what is away does not."""

import time
from types import SimpleNamespace

import pytest
from aiokafka import ConsumerRecord, TopicPartition

from tests.unit.workers.lanes.surroundings import surroundings
from workers.kafka.chunks import Chunk
from workers.lanes.assignment import Assignment
from workers.lanes.lane import Lane
from workers.lanes.outgoing import Relayable
from workers.lanes.relay import Relay
from workers.lanes.watchdog import StuckError, Watchdog
from workers.status import LaneState, LaneStatus, WorkerStatus

PATIENCE_S = 60.0
LONG_S = 1000.0


def status(**lane):
    now = time.monotonic()
    made = WorkerStatus(assigned=True, fetched_at=now)
    made.lanes[3] = LaneStatus(3, state=LaneState.RUNNING, settled_at=now, relayed_at=now)
    for name, value in lane.items():
        setattr(made.lanes[3], name, value)
    return made


def watchdog(of, *, broker=True):
    async def answers(_timeout_s):
        return broker

    return Watchdog(of, PATIENCE_S, answers)


async def look_after(of, seconds, *, fetching=True, broker=True):
    now = time.monotonic() + seconds
    if fetching:
        of.fetched_at = now
    await watchdog(of, broker=broker).look(now)
    return of.stuck


@pytest.mark.parametrize("seconds", [1, 59, 1000])
async def test_a_lane_without_work_may_rest_for_ever(seconds):
    assert await look_after(status(), seconds) == ""


async def test_a_lane_with_records_that_settles_nothing_is_told_then_ends_the_process():
    stuck = status(inbox_records=5)
    assert await look_after(stuck, 59) == ""
    assert "lane 3 has settled nothing of 5 records" in await look_after(stuck, 61)
    with pytest.raises(StuckError, match="lane 3"):
        await look_after(stuck, 121)


async def test_it_is_taken_back_when_things_move_again():
    moving = status(inbox_records=5)
    assert await look_after(moving, 61)
    moving.lanes[3].settled_at = time.monotonic() + 61
    assert await look_after(moving, 62) == ""


async def test_a_relay_that_was_cancelled_while_its_lane_waits_for_it_is_found():
    """So it happened in the prototype: the lane waited in its loop, and heartbeats went on."""
    with pytest.raises(StuckError, match="the relay of lane 3"):
        await look_after(status(settled=9, relayed=4, inbox_records=5, waits_for_relay=True), 121)


async def test_a_lane_that_waits_for_its_relay_is_not_what_is_stuck():
    waiting = status(settled=9, relayed=4, inbox_records=5, waits_for_relay=True)
    waiting.lanes[3].relayed_at = time.monotonic() + 300
    assert await look_after(waiting, 301) == ""


@pytest.mark.parametrize("seconds", [61, 500])
async def test_a_claim_that_does_not_end_is_found_while_a_broker_answers_and_only_then(seconds):
    assert await look_after(status(state=LaneState.CLAIMING), seconds, broker=False) == ""
    if seconds < 2 * PATIENCE_S:
        assert "lane 3 has not been claimed" in await look_after(status(state=LaneState.CLAIMING), seconds)
    else:
        with pytest.raises(StuckError, match="lane 3 has not been claimed"):
            await look_after(status(state=LaneState.CLAIMING), seconds)


async def test_a_claim_has_its_whole_patience_again_when_the_broker_is_back():
    claiming = status(state=LaneState.CLAIMING)
    assert await look_after(claiming, 500, broker=False) == ""
    assert await look_after(claiming, 559) == ""
    assert "lane 3 has not been claimed" in await look_after(claiming, 561)


async def test_a_broker_is_not_asked_while_everything_moves():
    async def answers(_timeout_s):
        raise AssertionError

    moving = status(state=LaneState.CLAIMING)
    await Watchdog(moving, PATIENCE_S, answers).look(time.monotonic() + PATIENCE_S / 2 - 1)


async def test_a_fetch_loop_that_does_not_come_round_ends_the_process():
    with pytest.raises(StuckError, match="nothing has been fetched"):
        await look_after(status(), 121, fetching=False)


@pytest.mark.parametrize(("broker", "ends"), [(True, True), (False, False)])
async def test_a_rebalance_without_end_counts_only_while_the_broker_answers(broker, ends):
    unassigned = status()
    unassigned.assigned = False

    async def answers(_timeout_s):
        return broker

    dog = Watchdog(unassigned, PATIENCE_S, answers)
    now = time.monotonic()
    await dog.look(now)
    if ends:
        with pytest.raises(StuckError, match="no assignment"):
            await dog.look(now + 121)
    else:
        await dog.look(now + 121)
        assert unassigned.stuck == ""
        assert unassigned.unready(), "nothing is assigned"


def rested(of):
    """A worker that has had nothing to do for long."""
    of.fetched_at = time.monotonic()
    for each in of.lanes.values():
        each.settled_at = each.relayed_at = time.monotonic() - LONG_S
    return of


async def test_records_that_come_to_a_lane_after_a_long_rest_are_not_late():
    of = status()
    lane = Lane(3, surroundings(of))
    lane.intake.token, lane.status.state = 1, LaneState.RUNNING
    rested(of)
    tp = TopicPartition("purchase", 3)
    lane.intake.deliver(Chunk(tp, 1, 0, 1, [ConsumerRecord(*tp, 0, 0, 0, b"k", b"v", None, 1, 1, ())], 1))
    assert of.lanes[3].inbox_records == 1
    assert await look_after(of, 1) == ""
    assert "lane 3" in await look_after(of, 61)


async def test_a_batch_that_comes_to_a_relay_after_a_long_rest_is_not_late():
    of = rested(status(settled=1))
    around = surroundings(of)
    relay = Relay(
        of.lanes[3],
        1,
        0,
        owner="test",
        settings=around.settings,
        identity=around.identity,
        pool=None,
        reader=None,
        sender=SimpleNamespace(name="mine"),
        states=around.states,
        on_moved=lambda: None,
    )
    relay.hand_over(Relayable(1, [], 0))
    assert await look_after(of, 1) == ""
    relay.hand_over(Relayable(2, [], 0))
    assert "the relay of lane 3" in await look_after(of, 61)


async def test_fetching_begins_anew_when_a_rebalance_that_took_long_is_over():
    of = WorkerStatus()
    lanes = Assignment(of)

    async def seek_lanes(_):
        return True

    consumer = SimpleNamespace(seek_lanes=seek_lanes, partition_count=lambda _: 1)
    lanes.attach(surroundings(of, partitions=lambda: consumer), consumer)
    of.fetched_at = time.monotonic() - LONG_S
    await lanes.on_assigned(frozenset())
    await watchdog(of).look(time.monotonic())
    assert of.stuck == ""
