from dataclasses import replace
from itertools import pairwise

import pytest

from storage import lanes, outbox
from storage.write import write
from tests.integration.storage.settling import START


async def write_parts(lane, *parts: bytes) -> None:
    if lane.claim is None:
        lane.claim = await lanes.claim(lane.connection, lane.number, "test")
    async with lane.connection.transaction():
        lock = await lanes.lock(lane.connection, lane.number, lane.claim.epoch)
        await write(lane.connection, replace(lane.nothing(lock), outbox_parts=parts))


async def test_batches_are_read_in_order_with_their_parts_in_order(connection, lane):
    await write_parts(lane, b"one")
    await write_parts(lane, *(bytes([number]) for number in range(12)))
    first, second = await outbox.read_after(connection, 0, 0, 1_000)
    assert (first.batch_seq, first.parts, first.lane_time) == (1, [b"one"], START)
    assert (second.batch_seq, second.parts) == (2, [bytes([number]) for number in range(12)])
    assert second.chain_hash == await outbox.batch_exists(connection, 0, 2)


async def test_reading_goes_on_after_the_batch_named(connection, lane):
    for _ in range(3):
        await write_parts(lane, b"x")
    assert [each.batch_seq for each in await outbox.read_after(connection, 0, 1, 1_000)] == [2, 3]
    assert await outbox.read_after(connection, 0, 3, 1_000) == []
    assert await outbox.read_after(connection, 1, 0, 1_000) == []


async def test_as_many_batches_as_fit_are_read_but_at_least_one(connection, lane):
    for _ in range(5):
        await write_parts(lane, b"x" * 60, b"x" * 40)
    for limit, expected in ((1, [1]), (100, [1]), (250, [1, 2]), (10_000, [1, 2, 3, 4, 5])):
        assert [each.batch_seq for each in await outbox.read_after(connection, 0, 0, limit)] == expected


async def test_a_batch_of_very_many_parts_is_read_whole(connection, lane):
    await write_parts(lane, b"first")
    await write_parts(lane, *[b"x"] * 600)
    first, second = await outbox.read_after(connection, 0, 0, 10_000)
    assert (len(first.parts), len(second.parts)) == (1, 600)


async def test_a_batch_the_database_does_not_have_has_no_hash(connection, lane):
    await write_parts(lane, b"x")
    assert await outbox.batch_exists(connection, 0, 2) is None


async def test_what_is_relayed_never_goes_back(connection, lane):
    for seq in (5, 3):
        await outbox.relayed(connection, 0, seq)
    assert await connection.fetchval("SELECT relayed_batch_seq FROM lane_relay WHERE lane = 0") == 5


async def age(connection, days: int) -> None:
    """Let the rows there are be written so many days ago."""
    await connection.execute("UPDATE outbox SET turn = outbox_turn(now() - $1 * interval '1 day')", days)


@pytest.mark.parametrize(("days", "emptied"), [(0, False), (1, False), (2, True), (3, False)])
async def test_what_was_relayed_is_kept_a_day_and_then_emptied(connection, lane, days, emptied):
    # Three days ago is the turn of tomorrow, whose part a batch may write to any moment.
    await write_parts(lane, b"x")
    await outbox.relayed(connection, 0, 1)
    await age(connection, days)
    assert len(await outbox.maintain(connection)) == emptied
    assert await connection.fetchval("SELECT count(*) FROM outbox") == (not emptied)


async def test_what_is_not_relayed_is_kept_however_old_it_is(connection, lane):
    await write_parts(lane, b"x")
    await write_parts(lane, b"y")
    await outbox.relayed(connection, 0, 1)
    await age(connection, 2)
    assert await outbox.maintain(connection) == []
    assert await connection.fetchval("SELECT count(*) FROM outbox") == 2


async def test_emptying_gives_way_to_readers(connection, lane, pool, monkeypatch):
    monkeypatch.setattr(outbox, "EMPTYING_LOCK_TIMEOUT_S", 0.05)
    await write_parts(lane, b"x")
    await outbox.relayed(connection, 0, 1)
    await age(connection, 2)
    async with pool.acquire() as reader:
        async with reader.transaction():
            await outbox.read_after(reader, 0, 0, 100)
            assert await outbox.maintain(connection) == []
        assert len(await outbox.maintain(connection)) == 1


async def test_every_day_has_a_part(connection):
    turns = await connection.fetch(
        "SELECT outbox_turn(day) AS turn FROM generate_series('1999-12-30'::timestamptz, '2031-01-01', '1 day') AS day"
    )
    found = [row["turn"] for row in turns]
    assert set(found) == {0, 1, 2, 3}
    assert all((after - before) % 4 == 1 for before, after in pairwise(found))
