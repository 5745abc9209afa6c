"""The oldest Postgres that docs/storage.md promises, in the place of the newest: Debian's, where it can be had."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from devstack.errors import DevstackError
from devstack.installations import of_debian
from devstack.postgres import PostgresNode
from tests.conftest import Database, Server, leave_to_the_system, migrated
from tests.integration.storage.conftest import books, buyer, lane

__all__ = ["books", "buyer", "lane"]

OLDEST = 15


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresNode]:
    """One server for the whole run; without one the tests are skipped, and say why."""
    try:
        installation = of_debian(OLDEST)
    except DevstackError as error:
        pytest.skip(f"not run on Postgres {OLDEST}: {str(error).splitlines()[0]}")
    with tempfile.TemporaryDirectory(prefix="postpay-test-") as directory:
        node = PostgresNode(Path(directory), lambda: installation)
        try:
            node.start()
            yield node
        finally:
            node.stop("immediate")
            node.wipe()


@pytest.fixture(scope="session")
async def server(postgres) -> AsyncIterator[Server]:
    """That server, to make databases on."""
    # Dropped as the run goes: to wipe them all in the end is the last test's time.
    await leave_to_the_system(postgres.dsn)
    made = Server(postgres.dsn, await asyncpg.connect(postgres.dsn), await asyncpg.connect(postgres.dsn))
    yield made
    await made.close()


@pytest.fixture(scope="session")
async def template(server) -> AsyncIterator[Database]:
    """A migrated, empty database of that server."""
    async with migrated(server) as made:
        yield made
