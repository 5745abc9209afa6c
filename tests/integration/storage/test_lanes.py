import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import asyncpg
import pytest

from storage import lanes
from storage.lanes import FencedError, Position, UnknownLaneError
from storage.write import write
from tests.integration.storage.settling import START, StoredLane, account
from tests.runbooks import accept_gap
from tests.unit.settlement.builders import opened


@asynccontextmanager
async def two_sessions(pool):
    async with pool.acquire() as first, pool.acquire() as second:
        yield first, second


async def waits_for_a_lock(pool, connection) -> None:
    """Return once a statement of the connection waits for somebody's lock."""
    pid = connection.get_server_pid()
    async with asyncio.timeout(10), pool.acquire() as looking:
        while not await looking.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", pid):
            await asyncio.sleep(0.01)


async def test_a_claim_raises_the_epoch_and_tells_where_the_lane_is(connection):
    first = await lanes.claim(connection, 3, "one")
    second = await lanes.claim(connection, 3, "two")
    assert (first.epoch, second.epoch) == (1, 2)
    assert (second.batch_seq, second.next_seq, second.lane_time, second.positions) == (0, 1, None, {})
    assert second.terms_document["versions"] and len(second.terms_digest) == 32


async def test_a_claim_does_not_touch_other_lanes(connection):
    await lanes.claim(connection, 3, "one")
    assert (await lanes.claim(connection, 4, "one")).epoch == 1


async def test_an_unknown_lane_is_told(connection, database):
    with pytest.raises(UnknownLaneError, match="compare POSTPAY_LANES"):
        await lanes.claim(connection, database.lanes, "one")


async def test_a_claim_tells_the_positions_of_the_batches_before(connection, lane):
    await lane.settle([lane.message(opened(), account("buyer"), "event")])
    claim = await lanes.claim(connection, 0, "next")
    assert (claim.batch_seq, claim.next_seq, claim.lane_time) == (1, 2, START)
    assert claim.positions == {"credit-line": Position(1, b"last")}


async def test_a_lock_under_an_old_epoch_is_refused(connection):
    await lanes.claim(connection, 0, "old")
    await lanes.claim(connection, 0, "new")
    async with connection.transaction():
        with pytest.raises(FencedError, match="claimed by new under epoch 2, this is epoch 1"):
            await lanes.lock(connection, 0, 1)


async def test_a_lock_tells_the_database_time(connection):
    await lanes.claim(connection, 0, "owner")
    async with connection.transaction():
        lock = await lanes.lock(connection, 0, 1)
    assert abs((datetime.now(UTC) - lock.now).total_seconds()) < 5


async def test_a_claim_waits_for_the_batch_in_progress_and_takes_over_behind_it(pool):
    async with two_sessions(pool) as (owner, successor):
        lane = StoredLane(owner)
        lane.claim = await lanes.claim(owner, 0, "owner")
        batch = owner.transaction()
        await batch.start()
        await lane.settle([lane.message(opened(), account("buyer"), "event")])
        claiming = asyncio.create_task(lanes.claim(successor, 0, "successor"))
        await waits_for_a_lock(pool, successor)
        await batch.commit()
        claim = await claiming
    assert (claim.epoch, claim.batch_seq, claim.positions["credit-line"].next_offset) == (2, 1, 1)


async def test_a_lock_that_waited_sees_the_batch_it_waited_for(pool):
    """What happens after a COMMIT of unknown outcome: the lost session may still be at it."""
    async with two_sessions(pool) as (lost, again):
        lane = StoredLane(lost)
        lane.claim = await lanes.claim(lost, 0, "owner")
        batch = lost.transaction()
        await batch.start()
        await lane.settle([lane.message(opened(), account("buyer"), "event")])
        async with again.transaction():
            locking = asyncio.create_task(lanes.lock(again, 0, lane.claim.epoch))
            await waits_for_a_lock(pool, again)
            await batch.commit()
            lock = await locking
            positions = await lanes.positions(again, 0)
    assert lock.batch_seq == 1
    assert positions["credit-line"].next_offset == 1


async def test_a_lane_held_for_long_is_given_up_after_the_time_out(pool):
    async with two_sessions(pool) as (half_open, successor), half_open.transaction():
        await half_open.execute("SELECT FROM lane WHERE lane = 0 FOR UPDATE")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await lanes.claim(successor, 0, "successor", lock_timeout_s=0.1)
        assert (await lanes.claim(successor, 1, "successor", lock_timeout_s=0.1)).epoch == 1


async def test_whoever_does_not_wait_for_a_lane_is_told_at_once_that_it_is_held(pool):
    async with two_sessions(pool) as (holder, other):
        claim = await lanes.claim(other, 0, "owner")
        async with holder.transaction():
            await holder.execute("SELECT FROM lane WHERE lane = 0 FOR UPDATE")
            async with other.transaction(), asyncio.timeout(30):
                await other.execute("SET LOCAL lock_timeout = 0")  # for ever
                with pytest.raises(asyncpg.LockNotAvailableError):
                    await lanes.lock(other, 0, claim.epoch, wait=False)
        async with other.transaction():
            assert (await lanes.lock(other, 0, claim.epoch, wait=False)).batch_seq == 0


async def test_a_batch_of_a_stale_owner_is_not_written(connection, pool):
    lane = StoredLane(connection)
    await lane.settle([lane.message(opened(), account("buyer"), "event")])
    async with pool.acquire() as successor:
        await lanes.claim(successor, 0, "successor")
    with pytest.raises(FencedError):
        await lane.settle([lane.message(opened(), account("other"), "event")])
    assert await connection.fetchval("SELECT count(*) FROM account") == 1


async def test_a_batch_that_is_not_the_next_one_is_refused_by_the_lane_row(connection, lane):
    await lane.settle([lane.message(opened(), account("buyer"), "event")])
    lock = await lanes.lock(connection, 0, lane.claim.epoch)
    with pytest.raises(FencedError, match="not before batch 3"):
        async with connection.transaction():
            await write(connection, replace(lane.nothing(lock), batch_seq=3))
    assert (await lanes.lock(connection, 0, lane.claim.epoch)).batch_seq == 1


async def test_an_accepted_gap_moves_the_position_and_forgets_the_fingerprint(connection, lane):
    await lane.settle([lane.message(opened(), account("buyer"), "event")])
    async with connection.transaction():
        await connection.execute("SET LOCAL ROLE postpay_ops")
        await accept_gap(connection, 0, "credit-line", 100)
        await accept_gap(connection, 0, "purchase", 7)
    assert await lanes.positions(connection, 0) == {
        "credit-line": Position(100, None),
        "purchase": Position(7, None),
    }
