import asyncio

import asyncpg
import pytest

from storage.database import connect, is_transient, open_pool

PERSISTENT = [
    ("SELECT 1 / 0", asyncpg.DivisionByZeroError),
    ("SELECT * FROM nothing_of_the_kind", asyncpg.UndefinedTableError),
    ("INSERT INTO lane (lane) SELECT lane FROM lane", asyncpg.PostgresError),
    ("SELEC 1", asyncpg.PostgresSyntaxError),
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
        await owner.execute("BEGIN")
        await owner.execute("SELECT FROM lane WHERE lane = 0 FOR UPDATE")
        await successor.execute("SELECT FROM lane WHERE lane = 0 FOR UPDATE")
        with pytest.raises(LOST) as raised:
            await owner.execute("COMMIT")
        assert is_transient(raised.value)
