"""Fills a stage: notes where all stands, lets a worker settle the template, copies it, and says so in the topics."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from benchmarks.growth.copying import LaneFilled, LaneToFill, fill_lanes
from benchmarks.growth.fillers import fill_topics, log_lanes
from benchmarks.growth.plan import LaneAccounts
from benchmarks.growth.statements import SQL
from benchmarks.load import account_id
from storage.database import Connection, connect
from storage.identity import identity
from storage.queries import statements
from workers.settings.model import Settings

Bar = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class Filled:
    """What there is."""

    accounts: int
    decisions: int
    bytes: int


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Connection]:
    """A connection of the benchmark's own, outside a transaction."""
    connection = await connect(settings.postgres.dsn, application_name="growth")
    try:
        yield connection
    finally:
        await connection.close()


async def begin(settings: Settings, lanes: Sequence[LaneAccounts]) -> None:
    """Note where everything stands, and whose lives come next; no worker runs."""
    async with connected(settings) as connection:
        await connection.execute(SQL["begin"])
        await connection.copy_records_to_table(
            "template",
            schema_name="growth",
            records=[
                (lane, place, account_id(number))
                for lane, accounts in enumerate(lanes)
                for place, number in enumerate(accounts.template, start=1)
            ],
        )


async def taken(settings: Settings, copies: int) -> tuple[int, dict[tuple[str, int], int], int]:
    """Take the template as the worker left it: decisions of one copy, where topics are to end, records to be sent."""
    async with connected(settings) as connection:
        for statement in ("take_things", "take_batches"):
            await connection.execute(SQL[statement])
        for statement in statements(SQL["take_decisions"]):
            arguments = [copies] if "$1" in statement else []
            await connection.execute(statement, *arguments)
        decisions: int = await connection.fetchval(SQL["template_size"])
        ends = await connection.fetch(SQL["ends"], copies)
    records = sum(row["end_offset"] - row["next_offset"] for row in ends)
    return decisions, {(row["topic"], row["lane"]): row["end_offset"] for row in ends}, records


def copied(
    settings: Settings,
    lanes: Sequence[LaneAccounts],
    copies: int,
    ends: dict[tuple[str, int], int],
    sent: Bar,
    written: Bar,
) -> list[LaneFilled]:
    """Fill the topics, then the tables of all lanes; each decision is told twice: copied, and hashed."""
    marks = fill_topics(settings, ends, sent)
    jobs = [
        LaneToFill(
            settings.postgres.dsn,
            lane,
            copies,
            len(accounts.template),
            accounts.copies,
            {topic: mark for (topic, of_lane), mark in marks.items() if of_lane == lane},
        )
        for lane, accounts in enumerate(lanes)
    ]
    return fill_lanes(jobs, written)


async def end(settings: Settings, lanes: list[LaneFilled]) -> Filled:
    """Say in the lane-log where lanes stand, and leave the database as it is after some time without anybody."""
    async with connected(settings) as connection:
        log_lanes(settings, await identity(connection), lanes)
        await connection.execute(SQL["end"])
        for statement in ("vacuum", "checkpoint"):
            await connection.execute(SQL[statement])
    return await counted(settings)


async def counted(settings: Settings) -> Filled:
    """Count what there is."""
    async with connected(settings) as connection:
        found = await connection.fetchrow(SQL["counted"])
        return Filled(found["accounts"], found["decisions"], await connection.fetchval(SQL["size"]))
