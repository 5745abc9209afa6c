"""The schema that a rebuild fills beside the one in use, and how it takes its place.

It is made by the migrations themselves, under the name they are written for, in a transaction that renames it before
anybody can see it; so it is what `migrate` makes, roles, partitions, triggers and indexes included.

Source: docs/replay.md, Rebuilding.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from storage import distribution, operator_log
from storage.database import Connection, Row, set_lock_timeout
from storage.identity import Identity
from storage.migrations import MigrationError, make
from storage.operator_log import Note
from storage.queries import read

SQL = read("replacement")

SWAP_LOCK_TIMEOUT_S = 10.0
"""The exchange waits so long for readers of the lanes' rows. At worst it is not made, and the rebuild begins again."""


class ClaimedError(Exception):
    """Workers hold lanes, or have claimed some meanwhile; says which."""


@dataclass(frozen=True, slots=True)
class LaneInUse:
    """A lane of the schema in use."""

    epoch: int
    batch_seq: int
    chain_hash: bytes


@dataclass(frozen=True, slots=True)
class InUse:
    """The schema in use, as far as there is one.

    Args:
        has_schema: whether there is one.
        has_tables: whether it can say what it is; of one that lacks its main tables nothing is read.
        identity: None where there is none.
        lanes: by number.
        first_terms: the document that lanes began with.
    """

    has_schema: bool
    has_tables: bool
    identity: Identity | None = None
    lanes: Mapping[int, LaneInUse] = field(default_factory=dict)
    first_terms: dict[str, Any] | None = None


async def in_use(connection: Connection) -> InUse:
    """Look at the schema in use.

    Raises:
        MigrationError: it is distributed over nodes.
    """
    has_schema, has_tables = await connection.fetchrow(SQL["present"])
    if has_schema and await distribution.is_distributed(connection):
        raise MigrationError(
            "the database is distributed, and what nodes have is not exchanged: rebuild into an empty database of the"
            " coordinator (POSTPAY_POSTGRES__DSN), distribute that with `postpay migrate`, and use it from then on"
        )
    if not has_tables:
        return InUse(has_schema, has_tables)
    identity = await connection.fetchrow(SQL["identity"])
    document = await connection.fetchval(SQL["first_terms"])
    return InUse(
        has_schema,
        has_tables,
        None if identity is None else Identity(*identity),
        await _lanes(connection),
        None if document is None else json.loads(document),
    )


async def _lanes(connection: Connection) -> dict[int, LaneInUse]:
    rows = await connection.fetch(SQL["lanes"])
    return {row["lane"]: LaneInUse(row["epoch"], row["batch_seq"], row["chain_hash"]) for row in rows}


async def connected_workers(connection: Connection) -> list[str]:
    """Names of workers that are connected to this database."""
    return [row["application_name"] for row in await connection.fetch(SQL["workers"])]


async def prepare(connection: Connection, found: InUse, given: Identity, terms: Mapping[str, Any]) -> None:
    """Make the new schema, empty; what an earlier rebuild left of its own is dropped.

    Args:
        connection: of `migrations.alone`.
        found: the schema in use.
        given: the identity that the new one has.
        terms: the document all lanes start with.
    """
    await connection.execute(SQL["drop_rebuilt"])
    async with connection.transaction():
        if found.has_schema:
            await connection.execute(SQL["set_aside"])
        await make(connection, given, terms)
        await connection.execute(SQL["act_as_myself"])
        await connection.execute(SQL["call_rebuilt"])
        if found.has_schema:
            await connection.execute(SQL["put_back"])
    await connection.execute(SQL["write_to_rebuilt"])


async def failures(connection: Connection, refused: str) -> list[Row]:
    """What a defect of postpay has made of records and timers, as the schema in use has it.

    Args:
        connection: any.
        refused: how the detail of those begins that the database did not take.
    """
    rows: list[Row] = await connection.fetch(SQL["failures"], refused)
    return rows


async def committed_at(connection: Connection, lane: int, first: int, last: int) -> dict[int, datetime]:
    """When batches of the schema in use were committed."""
    rows = await connection.fetch(SQL["committed_at"], lane, first, last)
    return {row["batch_seq"]: row["committed_at"] for row in rows}


@asynccontextmanager
async def unclaimed(connection: Connection, found: InUse) -> AsyncIterator[None]:
    """Let nobody claim a lane of the schema in use, or settle under a claim, for as long as this lasts.

    Args:
        connection: of `migrations.alone`, outside a transaction.
        found: the schema in use, as it was at first.

    Raises:
        ClaimedError: a lane was claimed or settled since, or a worker is connected.
        asyncpg.LockNotAvailableError: somebody holds a lane's row.
    """
    async with connection.transaction():
        await set_lock_timeout(connection, SWAP_LOCK_TIMEOUT_S)
        await connection.execute(SQL["rest_as_long_as_need_be"])
        await connection.execute(SQL["hold_claims_up"])
        await _require_unclaimed(connection, found)
        yield


def unheard() -> None:
    """A step that nobody wants to know of."""


async def swap(
    connection: Connection, found: InUse, note: Note | None = None, on_exchanged: Callable[[], None] = unheard
) -> str | None:
    """Put the new schema in the place of the one in use, raise all epochs, and enter that, in one transaction.

    Args:
        connection: of `migrations.alone`.
        found: the schema in use, as it was when the rebuild began.
        note: what to enter into the operator log; under which name the old schema is kept is added to it.
        on_exchanged: called before the COMMIT.

    Returns:
        Under which name the old one is kept; None where there was none.

    Raises:
        ClaimedError: a lane was claimed or settled meanwhile, or a worker is connected; nothing is changed then.
        asyncpg.LockNotAvailableError: somebody holds a lane's row.
    """
    kept_as = f"postpay_{datetime.now(UTC):%Y_%m_%d_%H%M%S}" if found.has_schema else None
    async with connection.transaction():
        await set_lock_timeout(connection, SWAP_LOCK_TIMEOUT_S)
        if found.has_tables:
            await connection.execute(SQL["close_to_claims"])
            await _require_unclaimed(connection, found)
            await _carry_over(connection)
        epochs = {lane: each.epoch for lane, each in found.lanes.items()}
        rebuilt = [row["lane"] for row in await connection.fetch(SQL["rebuilt_lanes"])]
        await connection.execute(SQL["raise_epochs"], rebuilt, [epochs.get(lane, 0) for lane in rebuilt])
        if kept_as is not None:
            await connection.execute(SQL["keep_as"], kept_as)
            await connection.execute(SQL["keep"])
        await connection.execute(SQL["put_in_use"])
        if note is not None:
            await connection.execute(SQL["write_to_used"])
            await operator_log.append(connection, [replace(note, after={**(note.after or {}), "kept_as": kept_as})])
        on_exchanged()
    return kept_as


async def _carry_over(connection: Connection) -> None:
    """What no topic holds: when the database and its terms were made, and what operators did."""
    await connection.execute(SQL["created_at"])
    await connection.execute(SQL["stored_at"])
    if await connection.fetchval(SQL["has_operator_log"]):
        # Whoever appends meanwhile waits, and appends to the new one: a name is looked up again at a table's lock only.
        await operator_log.lock(connection)
        await connection.execute(SQL["close_operator_log_in_use"])
        for statement in ("open_operator_log", "carry_operator_log", "close_operator_log", "carry_ends"):
            await connection.execute(SQL[statement])


async def _require_unclaimed(connection: Connection, found: InUse) -> None:
    """Nobody may have written since the schema in use was looked at.

    Raises:
        ClaimedError: somebody has.
    """
    now = await _lanes(connection)
    changed = [str(lane) for lane, each in now.items() if found.lanes.get(lane) != each]
    workers = await connected_workers(connection)
    if changed or workers:
        claimed = f"lanes {', '.join(changed)} were claimed" if changed else f"{', '.join(workers)} came"
        raise ClaimedError(f"{claimed} meanwhile, and no schema was exchanged: stop all workers and start again")
