"""The real servers that tests run on: one Kafka and Postgres for the whole run, a database of its own for each test."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg
import psutil
import pytest

from cli.embedded import with_database
from devstack import stack as devstack
from devstack.stack import Stack
from settlement.terms import TermsBook
from storage.database import connect, open_pool
from storage.migrations import migrate

KEPT_STACK = os.environ.get("POSTPAY_TEST_STACK")

os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
"""Brokers of tests live too short for Java's second compiler, which takes a third of their processor time."""

LANES = 8
"""What the databases of tests are made for; also POSTPAY_LANES' default."""


@dataclass(frozen=True, slots=True)
class Database:
    """A database on the test run's server."""

    name: str
    dsn: str
    lanes: int


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Kafka and Postgres for the whole run.

    POSTPAY_TEST_STACK names a folder whose stack is used, started if need be and left running; without it they run in a
    temporary folder and end with the tests.
    """
    if KEPT_STACK:
        yield devstack.up(Path(KEPT_STACK))
        return
    with tempfile.TemporaryDirectory(prefix="postpay-test-") as directory:
        try:
            started = devstack.up(Path(directory))
            with ThreadPoolExecutor(1) as thread:  # where no loop runs yet
                thread.submit(asyncio.run, leave_to_the_system(started.dsn)).result()
            yield started
        finally:
            devstack.down(Path(directory), wipe=True)


async def leave_to_the_system(dsn: str) -> None:
    """Don't have a server wait for its disk: its files go when the tests end, and no test takes the power away.

    Each DROP DATABASE would wait until all that hundreds of databases have written is on it.
    """
    connection = await asyncpg.connect(dsn)
    await connection.execute("ALTER SYSTEM SET fsync = off")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


class Server:
    """Makes databases, and on a kept stack drops them behind the tests' backs.

    A DROP waits for a checkpoint of the whole server, up to seconds where others write to it, so nobody waits for it:
    what is left at the end of a run is dropped during the next one.

    Args:
        dsn: the server's address.
        makes: a superuser's connection to make databases with.
        drops: another to drop them with; None leaves them to the end of the server (9 MB each).
    """

    def __init__(self, dsn: str, makes: asyncpg.Connection, drops: asyncpg.Connection | None) -> None:
        self.dsn = dsn
        self._makes = makes
        self._drops = drops
        self._done_with: asyncio.Queue[str] = asyncio.Queue()
        self._dropping = asyncio.create_task(self._keep_dropping())

    @asynccontextmanager
    async def database(self, purpose: str, template: str = "template0") -> AsyncIterator[Database]:
        """Make a database, and have it dropped in the end whoever is still connected."""
        name = f"postpay_{purpose}_{os.getpid()}_{uuid4().hex[:8]}"
        await self._makes.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        try:
            yield Database(name, with_database(self.dsn, name), LANES)
        finally:
            self._done_with.put_nowait(name)

    async def execute(self, statement: str) -> None:
        """Run a statement about databases or roles, as superuser and outside of any of them."""
        await self._makes.execute(statement)

    async def close(self) -> None:
        """Leave the server."""
        self._dropping.cancel()
        await asyncio.gather(self._dropping, return_exceptions=True)
        await self._makes.close()
        if self._drops is not None:
            self._drops.terminate()

    async def _keep_dropping(self) -> None:
        if self._drops is None:
            return
        for row in await self._drops.fetch("SELECT datname FROM pg_database WHERE datname ~ '^postpay_[a-z]+_[0-9]+_'"):
            if not psutil.pid_exists(int(row["datname"].split("_")[2])):
                self._done_with.put_nowait(row["datname"])
        while True:
            name = await self._done_with.get()
            await self._drops.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@asynccontextmanager
async def migrated(server: Server) -> AsyncIterator[Database]:
    """A migrated database, to be cloned."""
    async with server.database("template") as made:
        await migrate(made.dsn, lanes=LANES, terms=TermsBook.builtin().document)
        yield made


@pytest.fixture(scope="session")
async def server(stack) -> AsyncIterator[Server]:
    """The run's Postgres, to make databases on."""
    drops = await asyncpg.connect(stack.dsn) if KEPT_STACK else None
    server = Server(stack.dsn, await asyncpg.connect(stack.dsn), drops)
    yield server
    await server.close()


@pytest.fixture(scope="session")
async def template(server) -> AsyncIterator[Database]:
    """A migrated, empty database; nobody may be connected to it while it is cloned."""
    async with migrated(server) as made:
        yield made


@pytest.fixture
async def empty_database(server) -> AsyncIterator[Database]:
    """A database without a schema."""
    async with server.database("empty") as made:
        yield made


@pytest.fixture
async def database(server, template) -> AsyncIterator[Database]:
    """A fresh migrated database."""
    async with server.database("test", template.name) as made:
        yield made


@pytest.fixture
def dsn(database) -> str:
    """The address of the test's database, as superuser."""
    return database.dsn


@pytest.fixture
async def connection(dsn) -> AsyncIterator[asyncpg.Connection]:
    """One connection to the test's database, set up as a worker's."""
    opened = await connect(dsn, application_name="test")
    yield opened
    await opened.close()


@pytest.fixture
async def pool(dsn) -> AsyncIterator[asyncpg.Pool]:
    """A worker's pool on the test's database."""
    opened = await open_pool(dsn, application_name="test", max_size=8)
    yield opened
    opened.terminate()
