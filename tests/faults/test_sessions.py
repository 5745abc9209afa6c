"""The database stays and its sessions are of no use any more: read-only after a failover, or a changed password."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from devstack import stack as devstack
from storage.logins import LOGIN_AGAIN_S
from tests.command import Command
from tests.faults.load import Load
from tests.faults.standby import standby
from tests.faults.view import View
from tests.platform import Platform, eventually, platform

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(240)]

HEALED_WITHIN_S = 60.0
MOST_SAID = 2
"""Of a lane; the second time it may be its relay that has the lane's row."""
AWAY, BACK = "database away: the lane waits and tries again", "database is back"


@asynccontextmanager
async def under_load(made: Platform) -> AsyncIterator[Load]:
    """Input comes all the time; at the end all of it has got its effect, once."""
    load, enough = Load(made, random.Random(5), pause_s=0.2), asyncio.Event()
    await load.begin()
    loading = asyncio.create_task(load.run_until(enough))
    try:
        await more_settled(made)
        yield load
    finally:
        enough.set()
        await loading
    await made.settled(load.sent, within_s=HEALED_WITHIN_S)
    await load.require_each_effect_once()


async def more_settled(made: Platform) -> None:
    """Wait until something more is settled than now."""
    query = "SELECT coalesce(sum(settled_records), 0)::bigint FROM lane_offset"
    settled = await made.count(query)

    async def more():
        return await made.count(query) > settled

    await eventually(more, HEALED_WITHIN_S, made.state)


def require_said_once(view: View, begun: str) -> None:
    """The worker says once that it begins and once that it ends; a lane that waits, that it goes on."""
    assert len(view.lines(begun)) == len(view.lines("the database answers again")) == 1
    waited, went_on = (Counter(line["lane"] for line in view.lines(event)) for event in (AWAY, BACK))
    assert waited == went_on
    assert waited
    assert all(times <= MOST_SAID for times in waited.values()), waited


@pytest.fixture
async def own_stack(tmp_path):
    directory = Path(tmp_path / "stack")
    directory.mkdir()
    try:
        yield await asyncio.to_thread(devstack.up, directory)
    finally:
        await asyncio.to_thread(devstack.down, directory, wipe=True)


def both(primary: str, second: str) -> str:
    """A DSN of both hosts, for whichever takes writes."""
    url = urlsplit(primary)
    hosts = f"{url.netloc},{urlsplit(second).netloc.rpartition('@')[2]}"
    return urlunsplit(url._replace(netloc=hosts, query="target_session_attrs=read-write"))


async def test_after_a_failover_the_old_sessions_are_dropped_and_the_new_primary_is_used(own_stack, tmp_path):
    async with (
        standby(own_stack) as second,
        platform(own_stack.bootstrap, both(own_stack.dsn, second), tmp_path, POSTPAY_OPS__REFRESH_S="0.5") as made,
    ):
        worker = made.worker()
        view = View(worker)
        async with under_load(made):
            old = await asyncpg.connect(own_stack.dsn)
            # As one that was told to make way, and keeps its sessions.
            await old.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            await old.execute("SELECT pg_reload_conf()")
            await view.says("the database does not answer")
            await view.says("expected a server that is read-write, got a standby, or default_transaction_read_only is")
            assert await view.metric("postpay_database_up") == 0
            asked = await asyncio.to_thread(Command(made.environment), "lag")
            assert (asked.code, "got a standby" in asked.complaint) == (2, True)
            new = await asyncpg.connect(urlunsplit(urlsplit(second)._replace(path="/postgres")))
            assert await new.fetchval("SELECT pg_promote()")
            await new.close()
            await more_settled(made)
            await view.is_ready()
            left = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'postpay worker%'"
            await eventually(lambda: _is(old, left, 0))
            await old.close()
        require_said_once(view, "the database does not answer")
        assert await worker.stopped() == 0


async def _is(connection: asyncpg.Connection, query: str, value: object) -> bool:
    return await connection.fetchval(query) == value


@pytest.fixture
async def role(server):
    """A role that may do all, and its first password."""
    name = f"rotated_{uuid4().hex[:10]}"
    await server.execute(f"CREATE ROLE \"{name}\" SUPERUSER LOGIN PASSWORD 'first'")
    yield name
    await server.execute(f'DROP ROLE "{name}"')


@pytest.mark.parametrize("what", ["password", "login"])
async def test_a_worker_waits_while_its_log_in_is_refused_and_goes_on_when_it_is_not(
    what, stack, server, role, tmp_path
):
    secret = tmp_path / "password"
    secret.write_text("first\n")
    async with platform(stack.bootstrap, stack.dsn, tmp_path, POSTPAY_OPS__REFRESH_S="0.5") as made:
        url = urlsplit(made.settings.postgres.dsn)
        as_role = {
            "POSTPAY_POSTGRES__DSN": urlunsplit(url._replace(netloc=f"{role}@{url.hostname}:{url.port}")),
            "POSTPAY_POSTGRES__PASSWORD_FILE": str(secret),
        }
        worker = made.worker(**as_role)
        view = View(worker)
        log = stack.postgres.log
        async with under_load(made):
            refusal = await _refuse(what, server, role)
            await view.says(f"the database does not answer: {refusal}")
            assert await view.metric("postpay_database_up") == 0
            asked = await asyncio.to_thread(Command({**made.environment, **as_role}), "lag")
            assert (asked.code, refusal in asked.complaint) == (2, True)
            refused = log.read_text(errors="replace").count(refusal)
            again = asyncio.get_running_loop().time()
            await eventually(lambda: log.read_text(errors="replace").count(refusal) > refused)
            waited_s = asyncio.get_running_loop().time() - again
            assert waited_s > LOGIN_AGAIN_S / 2, "refused log-ins are tried again seldom"
            await _let_in(what, server, role, secret)
            await more_settled(made)
            await view.is_ready()
        require_said_once(view, "the database refuses the log-in")
        assert view.lines("the database refuses the log-in")[0]["error"] == refusal
        assert await worker.stopped() == 0


async def _refuse(what: str, server, role: str) -> str:
    """Let the role in no more, its present sessions included; what the server says then."""
    if what == "password":
        await server.execute(f"ALTER ROLE \"{role}\" PASSWORD 'second'")
        refusal = f'password authentication failed for user "{role}"'
    else:
        await server.execute(f'ALTER ROLE "{role}" NOLOGIN')
        refusal = f'role "{role}" is not permitted to log in'
    await server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'")
    return refusal


async def _let_in(what: str, server, role: str, secret: Path) -> None:
    if what == "password":
        secret.write_text("second\n")
    else:
        await server.execute(f'ALTER ROLE "{role}" LOGIN')
