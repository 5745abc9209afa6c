"""What must stop a lane loudly instead of going on: the log, the outbox or the input is not what it was.

On a stack of its own, whose files are tampered with.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.topics import Topic
from devstack import stack as devstack
from devstack.stack import Stack
from tests.platform import Messages, eventually, platform
from tests.runbooks import accept_gap
from workers.replay.extent import HistoryError
from workers.replay.history import fixed

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory) -> Iterator[Stack]:
    directory = Path(tmp_path_factory.mktemp("contradictions"))
    try:
        yield devstack.up(directory)
    finally:
        devstack.down(directory, wipe=True)


@pytest.fixture
async def made(own_stack, tmp_path):
    async with platform(own_stack.bootstrap, own_stack.dsn, tmp_path, lanes=1) as platform_:
        yield platform_


async def test_a_database_without_a_batch_that_was_sent_stops_the_lane(made):
    messages = Messages()
    worker = made.worker()
    await made.send([messages.line_opened("acc-1")])
    await made.settled(1)
    assert await worker.stopped() == 0
    sent = await made.outputs()
    await made.fetch("DELETE FROM batch")
    await made.send([messages.purchase_placed("acc-1", "order-1")])
    worker = made.worker()
    await worker.says("somebody deleted it. See docs/runbooks/database-restored.md")
    assert await made.count("SELECT count(*) FROM decision") == 1
    assert await made.outputs() == sent
    assert worker.is_running


async def test_a_hole_in_the_outbox_stops_the_lane(made):
    messages = Messages()
    victim = made.worker(POSTPAY_FAULT="before_kafka_transaction:1")
    await made.send([messages.line_opened("acc-1"), messages.purchase_placed("acc-1", "order-1")])
    await victim.ended()
    await made.fetch("DELETE FROM outbox")
    worker = made.worker()
    await worker.says("has a hole")
    assert await made.outputs() == []


async def test_topics_of_another_database_stop_the_lane(made, own_stack, tmp_path):
    worker = made.worker()
    await made.send([Messages().line_opened("acc-1")])
    await made.settled(1)
    assert await worker.stopped() == 0
    async with platform(own_stack.bootstrap, own_stack.dsn, tmp_path, lanes=1) as other:
        stranger = other.worker(POSTPAY_TOPICS__PREFIX=made.prefix)
        await stranger.says("was written by database")
        assert await other.count("SELECT count(*) FROM decision") == 0


async def test_a_broken_record_batch_stops_its_lane_after_all_that_can_be_read_and_hurts_no_other(own_stack, tmp_path):
    async with platform(own_stack.bootstrap, own_stack.dsn, tmp_path, lanes=2) as made:
        messages = Messages()
        accounts = {lane: next(a for a in (f"acc-{n}" for n in range(99)) if home(a) == lane) for lane in (0, 1)}
        await made.send([messages.line_opened(account) for account in accounts.values()])
        for number in range(6):  # each a record batch of its own
            await made.send([messages.purchase_placed(accounts[0], f"order-{number}")])
        await made.send([messages.purchase_placed(accounts[1], f"other-{number}") for number in range(6)])
        await asyncio.to_thread(own_stack.kafka.stop)
        break_last_byte_of_batch(own_stack, f"{made.prefix}{Topic.PURCHASE}-0", 3)
        await asyncio.to_thread(own_stack.kafka.start)
        worker = made.worker()
        await worker.says("cannot be read at offset 3")
        assert await made.count("SELECT count(*) FROM purchase_order WHERE lane = 0") == 3
        await eventually(lambda: has_orders(made, 1, 6), state=made.state)
        async with made.database() as connection:
            await accept_gap(connection, 0, "purchase", 4)
        await eventually(lambda: has_orders(made, 0, 5), state=made.state)
        await eventually(made.relayed)
        await made.require_sound()
        await require_readable_history_but_for_what_is_broken(made)


async def require_readable_history_but_for_what_is_broken(made):
    """What was decided before and after the accepted gap is read again; whoever wants all there is is told."""
    history = await fixed(made.settings)
    async with history.lane(0) as lane:
        found = [(0, batch.log.batch_seq, batch.log.chain_hash, len(batch.taken)) async for batch in lane.batches()]
    rows = await made.fetch("SELECT lane, batch_seq, chain_hash FROM batch WHERE lane = 0 ORDER BY 2")
    assert [each[:3] for each in found] == [tuple(row) for row in rows]
    assert sum(each[3] for each in found) == await made.count(
        "SELECT sum(settled_records) FROM lane_offset WHERE lane = 0"
    )
    async with history.lane(0) as lane:
        with pytest.raises(HistoryError, match=r"purchase\[0\] cannot be read at offset 3"):
            [batch async for batch in lane.unlogged_batches()]


def home(account):
    from workers.kafka.homes import home_of

    return home_of(account, 2)


async def has_orders(made, lane, number):
    return await made.count("SELECT count(*) FROM purchase_order WHERE lane = $1", lane) == number


def break_last_byte_of_batch(stack, partition, index):
    """Flip the last byte of the index-th record batch of a partition's first segment, as a failing disk would."""
    (segment,) = Path(stack.kafka.directory).glob(f"**/{partition}/00000000000000000000.log")
    data = bytearray(segment.read_bytes())
    position = 0
    for _ in range(index):
        position += 12 + int.from_bytes(data[position + 8 : position + 12], "big")
    end = position + 12 + int.from_bytes(data[position + 8 : position + 12], "big")
    data[end - 1] ^= 0xFF
    segment.write_bytes(data)
