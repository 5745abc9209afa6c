"""Brings a database's schema up to date: numbered SQL files, each once, in order, in a transaction.

Why not Alembic: docs/decisions/0006-own-migration-runner.md.
"""

import hashlib
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any
from uuid import UUID

import asyncpg
import stamina

from settlement.terms import TermsBook
from storage import chain, distribution, operator_log
from storage.database import Connection, Password, set_lock_timeout
from storage.identity import Identity, identity
from storage.operator_log import Action, Because, LogOutcome, Note
from storage.queries import read, statements
from storage.sessions import Sessions, require_own

_SQL = read("migrations")
_IDENTITY = read("identity")
_FILE_NAME = re.compile(r"(\d{4})_\w+\.sql")

LOCK_TIMEOUT_S = 3.0
"""Running workers must not queue up behind DDL that waits for one of them: give way, then try again."""

LOCK_ATTEMPTS = 20


class MigrationError(Exception):
    """The database can't be brought up to date; says what was found and what to do."""


class NotMigratedError(Exception):
    """The database lacks migrations that this release needs."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered SQL file."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> bytes:
        """SHA-256 of the file's text; a file must never change once it is released."""
        return hashlib.sha256(self.sql.encode()).digest()


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """What a run did: names of the files applied and of the tables distributed, none when there was nothing to do."""

    applied: tuple[str, ...]
    database_id: UUID
    lanes: int
    distributed: tuple[str, ...] = ()


def released() -> list[Migration]:
    """The migrations of this release, in order.

    Raises:
        MigrationError: a file's name is wrong, or a number is missing or taken twice.
    """
    found = []
    for path in files("storage").joinpath("sql", "migrations").iterdir():
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"expected migrations to be named like 0001_lanes.sql, got {path.name}")
        found.append(Migration(int(match[1]), path.name.removesuffix(".sql"), path.read_text(encoding="utf-8")))
    found.sort(key=lambda each: each.version)
    if [each.version for each in found] != list(range(1, len(found) + 1)):
        raise MigrationError(f"expected migrations numbered without a hole, got {[each.name for each in found]}")
    return found


async def migrate(
    dsn: str,
    *,
    lanes: int,
    terms: Mapping[str, Any],
    password: Password | None = None,
    because: Because | None = None,
    distributed: bool = False,
    progress: distribution.Progress = distribution.untold,
) -> MigrationReport:
    """Bring the schema up; safe to run twice, and from several machines at once.

    Args:
        dsn: of an existing database; the user needs CREATE on it and, the first time on a server, CREATEROLE.
        lanes: how many the database is made for, the first time; must be the same ever after.
        terms: the terms document all lanes start with, the first time.
        password: read at the log-in; without it that of the DSN.
        because: who migrates, for the operator log; each migration is entered once there is one.
        distributed: distribute it over the nodes of Citus, by a superuser; what is distributed stays so without being
            told, tables of later migrations included.
        progress: told how far that is.

    Raises:
        PooledTransactionsError: a pooler stands in between that gives nobody a session of its own.
        MigrationError: an applied file has changed, or `lanes` differs from the database's.
        TermsError: `terms` is wrong.
        DistributionError: there is no Citus, no node, or a table that can't be distributed.
    """
    moved: list[str] = []
    async with _as_owner(dsn, password, distributed=distributed) as connection:
        applied = await _apply_missing(connection, because)
        await _create_once(connection, lanes, terms)
        found = await identity(connection)
        if found.lanes != lanes:
            raise MigrationError(
                f"the database was made for {found.lanes} lanes, the settings say {lanes}; "
                f"set POSTPAY_LANES={found.lanes}, or split its lanes: postpay lane split"
            )
        await connection.execute(_SQL["become_oneself"])
        if distributed or await distribution.is_distributed(connection):
            moved = await distribution.distribute(connection, progress)
    return MigrationReport(tuple(applied), found.database_id, found.lanes, tuple(moved))


async def check(connection: Connection, *, lanes: int, distributed: bool = False) -> list[str]:
    """What is not as this release needs it, each with what to do; nothing when all is well. Changes nothing.

    Args:
        connection: to the database, migrated or not.
        lanes: as the settings say.
        distributed: whether it is meant to be distributed; one that is is looked at as such anyhow.
    """
    try:
        await require_migrated(connection)
    except NotMigratedError as missing:
        return [str(missing)]
    applied = await _applied(connection)
    found = [
        f"{each.name} has changed since it was applied; restore the file"
        for each in released()
        if applied[each.version]["checksum"] != each.checksum
    ]
    made_for = (await identity(connection)).lanes
    if made_for != lanes:
        found.append(f"the database was made for {made_for} lanes, the settings say {lanes}; set POSTPAY_LANES")
    if distributed or await distribution.is_distributed(connection):
        found += await distribution.findings(connection, made_for)
    return found


async def require_migrated(connection: Connection) -> None:
    """Check that every migration of this release is applied; newer ones may be, because they only add first.

    Raises:
        NotMigratedError: some are missing; names the first.
    """
    applied = await _applied(connection) if await connection.fetchval(_SQL["has_journal"]) else {}
    missing = [each.name for each in released() if each.version not in applied]
    if missing:
        raise NotMigratedError(f"the database lacks migration {missing[0]}; run `postpay migrate`")
    if await connection.fetchrow(_IDENTITY["identity"]) is None:
        raise NotMigratedError("the database's first migration did not end; run `postpay migrate` again")


@asynccontextmanager
async def alone(dsn: str, password: Password | None = None) -> AsyncIterator[asyncpg.Connection]:
    """A connection that alone may change the database's schema for as long as it lives.

    Raises:
        PooledTransactionsError: a pooler stands in between that gives nobody a session of its own.
        MigrationError: somebody else is alone with it.
    """
    sessions = Sessions(dsn, password, application_name="postpay migrate", for_writing=True)
    await require_own(sessions)
    connection = await sessions.open()
    try:
        try:
            await connection.execute(_SQL["lock"])  # ends with the connection
        except asyncpg.LockNotAvailableError as error:
            raise MigrationError(
                "the database is being migrated, rebuilt, archived, or its lanes split: start again behind that"
            ) from error
        yield connection
    finally:
        await connection.close()


async def make(connection: Connection, given: Identity, terms: Mapping[str, Any]) -> None:
    """Make the schema anew, with the identity of a database that was, in the caller's transaction.

    Args:
        connection: of `alone`, where there is no schema of that name; it acts as the owner afterwards.
        given: the identity.
        terms: the document all lanes start with.
    """
    await _become_owner(connection)
    await _apply_missing(connection, because=None)
    await connection.execute(
        _IDENTITY["create_again"], given.database_id, given.lanes, given.cluster_id, given.prefix, given.group
    )
    await _make_lanes(connection, given.lanes, terms)


@asynccontextmanager
async def _as_owner(
    dsn: str, password: Password | None = None, *, distributed: bool = False
) -> AsyncIterator[asyncpg.Connection]:
    """A connection that alone migrates the database, as the owner of everything in it; roles and journal are there."""
    async with alone(dsn, password) as connection:
        await _become_owner(connection, distributed=distributed)
        yield connection


async def _become_owner(connection: Connection, *, distributed: bool = False) -> None:
    await connection.execute(files("storage").joinpath("sql", "roles.sql").read_text(encoding="utf-8"))
    if distributed:
        await distribution.prepare(connection)
    await connection.execute(_SQL["become_owner"])
    await connection.execute(_SQL["journal"])


async def _applied(connection: Connection) -> dict[int, asyncpg.Record]:
    return {row["version"]: row for row in await connection.fetch(_SQL["applied"])}


async def _apply_missing(connection: Connection, because: Because | None = None) -> list[str]:
    applied = await _applied(connection)
    done = []
    for migration in released():
        before = applied.get(migration.version)
        if before is None:
            await _apply(connection, migration, because)
            done.append(migration.name)
        elif before["checksum"] != migration.checksum:
            raise MigrationError(
                f"{migration.name} has changed since it was applied as {before['name']}; "
                "restore the file and put the change into a new one"
            )
    return done


async def _apply(connection: Connection, migration: Migration, because: Because | None) -> None:
    async for attempt in stamina.retry_context(
        on=asyncpg.LockNotAvailableError, attempts=LOCK_ATTEMPTS, timeout=None, wait_initial=0.2, wait_max=5.0
    ):
        with attempt:
            async with connection.transaction():
                await set_lock_timeout(connection, LOCK_TIMEOUT_S)
                for statement in statements(migration.sql):  # Citus refuses some in the company of others
                    await connection.execute(statement)
                await connection.execute(_SQL["record"], migration.version, migration.name, migration.checksum)
                if because is not None and await connection.fetchval(_SQL["has_log"]):
                    await operator_log.append(connection, [_note(migration, because)])


def _note(migration: Migration, because: Because) -> Note:
    return Note(
        because=because,
        action=Action.MIGRATE,
        subject=migration.name,
        outcome=LogOutcome.DONE,
        after={"checksum": migration.checksum.hex()},
    )


async def _create_once(connection: Connection, lanes: int, terms: Mapping[str, Any]) -> None:
    """Give a new database its id, lanes and first terms."""
    if await connection.fetchrow(_IDENTITY["identity"]) is not None:
        return
    async with connection.transaction():
        await connection.fetchval(_IDENTITY["create"], lanes)
        await _make_lanes(connection, lanes, terms)


async def _make_lanes(connection: Connection, lanes: int, terms: Mapping[str, Any]) -> None:
    digest = TermsBook.parse(dict(terms)).digest
    await connection.execute(_IDENTITY["store_terms"], digest, json.dumps(terms, ensure_ascii=False))
    starts = [chain.genesis(lane) for lane in range(lanes)]
    await connection.execute(_IDENTITY["make_lanes"], lanes, starts, digest)
