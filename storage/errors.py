"""Which of the database's errors pass by themselves, and what may be told of one."""

import asyncio
import re

import asyncpg

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
_SPENT = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,  # a session keeps what it was given when it began, whatever becomes of that
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    asyncio.TimeoutError,  # a half-open connection answers never
)
# A refusal of a connection that is not transient: no database of that name (3D000). A worker must not go on by itself
# with whatever database gets the name next: identities are compared when it starts.

_QUOTED = re.compile('".*"')


def is_transient(error: BaseException) -> bool:
    """Tell whether trying again later can help: the lane pauses and retries. Anything else stops it."""
    if is_refused_login(error) or _is_closed_to_sessions(error):
        return True
    return isinstance(error, _TRANSIENT) and not isinstance(error, _LASTING)


def is_refused_login(error: BaseException) -> bool:
    """Whether the server lets this user in no more: another password (28P01), no log-in (28000), no right (42501).

    Passwords are rotated and rights given back while workers run, so waiting helps; trying often may lock a user out.
    A right that a statement lacks is an ERROR; what keeps a session from beginning is FATAL.
    """
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return bool(error.severity_en == "FATAL")
    return isinstance(error, asyncpg.InvalidAuthorizationSpecificationError)


def is_spent(error: BaseException) -> bool:
    """Whether the connection that an error came from is of no use any more, and the next one may be."""
    return isinstance(error, _SPENT) and not isinstance(error, asyncpg.QueryCanceledError)


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
