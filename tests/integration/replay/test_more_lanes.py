"""Lanes that were split: what was decided stays, and everything goes on."""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.topics import Topic
from demo.history import History, tick
from demo.record import Record, record
from storage import archive, branching
from storage.audit import audit
from storage.database import connect
from storage.operator_log import Action
from tests.command import Command, Ran
from tests.integration.replay.conftest import caught_up, send, stories, work
from tests.integration.replay.test_rebuild import content
from tests.platform import DEADLINE_S, Platform, platform, platform_on
from workers.kafka.homes import home_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]

BEFORE, AFTER, AT_LAST = 2, 4, 8
DAYS, SPLIT_AFTER = 37, 34
"""The first orders were due a few days before the split."""
ENVIRONMENT = {"POSTPAY_CLOCK": "event", "POSTPAY_WORKER__BATCH_MAX_MESSAGES": "7"}


@dataclass(frozen=True)
class Books:
    """A platform with a history of some weeks."""

    platform: Platform
    days: list[list[Record]]

    async def command(self, *arguments: str, **settings: str) -> Ran:
        return await asyncio.to_thread(Command(self.platform.environment).process, *arguments, **settings)

    async def split(self, into: int = AFTER, **settings: str) -> Ran:
        return await self.command("lane", "split", str(into), "--reason", "growth", "--json", **settings)

    async def refused(self, complaint: str, into: int = AFTER, code: int = 1) -> None:
        ran = await self.split(into)
        assert (ran.code, ran.out) == (code, "")
        assert complaint in ran.complaint


@pytest.fixture
async def books(stack, tmp_path):
    async with platform(stack.bootstrap, stack.dsn, tmp_path, lanes=BEFORE, **ENVIRONMENT) as made:
        history = History(accounts=12, merchants=3, days=DAYS, seed=5)
        days = [[*history.day(day), tick(history.midnight_after(day))] for day in range(DAYS)]
        at = history.midnight_after(SPLIT_AFTER - 2) + timedelta(hours=1)
        waits = [
            record(Topic.PURCHASE, f"acc-{n:06}", "waits", "purchase.received", at, order_id="never")
            for n in range(1, 9)
        ]
        days[SPLIT_AFTER - 1] += waits
        await settled(made, days[:SPLIT_AFTER], "in_kafka_transaction:9")
        yield Books(made, days)


def with_lanes(made: Platform, lanes: int) -> AbstractAsyncContextManager[Platform]:
    """The same platform with settings that say so."""
    group, dsn = made.settings.group, made.settings.postgres.dsn
    return platform_on(made.bootstrap, dsn, group, made.logs, lanes=lanes, **ENVIRONMENT)


async def settled(made: Platform, days: list[list[Record]], fault: str) -> None:
    """Have days settled, the last of them once a worker was killed."""
    victim = made.worker(POSTPAY_FAULT=fault)
    await send(made, [each for day in days[:-1] for each in sorted(day, key=lambda record: record.delivered_at)])
    await victim.ended()
    await work(made, days[-1:])


async def test_after_a_split_every_party_is_as_it_was_and_goes_on(books, server, tmp_path):
    made = books.platform
    assert await made.count("SELECT count(*) FROM parked") > 0
    assert await made.count("SELECT count(*) FROM debit WHERE status = 'requested'") > 0
    sent = await made.outputs()

    await books.refused("expected a multiple of the 2 lanes there are", 3)
    await books.refused("the database has 2 lanes already", BEFORE)
    late = [each for each in books.days[0] if each.topic == Topic.PURCHASE][:1]
    await send(made, late)  # sent again: a duplicate, but nobody has seen it yet
    await books.refused("not everything is settled: 1 records of purchase on lane")
    worker = made.worker()
    await caught_up(made)
    await books.refused("workers hold lanes", code=2)
    assert await worker.stopped() == 0
    told, rows = await stories_of(made), await numbers(made)

    async with server.database("backup", made.database_name) as backup:
        for point in ("split_filled", "split_partitions_added", "split_logged"):
            assert (await books.split(POSTPAY_FAULT=point)).code == -9
            assert await made.count("SELECT lanes FROM identity") == BEFORE
        ran = await books.split()
        assert ran.code == 0, ran.err
        assert (ran.json["lanes_before"], ran.json["lanes"]) == (BEFORE, AFTER)
        await books.refused("the settings name 2 lanes", AT_LAST)

        async with with_lanes(made, AFTER) as more:
            await more.require_sound()
            assert await stories_of(more) == told
            assert await more.outputs() == sent
            assert await numbers(more) == rows
            (entered,) = await more.fetch("SELECT action, after FROM operator_log")
            assert entered["action"] == Action.SPLIT_LANES
            assert ran.json["kept_as"] in entered["after"]

            moved = [each for each in books.days[SPLIT_AFTER] if home_of((each.key or b"").decode(), AFTER) >= BEFORE]
            stale = [each for each in moved if each.topic in {Topic.PURCHASE, Topic.REPAYMENT, Topic.CREDIT_LINE}]
            await send(made, stale)  # by producers that have not heard of the new partitions
            rest = [each for each in books.days[SPLIT_AFTER] if each not in stale]
            await settled(more, [rest, *books.days[SPLIT_AFTER + 1 :]], "after_commit:3")
            assert await more.count("SELECT sum(next_offset)::bigint FROM lane_offset WHERE topic = 'rerouted'") > 0
            assert len(await more.outputs()) > len(sent)
            ran = await replace(books, platform=more).split(AT_LAST)
            assert ran.code == 0, ran.err
        async with with_lanes(made, AT_LAST) as last:
            await last.require_sound()
            await require_past(last, "acc-000001")
            await require_proven(last, backup.dsn)
            await require_archivable(replace(books, platform=last), tmp_path / "archive")


async def require_past(made: Platform, account: str) -> None:
    """What there was can be shown as of the split, and of no time before."""
    command = Command(made.environment)
    (row,) = await made.fetch("SELECT lane_time FROM lane JOIN account USING (lane) WHERE account_id = $1", account)
    asked = ((), at(row["lane_time"]), at(row["lane_time"] - timedelta(minutes=1)))
    now, then, earlier = [
        await asyncio.to_thread(command, "account", "show", account, "--json", *as_of) for as_of in asked
    ]
    assert (then.code, earlier.code) == (0, 2)
    assert then.json["history"] == now.json["history"]
    assert "when lanes were split" in earlier.complaint


async def require_archivable(books: Books, directory: Path) -> None:
    """What was decided before either split, between them and after goes to files, and all of it is still proven."""
    made = books.platform
    times = [row[0] for row in await made.fetch("SELECT lane_time FROM lane_branch ORDER BY from_lanes, lane_time")]
    (latest,) = await made.fetch("SELECT max(lane_time) AS time FROM lane")
    decisions = await made.count("SELECT count(*) FROM decision")
    for before in (times[0] - timedelta(days=5), times[0], times[-1], latest["time"]):
        because = ("--before", before.isoformat(), "--reason", "retention")
        ran = await books.command("archive", "write", str(directory), *because, "--json")
        assert ran.code == 0, ran.err
        decisions -= sum(lane["decisions"] for lane in ran.json["lanes"])
        assert await made.count("SELECT count(*) FROM decision") == decisions
        ran = await books.command("archive", "check", str(directory), "--json")
        assert (ran.code, ran.json["problems"]) == (0, [])
        async with made.database() as connection:
            assert [each for each in await audit(connection) if not each.ok] == []
    verified = await books.command("replay", "verify", "--json")
    assert (verified.code, verified.json["complete"]) == (0, True), verified.out
    assert verified.json["archived_batches"] > verified.json["batches"] / 2
    await books.refused("bring them back first with `postpay replay rebuild`", 2 * AT_LAST)
    rebuilt = await books.command("replay", "rebuild", "--reason", "to split again", "--json")
    assert rebuilt.code == 0, rebuilt.err
    assert await made.count("SELECT count(*) FROM archive_end") == 0
    assert await made.count("SELECT count(*) FROM decision") > decisions


def at(time: datetime) -> tuple[str, str]:
    return "--as-of", time.isoformat()


async def require_proven(made: Platform, backup: str) -> None:
    """Topics and lane-logs say the same of what was decided before and after, and make it of a backup from before."""
    verified = await asyncio.to_thread(Command(made.environment).process, "replay", "verify", "--json")
    assert (verified.code, verified.json["complete"]) == (0, True), verified.out
    rebuilding = Command({**made.environment, "POSTPAY_POSTGRES__DSN": backup}).process
    rebuilt = await asyncio.to_thread(rebuilding, "replay", "rebuild", "--json")
    assert rebuilt.code == 0, rebuilt.err
    known, again = await content(made.settings.postgres.dsn), await content(backup)
    for query in known:
        if not any(table in query for table in ONLY_IN_THE_DATABASE):
            assert again[query] == known[query], query
    batches = "SELECT lane, batch_seq, chain_hash, first_seq, decisions, next_offsets FROM batch ORDER BY 1, 2"
    async with asyncio.timeout(DEADLINE_S):
        connection = await connect(backup, application_name="test")
    assert await connection.fetch(batches) == await made.fetch(batches)
    await connection.close()


ONLY_IN_THE_DATABASE = (" batch ", " terms ", " identity", " operator_log ")
"""They say when something was committed or done, which no topic holds of what the backup lacks."""


async def stories_of(made: Platform) -> dict[str, Any]:
    """What every buyer and shop is told."""
    connection = await connect(made.settings.postgres.dsn, application_name="test")
    try:
        return await stories(connection)
    finally:
        await connection.close()


async def numbers(made: Platform) -> dict[str, int]:
    tables = [*branching.BY_PARTY, *branching.BY_KEY]
    return {table: await made.count(f"SELECT count(*) FROM {table}") for table in tables}


async def test_every_table_is_carried_over_or_filled_otherwise(connection):
    rows = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'postpay'::regnamespace AND relkind IN ('r', 'p')"
        " AND NOT relispartition"
    )
    computed = {"lane", "lane_branch", "lane_offset", "lane_relay", "platform_balance", "untracked_payout"}
    of_no_lane = {"identity", "migration", "operator_log", "terms"}
    left_behind = {"outbox"}  # all of it was sent
    left_behind |= {*archive.TABLES}  # with anything in them no lane is split
    assert {row["relname"] for row in rows} == {*branching.CARRIED} | computed | of_no_lane | left_behind
