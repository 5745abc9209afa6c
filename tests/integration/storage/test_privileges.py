import asyncpg
import pytest

from storage import operator_log
from storage.database import connect
from storage.operator_log import Action, Because, LogFilter, LogOutcome, Note
from storage.outbox import maintain
from storage.rows import TABLES
from tests.integration.storage.settling import StoredLane, Traffic, account
from tests.runbooks import accept_gap
from tests.unit.settlement.builders import opened

NOTE = Note(because=Because("me", "why"), action=Action.REDRIVE, subject="purchase/0/1", outcome=LogOutcome.DONE)

CHANGES = [
    "UPDATE {table} SET seq = seq + 1",
    "DELETE FROM {table}",
    "TRUNCATE {table}",
]


@pytest.fixture
async def settled(connection):
    """The test's database with a batch in it."""
    lane = StoredLane(connection)
    await lane.settle([lane.message(opened(), account("buyer"), "event")])
    return lane


async def become(connection, role: str) -> None:
    await connection.execute(f"SET ROLE {role}")


@pytest.mark.parametrize("table", ["decision", "posting", "decision_lane_0", "posting_lane_0"])
@pytest.mark.parametrize("change", CHANGES)
async def test_even_the_superuser_cannot_change_what_was_decided(settled, table, change):
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="decisions and postings are never changed"):
        await settled.connection.execute(change.format(table=table))


@pytest.mark.parametrize("role", ["postpay_worker", "postpay_ops", "postpay_auditor"])
@pytest.mark.parametrize("table", ["decision", "posting", "decision_lane_0"])
@pytest.mark.parametrize("change", CHANGES)
async def test_no_role_may_change_what_was_decided(settled, role, table, change):
    await become(settled.connection, role)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
        await settled.connection.execute(change.format(table=table))


async def test_a_worker_may_do_all_that_settling_takes(connection):
    await become(connection, "postpay_worker")
    lane = StoredLane(connection)
    traffic = Traffic(lane, accounts=20, merchants=5)
    await lane.settle(traffic.opening())
    for _ in range(4):
        lane.reject("purchase", b"not json")
        traffic.take_over(await lane.settle(traffic.mixed(50)))
    await maintain(connection)


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
async def test_a_worker_may_write_every_table_of_accounts_and_merchants_and_others_may_read_it(connection, table):
    allowed = {
        (role, privilege)
        for role in ("postpay_worker", "postpay_auditor", "postpay_ops")
        for privilege in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")
        if await connection.fetchval("SELECT has_table_privilege($1, $2, $3)", role, table.name, privilege)
    }
    reading = {(role, "SELECT") for role in ("postpay_worker", "postpay_auditor", "postpay_ops")}
    assert allowed == reading | {("postpay_worker", "INSERT"), ("postpay_worker", "UPDATE")}


@pytest.mark.parametrize("table", ["lane", "account", "outbox", "identity", "terms", "migration"])
async def test_a_worker_may_not_empty_a_table(settled, table):
    await become(settled.connection, "postpay_worker")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await settled.connection.execute(f"TRUNCATE {table}")


async def test_an_auditor_reads_everything_and_writes_nothing(settled):
    connection = settled.connection
    await become(connection, "postpay_auditor")
    tables = await connection.fetch(
        "SELECT oid::regclass::text AS name FROM pg_class"
        " WHERE relnamespace = 'postpay'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition"
    )
    assert len(tables) > 20
    for table in tables:
        await connection.fetch(f"SELECT * FROM {table['name']}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"DELETE FROM {table['name']}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"INSERT INTO {table['name']} DEFAULT VALUES")


async def test_somebody_without_a_role_reads_nothing(database):
    connection = await connect(database.dsn, application_name="test")
    await become(connection, "pg_monitor")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.fetch("SELECT * FROM postpay.account")
    await connection.close()


async def test_operators_write_the_operator_log_and_accept_gaps_and_no_more(settled):
    """One by one: what else there is, postpay_ops may only read."""
    connection = settled.connection
    tables = await connection.fetch(
        "SELECT oid::regclass::text AS name FROM pg_class"
        " WHERE relnamespace = 'postpay'::regnamespace AND relkind IN ('r', 'p')"
    )
    found = {
        (table["name"], privilege)
        for table in tables
        for privilege in ("INSERT", "UPDATE", "DELETE", "TRUNCATE")
        if await connection.fetchval("SELECT has_table_privilege('postpay_ops', $1, $2)", table["name"], privilege)
        or (
            privilege in {"INSERT", "UPDATE"}
            and await connection.fetchval(
                "SELECT has_any_column_privilege('postpay_ops', $1, $2)", table["name"], privilege
            )
        )
    }
    assert found == {("operator_log", "INSERT")}
    functions = await connection.fetch(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'postpay'::regnamespace AND prosecdef"
        " AND prorettype <> 'trigger'::regtype AND has_function_privilege('postpay_ops', oid, 'EXECUTE')"
    )
    assert [row["proname"] for row in functions] == ["accept_gap"]
    await become(connection, "postpay_ops")
    await accept_gap(connection, 0, "purchase", 4)
    assert (await operator_log.entries(connection, LogFilter(), 10))[0].action == "accept_gap"
    await operator_log.append(connection, [NOTE])


@pytest.mark.parametrize("role", ["postpay_worker", "postpay_auditor"])
async def test_nobody_else_accepts_a_gap_or_writes_the_operator_log(settled, role):
    await become(settled.connection, role)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="accept_gap"):
        await accept_gap(settled.connection, 0, "purchase", 4)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="operator_log"):
        await operator_log.append(settled.connection, [NOTE])
    assert await operator_log.entries(settled.connection, LogFilter(), 10) == []


@pytest.mark.parametrize("column", ["entry", "at", "database_user", "entry_hash"])
async def test_operators_make_up_nothing_that_is_the_databases_own(settled, column):
    await become(settled.connection, "postpay_ops")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
        await settled.connection.execute(
            f"INSERT INTO operator_log ({column}, operator, action, subject, outcome, reason)"
            " VALUES (NULL, 'me', 'redrive', 's', 'done', 'r')"
        )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE lane_offset SET next_offset = 100",
        "INSERT INTO lane_offset (lane, topic, next_offset) VALUES (0, 'purchase', 1)",
        "UPDATE untracked_payout SET amount_minor = 1",
        "UPDATE account SET limit_minor = 1",
    ],
)
async def test_operators_may_not(settled, statement):
    await become(settled.connection, "postpay_ops")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
        await settled.connection.execute(statement)


async def test_everything_belongs_to_the_owner_role(connection):
    owners = await connection.fetch(
        "SELECT DISTINCT relowner::regrole::text AS owner FROM pg_class"
        " WHERE relnamespace = 'postpay'::regnamespace AND relkind IN ('r', 'p')"
    )
    assert [row["owner"] for row in owners] == ["postpay_owner"]
