"""Fills the schema of more lanes from the one in use: every row as it is, on the lane that its party is on from now on.

Nothing is decided anew. Decisions and postings keep their numbers, batches their hashes, so the chains of before can be
computed from the new schema as well; `storage.branches` says from where.

Source: docs/decisions/0025-a-lane-is-split-like-a-branch.md.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from settlement.ledger import LedgerAccount, Side, owned_by
from storage.database import Connection
from storage.queries import read
from storage.rows import TABLES

_SQL = read("branching")

IDS_AT_ONCE = 10_000

BY_PARTY = {
    **{table.name: table.party_column for table in TABLES.values() if table.kind.party_kind is not None},
    **dict.fromkeys(("decision", "posting", "receipt", "parked", "timer", "declined_subject"), "party_id"),
}
"""Tables whose rows go where their party goes, with the column that names it; rows that name none stay."""
BY_KEY = {"dead_letter": "key"}
"""Likewise, by the key of a record."""
ON_EVERY_HEIR = {table.name: "*" for table in TABLES.values() if table.kind.party_kind is None}
"""Tables that each lane has a copy of."""
STAYING: Mapping[str, str | None] = {"batch": None, "activity_total": None}
"""Tables whose rows stay with the lane that settled and sent: as its lane-log, so its batches."""
CARRIED: Mapping[str, str | None] = {**BY_PARTY, **ON_EVERY_HEIR, **STAYING, **BY_KEY}
"""All but what is computed of them, and the outbox: all of that was sent."""

_PLATFORM = sorted(owned_by(None))
_GROWS_BY_DEBIT = sorted([account for account in LedgerAccount if account.normal_side is Side.DEBIT])

Home = Callable[[str], int]
"""Gives the lane that an id is at home on, of as many as there will be."""
Progress = Callable[[str, int, int], None]
"""Told what is being carried over, and how many bytes of how many are."""


class SplitApartError(Exception):
    """A sum over all lanes is not what it was, so the new schema is not put in use."""


@dataclass(frozen=True, slots=True)
class Split:
    """How many lanes become how many; `into` is a multiple of `lanes`, so that each lane's heirs are its own."""

    lanes: int
    into: int

    def heirs(self, lane: int) -> Sequence[int]:
        """The lanes that go on from one."""
        return range(lane, self.into, self.lanes)

    def heir(self, lane: int, home: int) -> int:
        """Where a row of a lane goes by the home of its id; one that was not at home there stays."""
        return home if home % self.lanes == lane else lane


async def fill(connection: Connection, split: Split, home: Home, progress: Progress) -> None:
    """Fill the new schema, which `replacement.prepare` has made for `split.into` lanes.

    Args:
        connection: of `replacement.prepare`, outside a transaction; nobody settles meanwhile.
        split: how many become how many.
        home: of ids, among `split.into` lanes.
        progress: told before each piece.

    Raises:
        SplitApartError: sums are not what they were.
    """
    for statement in ("make_homes", "make_homes_found", "make_strangers", "make_carry", "carry_terms"):
        await connection.execute(_SQL[statement])
    await connection.execute(_SQL["begin_lanes"], split.lanes)
    await connection.execute(_SQL["begin_relays"])
    await connection.execute(_SQL["carry_branches"])
    await connection.execute(_SQL["branch"], split.lanes)
    sizes = {row["name"]: row["bytes"] for row in await connection.fetch(_SQL["sizes"])}
    total, done = sum(sizes[table] for table in CARRIED), 0
    for lane in range(split.lanes):
        await connection.execute(_SQL["forget_homes"])
        for table, column in CARRIED.items():
            progress(table, done, total)
            if table in BY_KEY:
                await connection.execute(_SQL["forget_homes"])  # keys are no ids
            if table in BY_PARTY or table in BY_KEY:
                await _find_homes(connection, split, lane, table, home)
            await connection.execute(_SQL["carry"], table, column, lane)
            done += sizes[table] // split.lanes
        heirs = list(split.heirs(lane))
        await connection.execute(_SQL["sum_platform"], heirs, _PLATFORM, _GROWS_BY_DEBIT)
        await connection.execute(_SQL["begin_offsets"], heirs, lane)
    await connection.execute(_SQL["sum_untracked"])
    progress("all", total, total)
    apart = await connection.fetch(_SQL["apart"])
    if apart:
        found = "; ".join(f"{row['what']}: expected {row['expected']}, found {row['found']}" for row in apart)
        raise SplitApartError(f"sums over all lanes are not what they were, and nothing was changed: {found}")


async def _find_homes(connection: Connection, split: Split, lane: int, table: str, home: Home) -> None:
    """Note where the ids in a table are from now on, those that are not known yet."""
    by_key, column = table in BY_KEY, CARRIED[table]
    async with connection.transaction():
        found: list[tuple[str, int]] = []
        async for row in connection.cursor(_SQL["strangers"], table, column, lane, prefetch=IDS_AT_ONCE):
            name = name_in(bytes.fromhex(row["id"])) if by_key else row["id"]
            found.append((row["id"], lane if name is None else split.heir(lane, home(name))))
            if len(found) == IDS_AT_ONCE:
                await connection.copy_records_to_table("home", records=found, columns=("id", "lane"))
                found.clear()
        await connection.copy_records_to_table("home", records=found, columns=("id", "lane"))
    await connection.execute(_SQL["look_at_homes"])


def name_in(key: bytes | None) -> str | None:
    """The id that a record's key may be; None where it is none."""
    try:
        return None if key is None else key.decode()
    except UnicodeDecodeError:
        return None
