import asyncio
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from storage.database import borrowed, connect, first_line, is_transient, open_pool
from storage.sessions import NoServerError, Sessions

PERSISTENT = [
    ("SELECT 1 / 0", asyncpg.DivisionByZeroError),
    ("SELECT * FROM nothing_of_the_kind", asyncpg.UndefinedTableError),
    ("INSERT INTO lane (lane) SELECT lane FROM lane", asyncpg.PostgresError),
    ("SELEC 1", asyncpg.PostgresSyntaxError),
    # 55000, as a closed database says it, but of a statement.
    ("SELECT lastval()", asyncpg.ObjectNotInPrerequisiteStateError),
    (
        "DO $$ BEGIN RAISE 'a trigger could say this' USING ERRCODE = '55000'; END $$",
        asyncpg.ObjectNotInPrerequisiteStateError,
    ),
]


@dataclass(frozen=True)
class Refusal:
    """Why the server lets a role into no session, and whether waiting helps."""

    sqlstate: str
    passes: bool
    because: tuple[str, ...] = ()
    right_password: bool = True
    right_database: bool = True


REFUSED = [
    pytest.param(refusal, id=what)
    for what, refusal in {
        "closed": Refusal("55000", passes=True, because=('ALTER DATABASE "{database}" ALLOW_CONNECTIONS false',)),
        "database_full": Refusal("53300", passes=True, because=('ALTER DATABASE "{database}" CONNECTION LIMIT 0',)),
        "role_full": Refusal("53300", passes=True, because=('ALTER ROLE "{role}" CONNECTION LIMIT 0',)),
        "no_login": Refusal("28000", passes=True, because=('ALTER ROLE "{role}" NOLOGIN',)),
        "no_right": Refusal("42501", passes=True, because=('REVOKE CONNECT ON DATABASE "{database}" FROM PUBLIC',)),
        "wrong_password": Refusal("28P01", passes=True, right_password=False),
        "no_database": Refusal("3D000", passes=False, right_database=False),
    }.items()
]

# What asyncpg raises depends on how far it had got with the answer when the connection went.
LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


@pytest.mark.parametrize(("statement", "error"), PERSISTENT)
async def test_a_wrong_statement_does_not_get_right_by_waiting(connection, statement, error):
    with pytest.raises(error) as raised:
        await connection.execute(statement)
    assert not is_transient(raised.value)


async def test_a_value_that_does_not_fit_does_not_get_right_by_waiting(connection):
    with pytest.raises(asyncpg.DataError) as raised:
        await connection.fetchval("SELECT $1::bigint", 2**63)
    assert not is_transient(raised.value)


UNTOLD = "99999999999"


@pytest.mark.parametrize(
    ("statement", "values", "told"),
    [
        ("SELECT $1::int", [int(UNTOLD)], "invalid input for query argument $1"),
        (f"SELECT '{UNTOLD}'::int", [], 'value "…" is out of range for type integer'),
        (f"SELECT 'a{UNTOLD}'::int", [], "invalid input syntax for type integer"),
        (
            f"INSERT INTO lane_offset (lane, topic) VALUES (0, '{UNTOLD}')",
            [],
            'null value in column "next_offset" of relation "lane_offset" violates not-null constraint',
        ),
    ],
)
async def test_what_is_told_of_an_error_names_no_value(connection, statement, values, told):
    with pytest.raises(asyncpg.PostgresError) as raised:
        await connection.execute(statement, *values)
    assert UNTOLD in str(raised.value)
    assert first_line(raised.value) == told


async def test_a_wrong_address_does_not_get_right_by_waiting():
    with pytest.raises(asyncpg.ClientConfigurationError) as raised:
        await connect("mysql://127.0.0.1/postpay", application_name="test")
    assert not is_transient(raised.value)


async def test_a_lost_connection_passes(connection, pool):
    pid = connection.get_server_pid()
    async with pool.acquire() as other:
        await other.execute("SELECT pg_terminate_backend($1)", pid)
    with pytest.raises(LOST) as raised:
        await connection.fetchval("SELECT 1")
    assert is_transient(raised.value)
    with pytest.raises(LOST) as raised:
        await connection.fetchval("SELECT 1")
    assert is_transient(raised.value)


async def test_a_server_that_is_away_passes(stack):
    with pytest.raises(ConnectionRefusedError) as raised:
        await connect("postgresql://postgres@127.0.0.1:1/postpay", application_name="test")
    assert is_transient(raised.value)


@pytest.fixture
async def guest(server):
    """A role that may log in and no more, its password, and the server's address."""
    role, password = f"guest_{uuid4().hex}", "hidden"
    await server.execute(f"CREATE ROLE \"{role}\" LOGIN PASSWORD '{password}'")
    yield role, password, urlsplit(server.dsn)
    await server.execute(f'DROP ROLE "{role}"')


@pytest.mark.parametrize("refusal", REFUSED)
async def test_what_a_refused_connection_means(refusal, guest, empty_database, server):
    role, password, address = guest
    for statement in refusal.because:
        await server.execute(statement.format(role=role, database=empty_database.name))
    host = f"{role}:{password if refusal.right_password else 'wrong'}@{address.hostname}:{address.port}"
    name = empty_database.name if refusal.right_database else "nothing_of_the_kind"
    with pytest.raises(asyncpg.PostgresError) as raised:
        await connect(f"postgresql://{host}/{name}", application_name="test")
    assert (raised.value.sqlstate, is_transient(raised.value)) == (refusal.sqlstate, refusal.passes)


async def test_a_pool_whose_database_is_closed_passes_and_works_again_once_it_is_open(empty_database, server):
    pool = await open_pool(empty_database.dsn, application_name="test", max_size=1)
    try:
        await server.execute(f'ALTER DATABASE "{empty_database.name}" ALLOW_CONNECTIONS false')
        await pool.expire_connections()
        with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError) as raised:
            await pool.fetchval("SELECT 1")
        assert is_transient(raised.value)
        await server.execute(f'ALTER DATABASE "{empty_database.name}" ALLOW_CONNECTIONS true')
        assert await pool.fetchval("SELECT 1") == 1
    finally:
        pool.terminate()


async def test_sessions_that_are_read_only_do_not_go_back_to_the_pool(dsn):
    pool = await open_pool(dsn, application_name="test", max_size=2)
    try:
        async with pool.acquire() as first, pool.acquire() as second:
            for session in (first, second):  # as after a fail-over that they outlived
                await session.execute("SET default_transaction_read_only = on")
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError) as raised:
            async with borrowed(pool) as connection:
                await connection.execute("UPDATE lane SET owner = 'me'")
        assert is_transient(raised.value)
        async with borrowed(pool) as first, borrowed(pool) as second:
            for session in (first, second):
                assert await session.execute("UPDATE lane SET owner = 'me' WHERE false") == "UPDATE 0"
    finally:
        pool.terminate()


async def test_a_session_that_may_work_goes_back_to_the_pool(dsn):
    pool = await open_pool(dsn, application_name="test", max_size=1)
    try:
        async with borrowed(pool) as connection:
            pid = connection.get_server_pid()
        for statement in ("SELECT 1 / 0", "SELECT * FROM nothing_of_the_kind"):
            with pytest.raises(asyncpg.PostgresError):
                async with borrowed(pool) as connection:
                    await connection.execute(statement)
        async with borrowed(pool) as connection:
            assert connection.get_server_pid() == pid
    finally:
        pool.terminate()


async def test_a_host_that_is_gone_without_a_word_leaves_time_for_the_next_and_is_tried_last_from_then_on(dsn):
    asked = []

    async def say_nothing(reader, writer):
        asked.append(await reader.read(1))
        await reader.read()  # until the client has given up
        writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    url = urlsplit(dsn)
    gone = f"{url.username}:{url.password}@127.0.0.1:{silent.sockets[0].getsockname()[1]}"
    two = urlunsplit(url._replace(netloc=f"{gone},{url.hostname}:{url.port}"))
    sessions = Sessions(two, None, application_name="test", for_writing=True)
    try:
        for _ in range(2):
            opened = await sessions.open()
            assert await opened.fetchval("SELECT 1") == 1
            await opened.close()
        assert len(asked) == 1
    finally:
        silent.close()


async def test_hosts_that_are_all_away_are_named_each_with_its_reason():
    sessions = Sessions("postgresql://a@127.0.0.1:1,127.0.0.1:2/x", None, application_name="test", for_writing=False)
    with pytest.raises(NoServerError, match=r"^127\.0\.0\.1:1: .*; 127\.0\.0\.1:2: ") as raised:
        await sessions.open()
    assert is_transient(raised.value)


async def test_a_cancelled_statement_and_a_time_out_pass(connection, pool):
    with pytest.raises(TimeoutError) as raised:
        await connection.execute("SELECT pg_sleep(5)", timeout=0.05)
    assert is_transient(raised.value)
    await connection.execute("SET statement_timeout = '20ms'")
    with pytest.raises(asyncpg.QueryCanceledError) as raised:
        await connection.execute("SELECT pg_sleep(5)")
    assert is_transient(raised.value)


async def test_a_deadlock_and_a_lock_held_too_long_pass(pool):
    async with pool.acquire() as first, pool.acquire() as second:
        await first.execute("SET deadlock_timeout = '20ms'")
        await second.execute("SET deadlock_timeout = '20ms'")

        async def lock_both(connection, lanes, other_has_one):
            async with connection.transaction():
                await connection.execute("SELECT FROM lane WHERE lane = $1 FOR UPDATE", lanes[0])
                await other_has_one.wait()
                await connection.execute("SELECT FROM lane WHERE lane = $1 FOR UPDATE", lanes[1])

        both = asyncio.Barrier(2)
        errors = await asyncio.gather(
            lock_both(first, (0, 1), both), lock_both(second, (1, 0), both), return_exceptions=True
        )
        (deadlock,) = [error for error in errors if error is not None]
        assert isinstance(deadlock, asyncpg.DeadlockDetectedError) and is_transient(deadlock)
        async with first.transaction():
            await first.execute("SELECT FROM lane FOR UPDATE")
            await second.execute("SET lock_timeout = '20ms'")
            with pytest.raises(asyncpg.LockNotAvailableError) as raised:
                await second.execute("SELECT FROM lane FOR UPDATE")
            assert is_transient(raised.value)


async def test_every_session_of_a_pool_is_set_up(dsn):
    pool = await open_pool(dsn, application_name="postpay worker", max_size=2)
    async with pool.acquire() as connection:
        for name, value in {
            "application_name": "postpay worker",
            "search_path": "postpay",
            "plan_cache_mode": "force_custom_plan",
            "jit": "off",
            "TimeZone": "UTC",
            "idle_in_transaction_session_timeout": "10s",
            "lock_timeout": "5s",
            "synchronous_commit": "on",
        }.items():
            assert await connection.fetchval("SELECT current_setting($1)", name) == value, name
    await pool.close()


async def test_a_session_idle_in_a_transaction_is_ended_and_lets_go(pool):
    async with pool.acquire() as owner, pool.acquire() as successor:
        await owner.execute("SET idle_in_transaction_session_timeout = '50ms'")
        # In one go: on a slow machine the session would end between the two.
        await owner.execute("BEGIN; SELECT FROM lane WHERE lane = 0 FOR UPDATE")
        await successor.execute("SELECT FROM lane WHERE lane = 0 FOR UPDATE")
        with pytest.raises(LOST) as raised:
            await owner.execute("COMMIT")
        assert is_transient(raised.value)
