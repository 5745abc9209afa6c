"""Lanes of one database that are split while operators are at work, straight on the database, without Kafka."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from random import Random
from threading import Event

import asyncpg
import pytest

from operating import closing
from storage import branching, lanes, migrations, operator_log, replacement
from storage.branching import Split
from storage.database import connect
from storage.dead_letters import dead_letter
from storage.operator_log import Action, Because, LogFilter, LogOutcome, Note
from tests.platform import DEADLINE_S, eventually
from workers.kafka.homes import home_of

ANN = Because("ann", "its producer sent it anew")
LARGEST_KEY = Random(1).randbytes(4000)
"""In hexadecimal no entry of a btree holds it, compressed or not."""


async def nothing():
    pass


async def split(dsn, meanwhile=nothing, on_exchanged=lambda: None):
    """Split the lanes in two each; what happens meanwhile does so before the exchange, the other thing in it."""
    async with migrations.alone(dsn) as connection:
        found = await replacement.in_use(connection)
        into = 2 * found.identity.lanes
        await replacement.prepare(connection, found, replace(found.identity, lanes=into), found.first_terms)
        await branching.fill(
            connection, Split(found.identity.lanes, into), partial(home_of, lanes=into), lambda *_: None
        )
        await meanwhile()
        await replacement.swap(connection, found, on_exchanged=on_exchanged)


@pytest.fixture
async def letters(lane):
    """Two dead letters, the first with a large key."""
    letters = lane.reject("purchase", b"{"), lane.reject("purchase", b"[")
    lane.rejected[:] = [replace(letters[0], key=LARGEST_KEY), letters[1]]
    await lane.settle()
    return [await dead_letter(lane.connection, f"purchase/0/{offset}") for offset in range(2)]


async def test_letters_of_any_key_go_along_open_or_closed_as_they_were_at_the_exchange(dsn, connection, letters):
    await closing.close(connection, letters, ANN)
    await split(dsn, lambda: closing.reopen(connection, letters[1:], ANN))
    rows = await connection.fetch("SELECT key, closed_entry FROM dead_letter ORDER BY dead_letter_id")
    assert [(row["key"], row["closed_entry"]) for row in rows] == [(LARGEST_KEY, 1), (b"key", None)]


async def test_what_is_entered_while_schemas_are_exchanged_is_in_the_new_one(dsn, connection):
    waits = Event()
    with ThreadPoolExecutor(1) as another:
        entering = []

        def enter():
            entering.append(another.submit(asyncio.run, entered(dsn, waits)))
            assert waits.wait(DEADLINE_S)

        await split(dsn, on_exchanged=enter)
        await asyncio.wrap_future(entering[0])
    (entry,) = await operator_log.entries(connection, LogFilter(), 10)
    assert entry.subject == "meanwhile"


async def entered(dsn, waits):
    """Enter something; told is when that waits for a lock."""
    async with asyncio.TaskGroup() as both:
        looks, enters = [await connect(dsn, application_name=name) for name in ("test", "enters")]
        done = {"because": ANN, "action": Action.CLOSE_DEAD_LETTER, "outcome": LogOutcome.DONE}
        both.create_task(operator_log.append(enters, [Note(subject="meanwhile", **done)]))

        async def held_up():
            return await looks.fetchval(
                "SELECT count(*) > 0 FROM pg_stat_activity"
                " WHERE application_name = 'enters' AND wait_event_type = 'Lock'"
            )

        await eventually(held_up)
        waits.set()
    for each in (looks, enters):
        await each.close()


async def test_no_lane_is_claimed_while_partitions_are_added_and_who_did_before_or_after_is_told(dsn, connection):
    async def claim():
        await lanes.claim(connection, 3, "worker")

    async with migrations.alone(dsn) as alone:
        found = await replacement.in_use(alone)
        async with replacement.unclaimed(alone, found):
            await connection.execute("SET lock_timeout = 100")  # milliseconds
            with pytest.raises(asyncpg.LockNotAvailableError):
                await claim()
        await claim()
        with pytest.raises(replacement.ClaimedError, match=r"lanes 3 were claimed meanwhile.* and start again"):
            async with replacement.unclaimed(alone, found):
                pass
    with pytest.raises(replacement.ClaimedError, match=r"lanes 3 were claimed meanwhile.* and start again"):
        await split(dsn, claim)
