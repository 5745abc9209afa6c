"""Connections to Postgres as postpay needs them, and which of its errors pass by themselves."""

import asyncio
from typing import Any, TypeAlias

import asyncpg

SCHEMA = "postpay"
"""All tables lie in one schema, so that a rebuilt one can take its place."""

Connection: TypeAlias = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy
"""What the functions of this package take; the caller owns the transaction."""

LOCK_TIMEOUT_S = 5.0
"""How long a statement waits for a lock: a half-open owner must not hold up a batch for longer."""

_SETTINGS = {
    "search_path": SCHEMA,
    "timezone": "UTC",
    # A statement planned while its table was small would go on scanning it when it is large (measured: 25 ms a batch).
    "plan_cache_mode": "force_custom_plan",
    "jit": "off",
    "idle_in_transaction_session_timeout": "10s",
    "lock_timeout": f"{LOCK_TIMEOUT_S:g}s",
    # A host that is gone without a word: the backend ends, and its locks with it.
    "tcp_user_timeout": "10s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}

_BY_KEY = {
    # All that a worker reads and changes it finds by key, whole batches by joining their keys to a table's. The planner
    # takes random reads for four times as dear as they are in memory and would rather read a table of up to some
    # hundred thousand rows from end to end, for every batch.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}

_TRANSIENT = (
    asyncpg.PostgresConnectionError,  # 08…
    asyncpg.TransactionRollbackError,  # 40…: serialization failure, deadlock, completion unknown
    asyncpg.InsufficientResourcesError,  # 53…: out of disk, memory or connections
    asyncpg.LockNotAvailableError,  # 55P03
    asyncpg.OperatorInterventionError,  # 57…: cancelled, shut down, starting up
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
    ValueError,  # the client's DataError: a value doesn't fit its type
    asyncpg.DatabaseDroppedError,
)


async def open_pool(dsn: str, *, application_name: str, max_size: int, command_timeout_s: float = 15.0) -> asyncpg.Pool:
    """Open a pool whose sessions are set up for settling, and for nothing that reads whole tables.

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
        server_settings={**_SETTINGS, **_BY_KEY, "application_name": application_name},
        # Statements are few and always the same: prepared once per connection, never dropped.
        max_cached_statement_lifetime=0,
        statement_cache_size=200,
    )


async def connect(dsn: str, *, application_name: str, command_timeout_s: float | None = None) -> asyncpg.Connection:
    """Open one connection for commands, which may read whole tables; without a bound on statements unless told."""
    return await asyncpg.connect(
        dsn,
        command_timeout=command_timeout_s,
        timeout=15,
        server_settings={**_SETTINGS, "application_name": application_name},
        max_cached_statement_lifetime=0,
    )


def is_transient(error: BaseException) -> bool:
    """Tell whether trying again later can help: the lane pauses and retries. Anything else stops it."""
    return isinstance(error, _TRANSIENT) and not isinstance(error, _LASTING)


async def set_lock_timeout(connection: Connection, seconds: float) -> None:
    """Bound the waits for locks in the present transaction."""
    await connection.execute("SELECT set_config('lock_timeout', $1, true)", f"{int(seconds * 1000)}ms")


Row: TypeAlias = Any
"""One asyncpg record; made a dataclass before it leaves this package."""
