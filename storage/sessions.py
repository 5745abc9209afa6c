"""How sessions on a server begin: which of its hosts, with which password, set up how.

asyncpg takes several hosts as well, but one that is gone without a word uses up the time for all of them; and it takes
settings only as startup parameters, which a connection pooler refuses or forgets.
"""

import time
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

import asyncpg

from storage.errors import first_line, is_refused_login
from storage.logins import Logins
from storage.queries import read

SCHEMA = "postpay"
"""All tables lie in one schema, so that a rebuilt one can take its place."""

CONNECT_TIMEOUT_S = 15.0
"""Of beginning a session, over all hosts. At worst a server that is busy is said to be away, and asked again."""
LOCK_TIMEOUT_S = 5.0
"""How long a statement waits for a lock: a half-open owner must not hold up whoever claims its lane for longer. Less
than the pool's bound of a statement, so that the server says why. At worst the statement is tried again."""
IDLE_IN_TRANSACTION_TIMEOUT_S = 10.0
"""After this the server ends a transaction whose client is gone or hangs, and with it the lock on its lane: about when
the group gives the lane to another. A batch decides for a second at most between two statements. At worst one that
takes longer is rolled back and tried again."""
TCP_TIMEOUT_S = 10.0
"""The same for a client whose host is gone without a word while the server has something to tell it."""
KEEPALIVE_S, KEEPALIVES = 5, 3
"""And while it has not: so many signs of life in vain, so far apart, the first after as long."""

NODE_SETTINGS = {
    "timezone": "UTC",
    # A statement planned while its table was small would go on scanning it when it is large (measured: 25 ms a batch).
    # A worker's sessions keep their plans all the same, for a while: see KEPT_PLANS.
    "plan_cache_mode": "force_custom_plan",
    "jit": "off",
    # What a batch reads is in memory; the default of 4 makes reading a table from end to end look cheap.
    "random_page_cost": "1.1",
    "tcp_user_timeout": f"{TCP_TIMEOUT_S:g}s",
    "tcp_keepalives_idle": str(KEEPALIVE_S),
    "tcp_keepalives_interval": str(KEEPALIVE_S),
    "tcp_keepalives_count": str(KEEPALIVES),
}
"""What the nodes of a distributed database need for themselves, too. Not the bounds on locks and idle transactions: the
coordinator holds a batch to those, and Citus' own moves of shards would be ended by them."""

_SETTINGS = {
    **NODE_SETTINGS,
    "search_path": SCHEMA,
    "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_TIMEOUT_S:g}s",
    "lock_timeout": f"{LOCK_TIMEOUT_S:g}s",
    # Of Citus, and names without a meaning elsewhere: SET LOCAL holds on the node that has the lane as well …
    "citus.propagate_set_commands": "local",
    # … and asyncpg's look at the types need not ask of each table whether it is a shard (measured: 3.6 s a connection).
    "citus.override_table_visibility": "off",
}

KEPT_PLANS = {
    "plan_cache_mode": "force_generic_plan",
    # Planned while a table is empty, a statement must use the index that it will need.
    "enable_seqscan": "off",
}
"""Instead, where plans are kept (measured: half of the server's work for a batch of one message is to plan it)."""
PLANS_KEPT_S = 10.0
"""So long: tables grow meanwhile. At worst a batch of such a time is read in a way that was best for smaller tables."""

_SQL = read("sessions")

Password = Callable[[], Awaitable[str | None]]
"""Gives the password as it is now; None leaves it to the DSN."""


class NoServerError(ConnectionError):
    """None of the hosts of a DSN could be used; says of each why."""


_WRITES = {"read-write", "primary"}

_OTHERS_STATEMENTS = (asyncpg.DuplicatePreparedStatementError, asyncpg.InvalidSQLStatementNameError)
"""Who meets prepared statements of others, or misses its own, shares sessions with them."""


class PooledTransactionsError(Exception):
    """What looks like a session is only one for the time of a transaction."""

    def __init__(self) -> None:
        super().__init__(
            "POSTPAY_POSTGRES__DSN: expected a server, or a pooler with a session for each client (pgbouncer:"
            " pool_mode = session), got one that pools transactions"
        )


class Session(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """One that may keep the plans of its statements, and knows how old they may be."""

    _planned_at: float | None = None
    sends_together = False
    """Whether what can go in one statement does."""

    def keeps_plans(self) -> None:
        """From now on it does."""
        self._planned_at = time.monotonic()

    @property
    def plans_are_kept(self) -> bool:
        """Whether it does: not on a distributed database, whoever asked for it."""
        return self._planned_at is not None

    def send_together(self, *, wanted: bool) -> None:
        """From now on it does so or not; where plans are not kept it does not."""
        self.sends_together = wanted and self.plans_are_kept

    async def forget_old_plans(self) -> None:
        """Have statements planned anew that may have been planned too long ago."""
        if self._planned_at is not None and time.monotonic() - self._planned_at > PLANS_KEPT_S:
            await self.execute(_SQL["forget_plans"])
            self._planned_at = time.monotonic()


class Sessions:
    """Opens sessions on one server, which may have several hosts.

    Args:
        dsn: of the database. Where it names several hosts, the one that served last is tried first.
        password: asked at each log-in.
        application_name: shown in `pg_stat_activity`.
        for_writing: refuse a standby, or a database that is read-only, unless the DSN has `target_session_attrs`.
        role: of those in sql/roles.sql, that the log-in is a member of: the session may do no more than it. Without
            `for_writing` such a session only reads.
        keep_plans: plan statements once in a while, not each time. On a distributed database they are planned each time
            all the same: for the node that has the lane.
    """

    def __init__(
        self,
        dsn: str,
        password: Password | None,
        *,
        application_name: str,
        for_writing: bool,
        role: str | None = None,
        keep_plans: bool = False,
    ) -> None:
        self._hosts = one_by_one(dsn)
        self._password = password
        self._logins = _logins(dsn)
        self._more: dict[str, Any] = {"server_settings": {"application_name": application_name}}
        self._more["connection_class"] = Session
        wanted = dict(parse_qsl(urlsplit(dsn).query)).get("target_session_attrs")
        self._wanted = wanted or ("read-write" if for_writing else "any")
        self._more["target_session_attrs"] = self._wanted
        self._keep_plans = keep_plans
        self._settings = _SETTINGS
        if role is not None:
            self._settings = _SETTINGS | {"default_transaction_read_only": "off" if for_writing else "on", "role": role}

    async def open(self, **more: Any) -> Session:
        """Begin a session, set up for settling.

        Args:
            more: for `asyncpg.connect`.

        Raises:
            NoServerError: no host could be used, of several.
            Exception: what the only host said; or that the log-in is refused, by whichever host.
        """
        failures = {}
        for dsn in [*self._hosts]:
            try:
                connection = await self._log_in(dsn, **more)
            except (OSError, asyncpg.CannotConnectNowError, asyncpg.TargetServerAttributeNotMatched) as error:
                failures[dsn] = error
            else:
                self._hosts.remove(dsn)
                self._hosts.insert(0, dsn)
                return connection
        if len(failures) == 1:
            raise next(iter(failures.values()))
        raise NoServerError("; ".join(f"{_where(dsn)}: {first_line(error)}" for dsn, error in failures.items()))

    async def _log_in(self, dsn: str, **more: Any) -> Session:
        timeout_s = CONNECT_TIMEOUT_S / len(self._hosts)
        password = None if self._password is None else await self._password()
        self._logins.begin(password)
        try:
            connection: Session = await asyncpg.connect(dsn, password=password, timeout=timeout_s, **self._more | more)
        except asyncpg.TargetServerAttributeNotMatched as unfit:
            found = "a standby, or default_transaction_read_only is on" if self._wanted in _WRITES else "the other kind"
            msg = f"expected a server that is {self._wanted}, got {found}"
            raise asyncpg.TargetServerAttributeNotMatched(msg) from unfit
        except Exception as error:
            if is_refused_login(error):
                self._logins.refused(password, error)
            raise
        self._logins.clear()
        try:
            await self._set_up(connection, timeout_s)
        except _OTHERS_STATEMENTS as error:
            connection.terminate()
            raise PooledTransactionsError from error
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def _set_up(self, connection: Session, timeout_s: float) -> None:
        await connection.execute(_SQL["set_up"], [*self._settings], [*self._settings.values()], timeout=timeout_s)
        if self._keep_plans:
            kept = [*KEPT_PLANS], [*KEPT_PLANS.values()]
            if await connection.fetch(_SQL["set_up_on_one_node"], *kept, timeout=timeout_s):
                connection.keeps_plans()


async def require_own(sessions: Sessions) -> None:
    """Two sessions must be two: settings, locks and prepared statements are kept in them.

    Raises:
        PooledTransactionsError: they share one of the server's.
    """
    first = await sessions.open(command_timeout=CONNECT_TIMEOUT_S)
    try:
        second = await sessions.open(command_timeout=CONNECT_TIMEOUT_S)
        try:
            if await _share(first, second):
                raise PooledTransactionsError
        finally:
            second.terminate()
    except _OTHERS_STATEMENTS as error:
        raise PooledTransactionsError from error
    finally:
        first.terminate()


async def _share(first: asyncpg.Connection, second: asyncpg.Connection) -> bool:
    """A pooler lends a session to who has something to ask: the second one while the first has nothing."""
    pid = await first.fetchval(_SQL["backend"])
    if await second.fetchval(_SQL["backend"]) == pid:
        return True
    async with second.transaction():  # who has lent the first one's to another meanwhile gives it a third now
        return bool(await second.fetchval(_SQL["backend"]) == pid or await first.fetchval(_SQL["backend"]) != pid)


def one_by_one(dsn: str) -> list[str]:
    """The same DSN for each of its hosts, in order."""
    url = urlsplit(dsn)
    login, at, hosts = url.netloc.rpartition("@")
    if hosts:
        return [_text(url._replace(netloc=f"{login}{at}{host}")) for host in hosts.split(",")]
    query = dict(parse_qsl(url.query))
    named = query.get("host", "").split(",")
    ports = query.get("port", "").split(",")
    if len(ports) == 1:
        ports *= len(named)
    if len(ports) != len(named):
        msg = f"expected one port or one for each of {len(named)} hosts, got {len(ports)}"
        raise asyncpg.ClientConfigurationError(msg)
    return [
        _text(url._replace(query=urlencode(query | _given(host=host, port=port), quote_via=quote)))
        for host, port in zip(named, ports, strict=True)
    ]


@cache
def _logins(_dsn: str) -> Logins:
    """The process's own for a database."""
    return Logins()


def _text(url: SplitResult) -> str:
    """As `urlunsplit`, which leaves out the slashes of an empty host."""
    return f"{url.scheme}://{url.netloc}{url.path}" + (f"?{url.query}" if url.query else "")


def _given(**parts: str) -> dict[str, str]:
    return {name: value for name, value in parts.items() if value}


def _where(dsn: str) -> str:
    url = urlsplit(dsn)
    return url.netloc.rpartition("@")[2] or dict(parse_qsl(url.query)).get("host", "the local socket")
