"""The schema distributed by lane over the nodes of Citus: every lane's rows lie together on one node.

Written so that what was done is left alone: a run that ended half-way, and tables of later migrations, are taken up by
the next. Source: docs/storage.md, Past one machine.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from storage.database import Connection
from storage.queries import read
from storage.sessions import NODE_SETTINGS

_SQL = read("distribution")

REFERENCE_TABLES = frozenset({"identity", "migration", "terms"})
"""Tables that belong to no lane: small, whole on every node, and not written while lanes settle but for new terms."""

COORDINATORS_TABLES = frozenset({"operator_log"})
"""Tables that stay whole on the coordinator: its trigger gives numbers, times and hashes once, not once a node."""

COORDINATORS_FUNCTIONS = (
    "accept_gap",
    "chain_operator_log",
    "lock_operator_log",
    "note_end_of_dead_letter",
    "operator_log_hash",
    "refuse_change_of_log",
    "require_second_person",
)
"""What belongs to them."""

REFERRING_TO_LANES = ("lane_offset", "lane_relay")
"""Tables with a foreign key to `lane`."""

Progress = Callable[[str, int, int], None]
"""Told what is being moved, and how many bytes of how many are."""


def untold(_name: str, _done: int, _total: int) -> None:
    """Nobody watches."""


class DistributionError(Exception):
    """The database can't be distributed; says what was found and what to do."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the schema, `bytes` large; `method` is how it is distributed, empty when it is not."""

    id: int
    name: str
    of_lane: bool
    in_parts_by_lane: bool
    bytes: int
    method: str
    colocation: int


async def prepare(connection: Connection) -> None:
    """Find the nodes and let the owner of the schema reach them; before migrations, which run as that role.

    Raises:
        DistributionError: the extension is missing, or there is no node that can hold a lane.
    """
    if await connection.fetchval(_SQL["extension"]) is None:
        raise DistributionError(
            "the database has no extension citus; run CREATE EXTENSION citus in the database of this name on the"
            " coordinator and on every node"
        )
    nodes = await connection.fetch(_SQL["nodes"])
    away = [node["name"] for node in nodes if not node["active"]]
    if not nodes or away:
        raise DistributionError(
            f"expected active nodes that hold shards, got {', '.join(away) or 'none'}; add them with citus_add_node"
        )
    await connection.execute(_SQL["allow_owner_to_log_in"])


async def distribute(connection: Connection, progress: Progress) -> list[str]:
    """Distribute what is not distributed yet, with its rows; workers must not run where there are many.

    Args:
        connection: of a superuser, outside a transaction, of a database that is migrated.
        progress: told before each table and each part of one.

    Returns:
        The names of the tables that were.

    Raises:
        DistributionError: a table neither leads with lane nor is known to belong to none, or a node refuses a setting.
    """
    refused = await connection.fetch(_SQL["set_on_nodes"], [*NODE_SETTINGS], [*NODE_SETTINGS.values()])
    if refused:
        raise DistributionError(f"node {refused[0]['nodeid']} refuses a setting: {refused[0]['result']}")
    tables = await _tables(connection)
    waiting = {table.name: table for table in tables if not table.method and table.name not in COORDINATORS_TABLES}
    homeless = [table.name for table in waiting.values() if not table.of_lane and table.name not in REFERENCE_TABLES]
    if homeless:
        raise DistributionError(f"expected tables that lead with lane, got {', '.join(homeless)}")
    names = [*waiting]
    await connection.execute(_SQL["functions"], COORDINATORS_FUNCTIONS)
    meter = _Meter(progress, sum(table.bytes for table in waiting.values()))
    await _lanes_first(connection, tables, waiting, meter)
    if await connection.fetchval(_SQL["is_one_shard"]):
        nodes = [node["nodeid"] for node in await connection.fetch(_SQL["nodes"])]
        await connection.execute(_SQL["split"], nodes)
    for table in waiting.values():
        if table.in_parts_by_lane:
            await _flatten(connection, table, meter)
        else:
            meter.begin(table.name)
            async with connection.transaction():
                await connection.execute(_SQL["allow_triggers"])
                await connection.execute(_SQL["distribute" if table.of_lane else "reference"], table.name)
            await connection.execute(_SQL["forget_local_rows"], table.name)
            meter.end(table.bytes)
    await connection.execute(_SQL["reference_on_new_nodes"])
    meter.finish()
    return names


async def findings(connection: Connection, lanes: int) -> list[str]:
    """What is not as `distribute` leaves it, each with what to do; nothing when all is well."""
    if await connection.fetchval(_SQL["extension"]) is None:
        return ["the database has no extension citus; it is a plain Postgres"]
    found = [
        f"node {node['name']} is not active: see docs/runbooks/node-down.md"
        for node in await connection.fetch(_SQL["nodes"])
        if not node["active"]
    ]
    if not await connection.fetchval(_SQL["owner_may_log_in"]):
        found.append("postpay_owner may not log in, so migrations reach no node; run `postpay migrate --distributed`")
    tables = await _tables(connection)
    home = next((table.colocation for table in tables if table.name == "lane" and table.method == "h"), None)
    for table in tables:
        if table.name in COORDINATORS_TABLES:
            continue
        wanted = ("h", home) if table.of_lane else ("n", table.colocation)
        if (table.method, table.colocation) != wanted:
            how = "with its lanes" if table.of_lane else "whole to every node"
            found.append(f"table {table.name} is not distributed {how}; run `postpay migrate --distributed`")
    if home is not None:
        found += await _misplaced(connection, lanes)
    wanted_settings = [f"{name}={value}" for name, value in NODE_SETTINGS.items()]
    found += [
        f"the database on node {row['name']} lacks settings of a session; run `postpay migrate --distributed`"
        if row["answers"]
        else f"node {row['name']} does not answer: see docs/runbooks/node-down.md"
        for row in await connection.fetch(_SQL["unset_on_nodes"], wanted_settings)
    ]
    return found


async def is_distributed(connection: Connection) -> bool:
    """Whether lanes lie on nodes."""
    if await connection.fetchval(_SQL["extension"]) is None:
        return False
    return any(table.name == "lane" and table.method for table in await _tables(connection))


async def _misplaced(connection: Connection, lanes: int) -> list[str]:
    places = await connection.fetch(_SQL["places"], lanes)
    shared = [f"{lane['lane']}" for lane in places if Counter(each["shard"] for each in places)[lane["shard"]] > 1]
    found = [f"lanes {', '.join(shared)} share a shard and can only move together"] if shared else []
    by_node = Counter({node["name"]: 0 for node in await connection.fetch(_SQL["nodes"])})
    by_node.update(place["node"] for place in places)
    if max(by_node.values()) - min(by_node.values()) > 1:
        counts = ", ".join(f"{count} on {node}" for node, count in sorted(by_node.items()))
        found.append(f"lanes are not spread evenly: {counts}; see docs/runbooks/moving-lanes.md")
    return found


async def _tables(connection: Connection) -> list[Table]:
    known = {row["id"]: row for row in await connection.fetch(_SQL["distributed"])}
    tables = []
    for row in await connection.fetch(_SQL["tables"]):
        how = known.get(row["id"])
        if how is not None and how["method"] != "h" and how["replication"] != "t":
            how = None  # Citus keeps tables that reference one of all nodes in its books, too, and leaves them here
        tables.append(
            Table(
                id=row["id"],
                name=row["name"],
                of_lane=row["of_lane"],
                in_parts_by_lane=row["in_parts_by_lane"],
                bytes=row["bytes"],
                method=how["method"] if how is not None else "",
                colocation=how["colocation"] if how is not None else 0,
            )
        )
    return tables


async def _lanes_first(connection: Connection, tables: list[Table], waiting: dict[str, Table], meter: "_Meter") -> None:
    """The lanes' own rows and what refers to them, in one transaction: a reference to them outlives the move."""
    if "lane" not in waiting:
        return
    meter.begin("lane")
    keys = await connection.fetch(_SQL["foreign_keys"], [table.id for table in tables if table.of_lane])
    referring = [name for name in REFERRING_TO_LANES if name in waiting]
    async with connection.transaction():
        for key in keys:
            await connection.execute(key["undo"])
        if "terms" in waiting:
            await connection.execute(_SQL["reference"], "terms")
        await connection.execute(_SQL["distribute_lanes"])
        for name in referring:
            await connection.execute(_SQL["distribute"], name)
        for key in keys:
            await connection.execute(key["redo"])
    names = ["lane", "terms", *referring]
    for name in names:
        if name in waiting:
            await connection.execute(_SQL["forget_local_rows"], name)
            meter.end(waiting.pop(name).bytes)


async def _flatten(connection: Connection, table: Table, meter: "_Meter") -> None:
    """Move a table that has a part for each lane: as one, since a shard is a lane's part already."""
    meter.begin(table.name)
    async with connection.transaction():
        await connection.execute(_SQL["allow_triggers"])
        for row in await connection.fetch(_SQL["flat_copy"], table.name):
            await connection.execute(row["statement"])
        await connection.execute(_SQL["distribute"], f"{table.name}_flat")
        for part in await connection.fetch(_SQL["parts"], table.name):
            await connection.execute(part["copy"])
            meter.end(part["bytes"])
        for row in await connection.fetch(_SQL["take_place"], table.name):
            await connection.execute(row["statement"])


class _Meter:
    """Adds up what was moved."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._name = ""
        self._done = 0
        self._total = total

    def begin(self, name: str) -> None:
        self._name = name
        self._progress(name, self._done, self._total)

    def end(self, moved: int) -> None:
        self._done = min(self._done + moved, self._total)  # a table may have grown since its size was taken
        self._progress(self._name, self._done, self._total)

    def finish(self) -> None:
        self._progress(self._name, self._total, self._total)
