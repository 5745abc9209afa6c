"""What lets the schema be distributed by lane, held on a plain Postgres: docs/storage.md, Past one machine."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files

import pytest

from storage.distribution import COORDINATORS_TABLES, REFERENCE_TABLES
from storage.identity import bind
from storage.migrations import require_migrated
from storage.queries import read
from storage.sessions import _SETTINGS, _SQL

LANE = 5

OF_NO_LANE = {"approvals", "distribution", "identity", "migrations", "operator_log", "sessions"} | {
    *("recorded", "replacement", "as_of", "branches", "branching", "archive", "archiving"),
    "company",
}
"""Files about the database as a whole; the latter read it, replace it, show its past, split its lanes, archive it, and
settle several of its lanes at once, which workers do where it is not distributed."""
ACROSS_LANES = {"activity", "conflicts", "dead_letters", "figures", "payouts", "search", "suspense"}
"""Files that operators' commands and metrics send; so are those in folders."""
ACROSS_LANES_TOO = {
    "outbox": {"stale_turns", "empty_turn_0", "empty_turn_1", "empty_turn_2", "empty_turn_3"},
    "parked": {"newest", "groups"},
}
"""Single statements: what a worker does for all lanes once in a while, and lists for operators."""
WITHOUT_LANE_TABLES = {("write", "store_terms")}


def query_files() -> list[str]:
    root = files("storage").joinpath("sql", "queries")
    return sorted(str(path.relative_to(root)).removesuffix(".sql").replace("\\", "/") for path in root.rglob("*.sql"))


STATEMENTS = [(file, name) for file in query_files() if file not in OF_NO_LANE for name in read(file)]
OF_BATCHES = [
    (file, name)
    for file, name in STATEMENTS
    if "/" not in file and file not in ACROSS_LANES and name not in ACROSS_LANES_TOO.get(file, ())
]
VALUES = {
    "text": "{}",
    "int4": 1,
    "int8": 1,
    "numeric": 1,
    "bool": True,
    "jsonb": "{}",
    "date": date(2026, 1, 1),
    "interval": timedelta(days=1),
    "timestamptz": datetime(2026, 1, 1, tzinfo=UTC),
    "bytea": b"x",
}


async def plan(connection, statement: str) -> dict:
    """How a statement is done for the lane, with something in each parameter."""
    prepared = await connection.prepare(statement)
    kinds = prepared.get_parameters()
    arguments = [[] if kind.kind == "array" else VALUES[kind.name] for kind in kinds]
    if kinds and kinds[0].name == "int4":
        arguments[0] = LANE
    (explained,) = json.loads(await connection.fetchval(f"EXPLAIN (VERBOSE, FORMAT JSON) {statement}", *arguments))
    return explained["Plan"]


def nodes(node: dict) -> Iterator[dict]:
    yield node
    for child in node.get("Plans", ()):
        yield from nodes(child)


@pytest.fixture
async def lane_tables(connection) -> set[str]:
    """All tables that lead with lane, their parts included."""
    rows = await connection.fetch(
        "SELECT relname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum = 1"
        " WHERE relnamespace = 'postpay'::regnamespace AND relkind IN ('r', 'p') AND attname = 'lane'"
    )
    return {row["relname"] for row in rows}


def unnamed(node: dict) -> str | None:
    """What a node does to a table without saying which lane."""
    if node["Node Type"] == "ModifyTable":
        if node["Operation"] != "Insert":
            return None  # the rows come from a scan, which is looked at itself
        (source,) = [each for each in node["Plans"] if each["Parent Relationship"] == "Outer"]
        named = source["Output"][0] == str(LANE) or source["Output"][0].endswith(".lane")
        return None if named else f"inserts {source['Output'][0]} as lane"
    conditions = " ".join(node.get(key, "") for key in ("Index Cond", "Filter", "Recheck Cond", "TID Cond"))
    named = re.search(rf"\blane = {LANE}\b", conditions)
    return None if named else f"{node['Node Type']} by {conditions or 'nothing'}"


async def test_every_statement_of_a_batch_names_its_lane_on_every_table(connection, lane_tables):
    assert len(OF_BATCHES) > 50
    wrong = {}
    for file, name in OF_BATCHES:
        explained = await plan(connection, read(file)[name])
        found = [node for node in nodes(explained) if node.get("Relation Name") in lane_tables]
        if not found and (file, name) not in WITHOUT_LANE_TABLES:
            wrong[file, name] = "reads and writes no table of a lane: name its file in one of the lists above"
        wrong |= {(file, name, node["Relation Name"]): unnamed(node) for node in found if unnamed(node)}
    assert wrong == {}


async def test_a_statement_that_names_no_lane_is_found(connection, lane_tables):
    for statement in (
        "DELETE FROM timer USING (SELECT ctid FROM timer WHERE lane = $1::integer) AS t WHERE t.ctid = timer.ctid",
        "INSERT INTO lane_relay (lane) SELECT n FROM generate_series(1, $1::integer) AS n",
        "DELETE FROM timer WHERE due_at < now() AND $1::integer > 0",
    ):
        found = [node for node in nodes(await plan(connection, statement)) if node.get("Relation Name") in lane_tables]
        assert any(unnamed(node) for node in found), statement


@pytest.fixture
async def volatile(connection) -> re.Pattern:
    """A call of a function that may give something else each time."""
    rows = await connection.fetch("SELECT DISTINCT proname FROM pg_proc WHERE provolatile = 'v' AND prokind = 'f'")
    return re.compile(rf"\b({'|'.join(row['proname'] for row in rows)})\(")


async def test_what_changes_rows_calls_nothing_volatile(connection, volatile):
    called, changing = {}, set()
    for file, name in STATEMENTS:
        if read(file)[name].startswith("TRUNCATE"):
            continue
        explained = list(nodes(await plan(connection, read(file)[name])))
        if any(node["Node Type"] == "ModifyTable" for node in explained):
            changing.add(name)
            outputs = [each for node in explained for each in node.get("Output", ())]
            called[file, name] = [each for each in outputs if volatile.search(each)]
    assert {"finish", "claim", "relayed", "park", "account"} <= changing
    assert not any(called.values()), called


async def test_no_table_of_a_lane_fills_a_column_by_something_volatile_but_those_that_are_always_given(
    connection, volatile
):
    rows = await connection.fetch(
        "SELECT adrelid::regclass::text || '.' || attname AS name, pg_get_expr(adbin, adrelid) AS value"
        " FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum"
        " WHERE adrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'postpay'::regnamespace)"
    )
    found = {row["name"] for row in rows if volatile.search(row["value"])}
    kept_by_migrations = {"identity.database_id", "identity.created_at", "migration.applied_at"}
    assert found - kept_by_migrations == {"terms.stored_at", "batch.committed_at"}


async def test_every_table_leads_with_lane_or_is_known_to_belong_to_none(connection, lane_tables):
    rows = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'postpay'::regnamespace AND relkind IN ('r', 'p')"
    )
    assert {row["relname"] for row in rows} - lane_tables == REFERENCE_TABLES | COORDINATORS_TABLES


async def test_every_unique_index_and_foreign_key_of_a_lane_contains_the_lane(connection, lane_tables):
    rows = await connection.fetch(
        """
        SELECT indexrelid::regclass::text AS name, indrelid::regclass::text AS owner, 1 = ANY(indkey) AS holds_lane
        FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
        WHERE relnamespace = 'postpay'::regnamespace AND indisunique
        UNION ALL
        SELECT conname, conrelid::regclass::text, 1 = ANY(conkey) AND 1 = ANY(confkey)
        FROM pg_constraint
        WHERE contype = 'f' AND connamespace = 'postpay'::regnamespace AND confrelid::regclass::text <> ALL($1)
        """,
        [*REFERENCE_TABLES, *COORDINATORS_TABLES],
    )
    assert len(rows) > 40
    assert [row["name"] for row in rows if row["owner"] in lane_tables and not row["holds_lane"]] == []


async def test_there_is_no_sequence(connection):
    assert (
        await connection.fetch(
            "SELECT relname FROM pg_class WHERE relkind = 'S' AND relnamespace = 'postpay'::regnamespace"
        )
        == []
    )


async def test_a_worker_of_a_bound_database_writes_nothing_when_it_starts(connection):
    await bind(connection, "cluster", "", "postpay")
    async with connection.transaction():
        await require_migrated(connection)
        await bind(connection, "cluster", "", "postpay")
        assert await connection.fetchval("SELECT pg_current_xact_id_if_assigned()") is None


async def test_the_settings_of_citus_mean_nothing_here_and_anybody_may_set_them(connection):
    assert await connection.fetchval("SELECT count(*) FROM pg_extension WHERE extname = 'citus'") == 0
    await connection.execute("SET ROLE postpay_auditor")
    await connection.execute(_SQL["set_up"], [*_SETTINGS], [*_SETTINGS.values()])
    await connection.execute("SELECT count(*) FROM account")
