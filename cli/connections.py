"""What commands connect to, for as long as they run."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import asyncpg
import stamina

from cli.failures import DatabaseUnreachableError, Failure
from storage.database import Connection, connect, first_line, is_transient
from storage.identity import IdentityMismatchError, identity, require_bound
from storage.migrations import MigrationError, NotMigratedError, require_migrated
from workers.kafka import topics
from workers.kafka.clients import BrokerUnreachableError
from workers.settings.model import Postgres, Settings

ResultT = TypeVar("ResultT")
CONNECT_TIMEOUT_S = 10

_OF_THE_DATABASE = (NotMigratedError, MigrationError, IdentityMismatchError, asyncpg.InsufficientPrivilegeError)
"""What a person mends who knows which database it was."""


def run(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run a command's coroutine to its end."""
    stamina.instrumentation.set_on_retry_hooks([])  # it would tell of attempts on standard output
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


async def require_fitting(settings: Settings, connection: Connection, *, brokers: bool = True) -> None:
    """Settings, database and brokers must belong together, or what is computed from them is wrong.

    Brokers that are away are no matter here: whoever goes on to use them says so, on record where something is sent.

    Args:
        settings: those of the command.
        connection: to the database.
        brokers: whether they are asked, and the topics must be there.

    Raises:
        Failure: the database has another number of lanes.
        IdentityMismatchError: it belongs to another cluster or prefix.
        TopicsError: topics are missing, or have another number of partitions.
    """
    known = await identity(connection)
    if known.lanes != settings.lanes:
        raise Failure(
            f"the database was made for {known.lanes} lanes, POSTPAY_LANES says {settings.lanes}; set"
            f" POSTPAY_LANES={known.lanes} (more lanes are made by: postpay lane split)"
        )
    if not brokers:
        return
    with suppress(BrokerUnreachableError):
        require_bound(known, await topics.cluster_id(settings), settings.topics.prefix, known.group or settings.group)
        await topics.require(settings)


class reaching:  # noqa: N801  # a context manager, used like a function
    """Turns what asyncpg raises for a server that is away into DatabaseUnreachableError; names it with other errors."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, Exception) and _is_unreachable(error):
            raise DatabaseUnreachableError(_unreachable(self._postgres, error)) from error
        if isinstance(error, _OF_THE_DATABASE):
            error.add_note(f"the database is {self._postgres.place} (POSTPAY_POSTGRES__DSN)")


def _is_unreachable(error: Exception) -> bool:
    refused = asyncpg.InvalidAuthorizationSpecificationError | asyncpg.InvalidCatalogNameError
    return is_transient(error) or isinstance(error, refused | asyncpg.ClientConfigurationError)


def _unreachable(postgres: Postgres, error: Exception) -> str:
    said = first_line(error)
    return f"Postgres at {postgres.place} cannot be used ({said}); is it up, and is POSTPAY_POSTGRES__DSN right?"
