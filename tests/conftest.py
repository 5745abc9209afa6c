"""The real servers that tests run on: one Kafka and Postgres for the whole run, a database of its own for each test."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from devstack import stack as devstack
from devstack.stack import Stack
from settlement.terms import TermsBook
from storage.database import connect, open_pool
from storage.migrations import migrate

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
    kept = os.environ.get("POSTPAY_TEST_STACK")
    if kept:
        yield devstack.up(Path(kept))
        return
    with tempfile.TemporaryDirectory(prefix="postpay-test-") as directory:
        try:
            yield devstack.up(Path(directory))
        finally:
            devstack.down(Path(directory), wipe=True)


@pytest.fixture(scope="session")
async def server(stack) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection to make and drop databases with."""
    connection = await asyncpg.connect(stack.dsn)
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
async def template(stack, server) -> AsyncIterator[Database]:
    """A migrated, empty database; nobody may be connected to it while it is cloned."""
    async with _made(stack, server, "template") as made:
        await migrate(made.dsn, lanes=LANES, terms=TermsBook.builtin().document)
        yield made


@pytest.fixture
async def empty_database(stack, server) -> AsyncIterator[Database]:
    """A database without a schema."""
    async with _made(stack, server, "empty") as made:
        yield made


@pytest.fixture
async def database(stack, server, template) -> AsyncIterator[Database]:
    """A fresh migrated database."""
    async with _made(stack, server, "test", template.name) as made:
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


@asynccontextmanager
async def _made(
    stack: Stack, server: asyncpg.Connection, purpose: str, template: str = "template0"
) -> AsyncIterator[Database]:
    """Make a database, and drop it in the end whoever is still connected."""
    name = f"postpay_{purpose}_{uuid4().hex[:12]}"
    await server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield Database(name, urlsplit(stack.dsn)._replace(path=f"/{name}").geturl(), LANES)
    finally:
        await server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
