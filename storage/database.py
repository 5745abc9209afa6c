"""Connections to Postgres as postpay needs them; which of its errors pass by themselves, what may be told of one."""

import asyncio
import re
from typing import Any, TypeAlias

import asyncpg

SCHEMA = "postpay"
"""All tables lie in one schema, so that a rebuilt one can take its place."""

Connection: TypeAlias = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy
"""What the functions of this package take; the caller owns the transaction."""

LOCK_TIMEOUT_S = 5.0
"""How long a statement waits for a lock: a half-open owner must not hold up whoever claims its lane for longer. Less
than COMMAND_TIMEOUT_S, so that the server says why. At worst the statement is tried again."""
COMMAND_TIMEOUT_S = 15.0
"""Of a statement and of connecting: the longest statement of a batch takes seconds on a server that is busy. At worst a
batch that would have succeeded is rolled back and tried again."""
IDLE_IN_TRANSACTION_TIMEOUT_S = 10.0
"""After this the server ends a transaction whose client is gone or hangs, and with it the lock on its lane: about when
the group gives the lane to another. A batch decides for a second at most between two statements. At worst one that
takes longer is rolled back and tried again."""
TCP_TIMEOUT_S = 10.0
"""The same for a client whose host is gone without a word while the server has something to tell it."""
KEEPALIVE_S, KEEPALIVES = 5, 3
"""And while it has not: so many signs of life in vain, so far apart, the first after as long."""

_SETTINGS = {
    "search_path": SCHEMA,
    "timezone": "UTC",
    # A statement planned while its table was small would go on scanning it when it is large (measured: 25 ms a batch).
    "plan_cache_mode": "force_custom_plan",
    "jit": "off",
    # What a batch reads is in memory; the default of 4 makes reading a table from end to end look cheap.
    "random_page_cost": "1.1",
    "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_TIMEOUT_S:g}s",
    "lock_timeout": f"{LOCK_TIMEOUT_S:g}s",
    "tcp_user_timeout": f"{TCP_TIMEOUT_S:g}s",
    "tcp_keepalives_idle": str(KEEPALIVE_S),
    "tcp_keepalives_interval": str(KEEPALIVE_S),
    "tcp_keepalives_count": str(KEEPALIVES),
}

FIRST_LINE_LENGTH = 500

_TRANSIENT = (
    asyncpg.PostgresConnectionError,  # 08…
    asyncpg.TransactionRollbackError,  # 40…: serialization failure, deadlock, completion unknown
    asyncpg.InsufficientResourcesError,  # 53…: out of disk, memory or connections (53300, a database's limit as well)
    asyncpg.LockNotAvailableError,  # 55P03
    asyncpg.OperatorInterventionError,  # 57…: cancelled, shut down, starting up (57P03)
    asyncpg.IdleInTransactionSessionTimeoutError,  # 25P03
    asyncpg.PostgresIOError,  # 58030
    asyncpg.ReadOnlySQLTransactionError,  # 25006: a primary that became a standby
    asyncpg.InvalidCachedStatementError,  # a migration changed what a statement was prepared for
    asyncpg.OutdatedSchemaCacheError,  # the same, of a type
    asyncpg.InterfaceError,  # the client's own: closed connection, closing pool
    asyncpg.InternalClientError,  # the client lost track of a connection that broke
    OSError,
    asyncio.TimeoutError,
)
_LASTING = (
    asyncpg.ClientConfigurationError,  # a wrong address is an InterfaceError as well
    asyncpg.DatabaseDroppedError,
)
# Refusals of a connection that are not in _TRANSIENT: the address or the role's rights would have to change, and a
# worker reads its address once: wrong credentials, or a role that may not log in (28…; going on may lock it out), no
# right to connect (42501), no database of that name (3D000). A worker must not go on by itself with whatever database
# gets the name next: identities are compared when it starts.

_QUOTED = re.compile('".*"')


def _session(application_name: str) -> dict[str, str]:
    return {**_SETTINGS, "application_name": application_name}


async def open_pool(
    dsn: str, *, application_name: str, max_size: int, command_timeout_s: float = COMMAND_TIMEOUT_S
) -> asyncpg.Pool:
    """Open a pool whose sessions are set up for settling.

    Args:
        dsn: of a migrated database or one to migrate; the pool connects at once.
        application_name: shown in `pg_stat_activity`.
        max_size: connections at most.
        command_timeout_s: bound of every statement, waiting for the server's answer included.

    Raises:
        Exception: one that `is_transient` tells apart when the server can't be reached.
    """
    return await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=max_size,
        command_timeout=command_timeout_s,
        timeout=command_timeout_s,
        server_settings=_session(application_name),
        reset=_given_back,
        # Statements are few and always the same: prepared once per connection, never dropped.
        max_cached_statement_lifetime=0,
        statement_cache_size=200,
    )


async def _given_back(_: asyncpg.Connection) -> None:
    """Do nothing: asyncpg has ended what transaction there was, and nobody changes a session beyond its transaction.

    Its own way is one more statement after every batch, which resets everything a session may have.
    """


async def connect(dsn: str, *, application_name: str, command_timeout_s: float | None = None) -> asyncpg.Connection:
    """Open one connection set up like the pool's, for commands; without a bound on statements unless told."""
    return await asyncpg.connect(
        dsn,
        command_timeout=command_timeout_s,
        timeout=COMMAND_TIMEOUT_S,
        server_settings=_session(application_name),
        max_cached_statement_lifetime=0,
    )


def is_transient(error: BaseException) -> bool:
    """Tell whether trying again later can help: the lane pauses and retries. Anything else stops it."""
    if _is_closed_to_sessions(error):
        return True
    return isinstance(error, _TRANSIENT) and not isinstance(error, _LASTING)


def first_line(error: BaseException) -> str:
    """What may be told of an error in a log, a status or a message: its first line without values, of bounded length.

    Postgres puts the row that failed on the lines after the first. Of a value that does not fit it tells the value
    itself, in quotes or after a colon, and asyncpg does the same of an argument. An error without a text is its kind.
    """
    said = str(error).partition("\n")[0]
    if isinstance(error, asyncpg.DataError):
        said = _QUOTED.sub('"…"', said).partition(":")[0]
    return said[:FIRST_LINE_LENGTH] or type(error).__name__


def _is_closed_to_sessions(error: BaseException) -> bool:
    """Whether the database lets nobody in: an operator closed it (`ALLOW_CONNECTIONS false`) and will open it again.

    The server says so with 55000, as it does of a statement that comes at the wrong time, and as a trigger may; waiting
    helps none of those. But what ends a session, or keeps it from beginning, is FATAL, and no SQL can raise that.
    """
    return isinstance(error, asyncpg.ObjectNotInPrerequisiteStateError) and error.severity_en == "FATAL"


async def set_lock_timeout(connection: Connection, seconds: float) -> None:
    """Bound the waits for locks in the present transaction."""
    await connection.execute("SELECT set_config('lock_timeout', $1, true)", f"{int(seconds * 1000)}ms")


Row: TypeAlias = Any
"""One asyncpg record; made a dataclass before it leaves this package."""
