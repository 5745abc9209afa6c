"""Lanes in company: what they write in one transaction is what each would have written alone."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from storage import lanes
from storage.company import Company, CompanyEndedError
from storage.database import connect, open_pool
from storage.lanes import FencedError
from tests.integration.storage.companies import (
    PATIENCE_S,
    Batches,
    OneConnection,
    begin_in_company,
    in_company,
    results_of,
)
from tests.integration.storage.planning import RecordedConnection
from tests.integration.storage.settling import StoredLane, Traffic, account
from tests.platform import eventually
from tests.unit.settlement.builders import opened, placed

TABLES = """
    SELECT attrelid::regclass::text
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE attname = 'lane' AND relnamespace = 'postpay'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
    ORDER BY 1
"""
CLOCKS = {"committed_at", "claimed_at", "backend_pid", "owner", "turn"}
"""Columns that say when and by whom, not what."""

CUT_WHO_WAITS = """
    SELECT pg_terminate_backend(pid)
    FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@dataclass
class Platform:
    """Some lanes of one database."""

    pool: asyncpg.Pool
    connection: asyncpg.Connection
    lanes: Sequence[StoredLane]

    async def alone(self, batches: Batches) -> list[Any]:
        """Settle a batch of each lane, one after the other."""
        for lane in self.lanes:
            lane.connection = self.connection
        return [await lane.settle(batch) for lane, batch in zip(self.lanes, batches, strict=True)]

    async def in_company(self, batches: Batches) -> list[Any]:
        """Settle a batch of each lane in company: what each lane gives, or raises."""
        return await in_company(self.pool, self.lanes, batches)

    def opening(self) -> Batches:
        """One account of each lane."""
        return [[lane.message(opened("tmall"), account("buyer"), "opened")] for lane in self.lanes]

    def orders(self, name: str = "order") -> Batches:
        """One order of each lane."""
        return [[lane.message(placed(name), account("buyer"), f"placed-{name}")] for lane in self.lanes]

    async def batches(self) -> list[int]:
        """How many each lane has settled."""
        rows = await self.connection.fetch("SELECT batch_seq FROM lane ORDER BY lane")
        return [row["batch_seq"] for row in rows][: len(self.lanes)]

    async def rows(self) -> Mapping[str, Sequence[Any]]:
        """All that lanes have written, by table."""
        found = {}
        for (table,) in await self.connection.fetch(TABLES):
            rows = await self.connection.fetch(f"SELECT * FROM {table}")
            contents = [{name: value for name, value in row.items() if name not in CLOCKS} for row in rows]
            found[table] = sorted(contents, key=lambda row: repr(row.items()))
        return found


@asynccontextmanager
async def platform_in(dsn: str, *, count: int = 4) -> AsyncIterator[Platform]:
    pool = await open_pool(dsn, application_name="test", max_size=2, keep_plans=True)
    connection = await connect(dsn, application_name="test")
    made = Platform(pool, connection, [StoredLane(connection, number) for number in range(count)])
    for lane in made.lanes:
        lane.claim = await lanes.claim(connection, lane.number, "test")
    yield made
    await connection.close()
    pool.terminate()


@pytest.fixture
async def platform(dsn) -> AsyncIterator[Platform]:
    async with platform_in(dsn) as made:
        yield made


def require_written(results: Iterable[Any]) -> None:
    for each in results:
        if isinstance(each, BaseException):
            raise each


async def test_lanes_in_company_write_what_each_writes_alone(platform, server, template):
    async with server.database("test", template.name) as made, platform_in(made.dsn) as other:
        traffics = {
            each: [Traffic(lane, seed=lane.number, accounts=30, merchants=5) for lane in one.lanes]
            for each, one in ((True, platform), (False, other))
        }
        for together, one in ((True, platform), (False, other)):
            await one.alone([traffic.opening() for traffic in traffics[together]])
        filled = set()
        for number, sizes in enumerate([(1, 1, 1, 1), (1, 0, 2, 3), (2, 1, 1, 2), (10, 20, 1, 5), (40, 3, 0, 25)] * 4):
            for together, settle in ((True, platform.in_company), (False, other.alone)):
                batches = [traffic.mixed(size) for traffic, size in zip(traffics[together], sizes, strict=True)]
                results = await settle(batches)
                require_written(results)
                for traffic, settled in zip(traffics[together], results, strict=True):
                    traffic.take_over(settled)
                    traffic.now += timedelta(days=number % 5)
            found, expected = await platform.rows(), await other.rows()
            for table, rows in expected.items():
                assert found[table] == rows, table
            filled |= {table for table, rows in expected.items() if rows}
    assert filled >= {"decision", "posting", "receipt", "parked", "declined_subject", "timer", "outbox", "batch"}
    assert filled >= {"account", "purchase_order", "obligation", "repayment", "return_request", "merchant_balance"}


async def test_lanes_in_company_send_no_more_than_one_lane(platform):
    sent = {}
    await platform.alone(platform.opening())
    whole, lanes_ = platform.pool, platform.lanes
    async with whole.acquire() as connection:
        for count in (1, 4):
            platform.lanes = lanes_[:count]
            platform.pool = OneConnection(RecordedConnection(connection, keeps_plans=True))
            require_written(await platform.in_company(platform.orders(f"of {count}")))
            sent[count] = len(platform.pool.recorded.sent)
    assert sent[4] == sent[1] > 4
    assert await platform.batches() == [3, 2, 2, 2]


async def test_a_lane_that_somebody_holds_costs_the_company_and_no_lane(platform):
    await platform.alone(platform.opening())
    async with platform.pool.acquire() as other, other.transaction():
        await other.execute("SELECT FROM lane WHERE lane = 2 FOR UPDATE")
        assert {type(each) for each in await platform.in_company(platform.orders())} == {CompanyEndedError}
    assert await platform.batches() == [1] * 4
    require_written(await platform.in_company(platform.orders()))
    assert await platform.batches() == [2] * 4


async def test_a_lane_that_was_claimed_since_costs_nobody_else_anything(platform):
    await platform.alone(platform.opening())
    await lanes.claim(platform.connection, 2, "another")
    found = await platform.in_company(platform.orders())
    assert [type(each) for each in found] == [list, list, FencedError, list]
    assert await platform.batches() == [2, 2, 1, 2]


async def test_a_lane_that_is_not_where_its_batch_began_costs_the_company(platform, monkeypatch):
    await platform.alone(platform.opening())
    behind = platform.lanes[1]
    batch_of = behind.batch
    monkeypatch.setattr(behind, "batch", lambda *given: replace(batch_of(*given), first_seq=100))
    found = await platform.in_company(platform.orders())
    assert type(found.pop(1)) is FencedError
    assert {type(each) for each in found} == {CompanyEndedError}
    assert await platform.batches() == [1] * 4
    assert await platform.connection.fetchval("SELECT count(*) FROM purchase_order") == 0


async def test_what_the_database_refuses_costs_the_company(platform):
    await platform.alone(platform.opening())
    orders = platform.orders()
    orders[3][0] = replace(orders[3][0], event_id="no text of Postgres: \0")
    found = await platform.in_company(orders)
    assert {type(each) for each in found} == {CompanyEndedError}
    assert await platform.batches() == [1] * 4


async def test_a_session_that_is_cut_costs_the_company(platform):
    await platform.alone(platform.opening())
    async with platform.pool.acquire() as other, other.transaction():
        await other.execute("SELECT FROM account WHERE lane = 2 FOR UPDATE")
        tasks = begin_in_company(platform.pool, platform.lanes, platform.orders())
        await eventually(lambda: platform.connection.fetchval(CUT_WHO_WAITS))
        found = await results_of(tasks)
    assert {type(each) for each in found} == {CompanyEndedError}
    assert await platform.batches() == [1] * 4


async def test_a_lane_that_is_given_up_before_it_has_written_leaves_the_others_to_themselves(platform):
    await platform.alone(platform.opening())
    tasks = begin_in_company(platform.pool, platform.lanes, platform.orders())
    await asyncio.sleep(0)
    tasks[1].cancel()
    found = await results_of(tasks)
    assert isinstance(found.pop(1), asyncio.CancelledError)
    require_written(found)
    assert await platform.batches() == [2, 1, 2, 2]


async def test_one_that_joins_when_the_company_has_ended_is_told(platform):
    company = Company(platform.pool, {0: 1, 1: 1})
    first, second = company.member(0), company.member(1)
    asking = asyncio.create_task(first.execute("SELECT nothing that there is"))
    other = asyncio.create_task(second.fetch("SELECT 1"))
    for each in (asking, other):
        with pytest.raises(CompanyEndedError, match="syntax"):
            await asyncio.wait_for(each, PATIENCE_S)
    with pytest.raises(CompanyEndedError):
        await second.commit()
