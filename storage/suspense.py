"""What operators are shown of money whose account nobody knows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, cast

from settlement.suspense import SuspenseEntry
from storage.database import Connection, Row
from storage.queries import read
from storage.rows import TABLES

_SQL = read("suspense")


class KeptEntry(NamedTuple):
    """An entry and the lane that keeps it."""

    lane: int
    entry: SuspenseEntry


@dataclass(frozen=True, slots=True)
class SuspenseFilter:
    """What listed entries must agree with; None is anything.

    `still_there`: only what has not been released. `since` and `until` are of when the money went into suspense.
    """

    still_there: bool = False
    account_id: str | None = None
    event_id: str | None = None
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def suspense_entries(connection: Connection, wanted: SuspenseFilter, limit: int) -> list[KeptEntry]:
    """List entries, the newest first."""
    return _entries(
        await connection.fetch(
            _SQL["entries"],
            wanted.still_there,
            wanted.account_id,
            wanted.event_id,
            wanted.reason,
            wanted.since,
            wanted.until,
            limit,
        )
    )


async def entries_of_id(connection: Connection, suspense_id: str, account_id: str | None) -> list[KeptEntry]:
    """Entries of one id: of all accounts that have it, or of one."""
    return _entries(await connection.fetch(_SQL["entries_of_id"], suspense_id, account_id))


async def currency_of(connection: Connection, account_id: str) -> str | None:
    """The currency of an account; None when it is not known."""
    currency: str | None = await connection.fetchval(_SQL["account"], account_id)
    return currency


def _entries(rows: Sequence[Row]) -> list[KeptEntry]:
    entries = cast("list[SuspenseEntry]", TABLES[SuspenseEntry].entities(rows))
    return [KeptEntry(row["lane"], entry) for row, entry in zip(rows, entries, strict=True)]
