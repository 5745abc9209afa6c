"""Connections to Postgres as postpay needs them: a pool for a worker, one for a command."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from operator import itemgetter
from typing import Any, TypeAlias

import asyncpg

from storage.errors import first_line, is_spent, is_transient
from storage.sessions import (
    CONNECT_TIMEOUT_S,
    SCHEMA,
    Password,
    PooledTransactionsError,
    Session,
    Sessions,
    require_own,
)

__all__ = [
    "COMMAND_TIMEOUT_S",
    "SCHEMA",
    "Connection",
    "Password",
    "PooledTransactionsError",
    "Row",
    "borrowed",
    "connect",
    "first_line",
    "in_order",
    "is_transient",
    "open_pool",
    "set_lock_timeout",
    "suit",
]

Connection: TypeAlias = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy
"""What the functions of this package take; the caller owns the transaction."""

COMMAND_TIMEOUT_S = CONNECT_TIMEOUT_S
"""Of a statement: the longest of a batch takes seconds on a server that is busy. At worst a batch that would have
succeeded is rolled back and tried again."""

KEPT_PLANS_UP_TO = 100
"""Messages and due parties of a batch; the statements of a larger one are planned for it. Planning takes the same time
for any batch; a plan that was kept while a table filled may read it for every key."""
TOGETHER_UP_TO = 10
"""Messages and due parties of a batch that sends in one statement what can go in one (storage/together.py): rows are
slower to read from arrays, so a larger one would lose by it."""

MOST_QUERIES = 10_000_000
"""Of a session; then it is replaced, and with it what it may have piled up in the server (measured: nothing grows).
A new one has to log in, and prepare and plan everything: after asyncpg's 50,000 that would be twice a minute."""


async def open_pool(
    dsn: str,
    *,
    application_name: str,
    max_size: int,
    password: Password | None = None,
    command_timeout_s: float = COMMAND_TIMEOUT_S,
    for_writing: bool = True,
    role: str | None = None,
    keep_plans: bool = False,
) -> asyncpg.Pool:
    """Open a pool whose sessions are set up for settling.

    Args:
        dsn: of a migrated database or one to migrate; it is connected to at once.
        application_name: shown in `pg_stat_activity`.
        max_size: connections at most.
        password: read at each log-in; without it that of the DSN.
        command_timeout_s: bound of every statement, waiting for the server's answer included.
        for_writing: refuse a server that only reads.
        role: what the sessions are held to, see Sessions.
        keep_plans: for who sends few statements, always the same and often: see Sessions. By `borrowed` alone.

    Raises:
        PooledTransactionsError: a pooler stands in between that gives nobody a session of its own.
        Exception: one that `is_transient` tells apart when the server can't be reached.
    """
    sessions = Sessions(
        dsn, password, application_name=application_name, for_writing=for_writing, role=role, keep_plans=keep_plans
    )
    await require_own(sessions)

    async def begin(_dsn: None, **arguments: Any) -> Session:
        return await sessions.open(**arguments)

    return await asyncpg.create_pool(
        connect=begin,
        connection_class=Session,
        min_size=0,  # or asyncpg would try to log in by itself, and tell of it, while nobody is let in
        max_size=max_size,
        max_queries=MOST_QUERIES,
        command_timeout=command_timeout_s,
        reset=_given_back,
        # Statements are few and always the same: prepared once per connection, never dropped.
        max_cached_statement_lifetime=0,
        statement_cache_size=200,
    )


@asynccontextmanager
async def borrowed(pool: asyncpg.Pool) -> AsyncIterator[Connection]:
    """A connection of the pool; one that an error has shown to be of no use does not go back to it.

    Where plans are kept, none of them is older than PLANS_KEPT_S.
    When one session turns out to be read-only, all that began before it are taken for the same.
    """
    async with pool.acquire() as connection:
        try:
            await connection.forget_old_plans()
            yield connection
        except Exception as error:
            if is_spent(error):
                connection.terminate()
            if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
                await pool.expire_connections()
            raise


async def _given_back(_: asyncpg.Connection) -> None:
    """Do nothing: asyncpg has ended what transaction there was, and nobody changes a session beyond its transaction.

    Its own way is one more statement after every batch, which resets everything a session may have.
    """


async def connect(
    dsn: str,
    *,
    application_name: str,
    password: Password | None = None,
    command_timeout_s: float | None = None,
    role: str | None = None,
) -> asyncpg.Connection:
    """Open one connection set up like the pool's, for commands; without a bound on statements unless told.

    With a `role` it may write what that may, see Sessions.
    """
    for_writing = role is not None
    sessions = Sessions(dsn, password, application_name=application_name, for_writing=for_writing, role=role)
    return await sessions.open(command_timeout=command_timeout_s, max_cached_statement_lifetime=0)


async def set_lock_timeout(connection: Connection, seconds: float) -> None:
    """Bound the waits for locks in the present transaction.

    By SET, which takes no parameters: where the database is distributed, `set_config` would stay on the coordinator.
    """
    await connection.execute("SET LOCAL lock_timeout = " + str(round(seconds * 1000)))  # milliseconds


async def suit(connection: Connection, size: int) -> None:
    """Have a session send and plan statements in the present transaction as suits a batch.

    Args:
        connection: in the transaction, of which the batch's statements are still to come.
        size: how many messages and due parties it has.
    """
    connection.send_together(wanted=size <= TOGETHER_UP_TO)
    if size > KEPT_PLANS_UP_TO:
        await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL enable_seqscan = on")


Row: TypeAlias = Any
"""One asyncpg record; made a dataclass before it leaves this package."""


def in_order(rows: Sequence[Row], columns: Sequence[str]) -> Iterable[tuple[Any, ...]]:
    """What rows say in these columns, of which there are two at least."""
    if not rows:
        return ()
    names = tuple(rows[0].keys())
    begin = names.index(columns[0])
    end = begin + len(columns)
    if names[begin:end] == tuple(columns):
        return (row[begin:end] for row in rows)
    return map(itemgetter(*columns), rows)  # a later release has changed the order
