"""The floor: how fast Postgres takes the very rows that postpay wrote, by COPY alone, on one connection.

`xmin` names the transaction that wrote a row as it is now, so the run's rows are those from its first transaction on,
and each of postpay's batches is one group of them. The floor writes the same groups, each in one transaction, into a
new database with the same migrations: same tables, indexes, constraints and triggers. A row that postpay changed
several times is in it once, as it ended; reading, deciding, updating and Kafka are left out.
"""

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import asyncpg

SCHEMA = "postpay"
CAPTURE = "floor_rows"
MADE_BY_MIGRATION = frozenset({"identity", "terms", "lane", "lane_relay", "migration"})
"""A few rows that every database has from the start; they can't be copied in again."""

Connection = Any


@dataclass(frozen=True, slots=True)
class Copied:
    """Rows of one table as COPY takes them, in binary."""

    table: str
    columns: tuple[str, ...]
    rows: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Captured:
    """Everything a run wrote, by transaction, and what was there before."""

    batches: list[list[Copied]]
    before: list[Copied]

    @property
    def rows(self) -> int:
        """Rows the floor writes."""
        return sum(copied.rows for batch in self.batches for copied in batch)


async def next_transaction(connection: Connection) -> int:
    """Number of a transaction that comes after all that have begun."""
    return int(await connection.fetchval("SELECT pg_current_xact_id()::text"))


async def capture(connection: Connection, first_transaction: int, progress: Callable[[float], object]) -> Captured:
    """Take the rows written since `first_transaction`, and those from before it, out of postpay's database.

    The run must be over, and nothing else may be written meanwhile.

    Args:
        connection: as a superuser.
        first_transaction: of `next_transaction`, before the run.
        progress: told which share is done.
    """
    await connection.execute(f"DROP SCHEMA IF EXISTS {CAPTURE} CASCADE")
    await connection.execute(f"CREATE SCHEMA {CAPTURE}")
    columns = await _tables(connection)
    before = []
    for table, names in columns.items():
        await connection.execute(
            f"CREATE UNLOGGED TABLE {CAPTURE}.{table} AS"
            f" SELECT xmin::text::bigint AS written_by, t.* FROM {SCHEMA}.{table} t"
            f" WHERE xmin::text::bigint >= {first_transaction}"
        )
        await connection.execute(f"CREATE INDEX ON {CAPTURE}.{table} (written_by)")
        before.append(
            await _copied(
                connection, table, names, f"FROM {SCHEMA}.{table} WHERE xmin::text::bigint < {first_transaction}"
            )
        )
    written_by = " UNION ALL ".join(
        f"SELECT DISTINCT written_by, '{table}' AS name FROM {CAPTURE}.{table}" for table in columns
    )
    rows = await connection.fetch(
        f"SELECT written_by, array_agg(name) AS names FROM ({written_by}) AS each GROUP BY 1 ORDER BY 1"
    )
    batches = []
    for number, row in enumerate(rows):
        source = f"WHERE written_by = {row['written_by']}"
        batches.append(
            [
                await _copied(connection, table, columns[table], f"FROM {CAPTURE}.{table} {source}")
                for table in row["names"]
            ]
        )
        progress((number + 1) / len(rows))
    await connection.execute(f"DROP SCHEMA {CAPTURE} CASCADE")
    return Captured(batches, [copied for copied in before if copied.rows])


async def measure(connection: Connection, captured: Captured, progress: Callable[[float], object]) -> float:
    """Write all captured rows into a fresh, migrated database; returns the seconds that the run's rows took.

    Raises:
        ValueError: a table does not hold as many rows as were copied.
    """
    for copied in captured.before:
        await _write(connection, copied)
    await connection.execute("VACUUM ANALYZE")
    began = time.perf_counter()
    for number, batch in enumerate(captured.batches):
        async with connection.transaction():
            for copied in batch:
                await _write(connection, copied)
        progress((number + 1) / len(captured.batches))
    seconds = time.perf_counter() - began
    await _check(connection, captured)
    return seconds


async def _check(connection: Connection, captured: Captured) -> None:
    expected: dict[str, int] = {}
    for copied in [*captured.before, *(copied for batch in captured.batches for copied in batch)]:
        expected[copied.table] = expected.get(copied.table, 0) + copied.rows
    for table, rows in expected.items():
        found = await connection.fetchval(f"SELECT count(*) FROM {SCHEMA}.{table}")
        if found != rows:
            raise ValueError(f"the floor's {table}: expected {rows} rows, found {found}")


async def _tables(connection: Connection) -> dict[str, tuple[str, ...]]:
    """Every table that holds rows itself (a partition, not the table it is part of), with its columns."""
    rows = await connection.fetch(
        "SELECT c.relname AS name, array_agg(a.attname::text ORDER BY a.attnum) AS columns"
        " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
        " WHERE c.relnamespace = $1::regnamespace AND c.relkind = 'r' GROUP BY c.relname ORDER BY c.relname",
        SCHEMA,
    )
    return {row["name"]: tuple(row["columns"]) for row in rows if row["name"] not in MADE_BY_MIGRATION}


async def _copied(connection: Connection, table: str, columns: tuple[str, ...], source: str) -> Copied:
    data = io.BytesIO()
    said = await connection.copy_from_query(f"SELECT {', '.join(columns)} {source}", output=data, format="binary")
    return Copied(table, columns, int(said.rpartition(" ")[2]), data.getvalue())


async def _write(connection: Connection, copied: Copied) -> None:
    try:
        await connection.copy_to_table(
            copied.table,
            source=io.BytesIO(copied.data),
            columns=copied.columns,
            schema_name=SCHEMA,
            format="binary",
        )
    except asyncpg.PostgresError as error:
        error.add_note(f"while copying {copied.rows} rows into {copied.table}")
        raise
