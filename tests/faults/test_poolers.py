"""pgbouncer between a worker and its database: with a session for each client it serves, otherwise it is refused."""

import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from devstack import ports
from devstack.installations import server_account
from devstack.process import Process, start_detached
from tests.command import Command
from tests.debian import require_program
from tests.platform import Messages, eventually, platform

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(240)]

CONFIGURATION = """
[databases]
* = host={host} port={server_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = {mode}
"""

REFUSAL = (
    "POSTPAY_POSTGRES__DSN: expected a server, or a pooler with a session for each client (pgbouncer:"
    " pool_mode = session), got one that pools transactions"
)


@pytest.fixture(scope="session")
def pgbouncer() -> str:
    return require_program("pgbouncer", "pgbouncer")


@asynccontextmanager
async def pooling(program: str, dsn: str, mode: str) -> AsyncIterator[str]:
    """A pooler before the server of a DSN; the DSN by way of it."""
    url, port, account = urlsplit(dsn), ports.choose(), server_account()
    folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
    users, settings = folder / "users.txt", folder / "pgbouncer.ini"
    users.write_text(f'"{url.username}" "{url.password}"\n')
    settings.write_text(
        CONFIGURATION.format(host=url.hostname, server_port=url.port, port=port, users=users, mode=mode)
    )
    for path in (folder, users, settings):
        if account:
            os.chown(path, account.pw_uid, account.pw_gid)
    log = folder / "log"
    started: Process = start_detached([program, settings], log, account=account)
    through = urlunsplit(url._replace(netloc=f"{url.username}:{url.password}@127.0.0.1:{port}"))

    async def answers():
        try:
            await (await asyncpg.connect(through)).close()
        except (OSError, asyncpg.PostgresError):
            return False
        return True

    try:
        await eventually(answers, 30, lambda: log.read_text() if log.exists() else "")
        yield through
    finally:
        started.stop(signal.SIGQUIT, 10)
        shutil.rmtree(folder)


@pytest.mark.parametrize("mode", ["transaction", "statement"])
async def test_a_pooler_of_transactions_is_refused_in_one_line(mode, pgbouncer, stack, tmp_path):
    async with (
        platform(stack.bootstrap, stack.dsn, tmp_path) as made,
        pooling(pgbouncer, made.settings.postgres.dsn, mode) as through,
    ):
        migrating = Command(made.environment)("migrate", POSTPAY_POSTGRES__DSN=through)
        assert (migrating.code, migrating.complaint) == (2, f"error: {REFUSAL}")
        looking = Command(made.environment)("audit", "--as-of", "2026-01-01", POSTPAY_POSTGRES__DSN=through)
        assert (looking.code, looking.complaint) == (2, f"error: {REFUSAL}")
        worker = made.worker(POSTPAY_POSTGRES__DSN=through)
        assert await worker.ended() == 2
        assert REFUSAL in worker.log.read_text()


async def test_a_pooler_of_sessions_serves_a_migration_and_a_worker(pgbouncer, stack, tmp_path):
    async with (
        platform(stack.bootstrap, stack.dsn, tmp_path) as made,
        pooling(pgbouncer, made.settings.postgres.dsn, "session") as through,
    ):
        migrating = Command(made.environment)("migrate", POSTPAY_POSTGRES__DSN=through)
        assert migrating.code == 0, migrating.err
        worker = made.worker(POSTPAY_POSTGRES__DSN=through)
        messages = Messages()
        accounts = [f"acc-{number}" for number in range(20)]
        await made.send([messages.line_opened(account) for account in accounts])
        await made.send([messages.purchase_placed(account, f"order-{account}") for account in accounts])
        await made.settled(2 * len(accounts))
        assert await made.outcomes() == {"applied": 2 * len(accounts)}
        await made.require_sound()
        assert await worker.stopped() == 0
