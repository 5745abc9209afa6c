"""The databases of a run: postpay's own, one for each peer, and the floor's."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import psutil

from benchmarks import floor
from benchmarks.errors import BenchmarkError
from cli.embedded import with_database
from devstack.stack import Stack
from settlement.terms import TermsBook
from storage.audit import audit
from storage.database import Connection, connect
from storage.migrations import migrate
from workers.kafka import topics
from workers.settings.model import Settings

SHARE_OF_MEMORY = 4


async def prepare(settings: Settings) -> None:
    """Migrate postpay's database and make its topics."""
    await migrate(settings.postgres.dsn, lanes=settings.lanes, terms=TermsBook.builtin().document)
    await topics.create(settings)


async def make_room(stack: Stack) -> None:
    """Give the server what docs/storage.md says a large database needs, and start it anew."""
    memory_mib = psutil.virtual_memory().total // SHARE_OF_MEMORY // 2**20
    async with _connected(with_database(stack.dsn, "postgres")) as connection:
        await connection.execute(f"ALTER SYSTEM SET shared_buffers = '{memory_mib}MB'")
        await connection.execute("ALTER SYSTEM SET checkpoint_timeout = '15min'")
    await asyncio.to_thread(stack.postgres.restart, "fast")


async def copy_database(stack: Stack, name: str) -> None:
    """Give a peer the database as it is before the run, accounts and all. Nobody may be connected to it."""
    async with _connected(with_database(stack.dsn, "postgres")) as connection:
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE postpay')
    async with _connected(with_database(stack.dsn, name)) as connection:
        await connection.execute("CREATE SEQUENCE postpay.plain_seq START 1000000000")
        await connection.execute("VACUUM ANALYZE")


async def make_empty(stack: Stack, name: str) -> None:
    """Make a database with nothing in it."""
    async with _connected(with_database(stack.dsn, "postgres")) as connection:
        await connection.execute(f'CREATE DATABASE "{name}"')


async def next_transaction(settings: Settings) -> int:
    """Number of the first transaction of what comes now."""
    async with _connected(settings.postgres.dsn) as connection:
        return await floor.next_transaction(connection)


async def captured(settings: Settings, first: int, progress: Callable[[float], object]) -> floor.Captured:
    """Take the rows written since `first` out of postpay's database."""
    async with _connected(settings.postgres.dsn) as connection:
        return await floor.capture(connection, first, progress)


async def floor_seconds(
    stack: Stack, settings: Settings, rows: floor.Captured, progress: Callable[[float], object]
) -> float:
    """Write them into a new database by COPY alone."""
    async with _connected(with_database(stack.dsn, "postgres")) as connection:
        await connection.execute("CREATE DATABASE floor")
    dsn = with_database(stack.dsn, "floor")
    await migrate(dsn, lanes=settings.lanes, terms=TermsBook.builtin().document)
    async with _connected(dsn) as connection:
        return await floor.measure(connection, rows, progress)


async def audited(settings: Settings) -> None:
    """Audit postpay's books after the run.

    Raises:
        BenchmarkError: an invariant does not hold.
    """
    async with _connected(settings.postgres.dsn) as connection:
        broken = [f"{check.name}: {check.detail}" for check in await audit(connection) if not check.ok]
    if broken:
        raise BenchmarkError(f"the audit after the run found: {'; '.join(broken)}")


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[Connection]:
    connection = await connect(dsn, application_name="benchmark")
    try:
        yield connection
    finally:
        await connection.close()
