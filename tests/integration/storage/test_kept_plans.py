"""Which sessions keep the plans of their statements, and for how long: docs/decisions/0029."""

import json

import pytest

from demo.history import History
from storage import lanes, sessions
from storage.database import KEPT_PLANS_UP_TO, borrowed, open_pool
from storage.identity import identity
from storage.queries import read
from tests.integration.storage.test_deciding_again import LANE, LANES, Topics
from workers.lanes.transaction import Settler
from workers.settings.model import Settings
from workers.status import WorkerStatus
from workers.worker import Worker

PLANNED = "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement = $1"
"""How often a statement ran as it was planned once, and as it was planned for that one time."""

COUNTED = "SELECT count(*) FROM declined_subject WHERE lane = $1"
GROWS = """
    INSERT INTO declined_subject SELECT 0, 'account', 'party-' || n, 'order:' || n FROM generate_series(1, 20000) AS n
"""


@pytest.fixture
async def keeping(dsn):
    """A pool of one session, as a worker's."""
    pool = await open_pool(dsn, application_name="test", max_size=1, keep_plans=True)
    yield pool
    pool.terminate()


async def planned_rows(connection) -> int:
    """What a session's plan of the statement below takes the table for."""
    assert await connection.fetchval(COUNTED, 0) is not None
    (name,) = await connection.fetchrow("SELECT name FROM pg_prepared_statements WHERE statement = $1", COUNTED)
    (explained,) = json.loads(await connection.fetchval(f'EXPLAIN (FORMAT JSON) EXECUTE "{name}" (0)'))
    return explained["Plan"]["Plans"][0]["Plan Rows"]


async def test_a_session_that_keeps_plans_makes_them_anew_when_they_are_old(keeping, connection, monkeypatch):
    await connection.execute("ALTER TABLE declined_subject SET (autovacuum_enabled = false)")  # it may come between
    monkeypatch.setattr(sessions, "PLANS_KEPT_S", 3600.0)
    async with borrowed(keeping) as lent:
        assert await lent.fetchval("SHOW plan_cache_mode") == "force_generic_plan"
        assert lent.plans_are_kept
        of_a_new_table = await planned_rows(lent)
        await lent.execute(GROWS)
    async with borrowed(keeping) as lent:
        assert await planned_rows(lent) == of_a_new_table
    monkeypatch.setattr(sessions, "PLANS_KEPT_S", 0.0)
    async with borrowed(keeping) as lent:
        assert await planned_rows(lent) > 10 * of_a_new_table


async def seem_distributed(connection) -> None:
    """Of the extension only the name counts; a server of tests does not have it."""
    await connection.execute("SET allow_system_table_mods = on")
    await connection.execute(
        "INSERT INTO pg_extension SELECT 1, 'citus', extowner, extnamespace, false, '0', NULL, NULL FROM pg_extension"
    )


async def test_a_session_on_a_distributed_database_plans_each_time(keeping, connection):
    await seem_distributed(connection)
    async with borrowed(keeping) as lent:
        assert await lent.fetchval("SHOW plan_cache_mode") == "force_custom_plan"
        assert not lent.plans_are_kept
        assert await lent.fetchval("SHOW enable_seqscan") == "on"


async def test_a_workers_lanes_settle_in_company_where_plans_are_kept(keeping, connection):
    worker = Worker(Settings(lanes=LANES))
    assert await worker._companies(keeping) is not None
    await seem_distributed(connection)
    await keeping.expire_connections()
    assert await worker._companies(keeping) is None


async def test_a_large_batch_plans_for_itself_and_a_small_one_does_not(keeping, connection):
    claim = await lanes.claim(connection, LANE, "test")
    settings, found = Settings(clock="event", lanes=LANES), await identity(connection)
    settler = Settler(claim, settings=settings, identity=found, pool=keeping, status=WorkerStatus())
    topics, history = Topics(), History(accounts=2 * KEPT_PLANS_UP_TO, merchants=4, days=1, seed=3)
    for each in history.day(0):
        topics.add(each.topic.value, each.key, each.value)
    begin, planned = 0, []
    for size in (KEPT_PLANS_UP_TO, KEPT_PLANS_UP_TO + 1, 1):
        taken = topics.taken(begin, begin + size)
        assert len(taken) == size
        assert await settler.settle(taken, {each.record.topic: each.record.offset + 1 for each in taken})
        begin += size
        async with borrowed(keeping) as lent:
            planned.append(tuple(await lent.fetchrow(PLANNED, read("write")["finish"])))
    assert planned == [(1, 0), (1, 1), (2, 1)]
