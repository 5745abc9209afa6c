"""What commands connect to, for as long as they run."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg

from cli.failures import DatabaseUnreachableError, Failure
from storage.database import connect, first_line, is_transient
from storage.migrations import require_migrated
from workers.kafka import topics
from workers.settings.model import Postgres, Settings

ResultT = TypeVar("ResultT")
CONNECT_TIMEOUT_S = 10


def run(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run a command's coroutine to its end."""
    return asyncio.run(work)


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the migrated database; closed at the end.

    Raises:
        DatabaseUnreachableError: it can't be connected to, or the connection broke.
        NotMigratedError: `postpay migrate` has not been run.
    """
    with reaching(settings.postgres):
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            connection = await connect(
                settings.postgres.dsn, application_name="postpay-cli", password=settings.postgres.read_password
            )
        try:
            await require_migrated(connection)
            yield connection
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT_S)


async def require_topics(settings: Settings) -> None:
    """All topics must be there, with a partition for each lane: a consumer would wait for one that is missing.

    Raises:
        Failure: one is not.
    """
    for difference in await topics.check(settings):
        if difference.what in {"the topic", "partitions"}:
            raise Failure(f"{difference}; run: postpay topics create")


class reaching:  # noqa: N801  # a context manager, used like a function
    """Turns what asyncpg raises for a server that is away into DatabaseUnreachableError."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, Exception) and _is_unreachable(error):
            raise DatabaseUnreachableError(_unreachable(self._postgres, error)) from error


def _is_unreachable(error: Exception) -> bool:
    refused = asyncpg.InvalidAuthorizationSpecificationError | asyncpg.InvalidCatalogNameError
    return is_transient(error) or isinstance(error, refused | asyncpg.ClientConfigurationError)


def _unreachable(postgres: Postgres, error: Exception) -> str:
    url = urlsplit(postgres.dsn)
    where = f"{url.netloc.rpartition('@')[2] or 'the local socket'}{url.path}"
    return f"Postgres at {where} cannot be used ({first_line(error)}); is it up, and is POSTPAY_POSTGRES__DSN right?"
