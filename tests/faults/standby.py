"""A second Postgres that streams from a stack's, until it is promoted."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from devstack import ports
from devstack.installations import SHARED_DIRECTORY, of_wheel, server_account
from devstack.process import run, start_detached
from devstack.stack import Stack
from tests.platform import eventually


@asynccontextmanager
async def standby(stack: Stack) -> AsyncIterator[str]:
    """Start one, and let the stack's server wait for it at every COMMIT; its address among the DSN's hosts."""
    account = server_account()
    binaries = of_wheel().programs
    home = Path(tempfile.mkdtemp(prefix="standby-", dir=SHARED_DIRECTORY if account else None))
    if account:
        os.chown(home, account.pw_uid, account.pw_gid)
    port = ports.choose()
    log = home / "standby.log"
    process = None
    try:
        await asyncio.to_thread(
            run,
            [binaries / "pg_basebackup", "--dbname", stack.dsn, "--pgdata", home / "data", "--write-recovery-conf",
             "--checkpoint", "fast", "--no-sync"],
            account=account,
        )  # fmt: skip
        process = start_detached(
            [binaries / "postgres", "-D", home / "data", "-c", f"port={port}", "-c", "cluster_name=standby"],
            log,
            account=account,
        )
        primary = await asyncpg.connect(stack.dsn)
        try:
            await primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            await primary.execute("SELECT pg_reload_conf()")

            async def streams():
                return await primary.fetchval("SELECT sync_state = 'sync' FROM pg_stat_replication")

            await eventually(streams, state=lambda: log.read_text(errors="replace")[-2000:])
        finally:
            await primary.close()
        url = urlsplit(stack.dsn)
        yield urlunsplit(url._replace(netloc=f"{url.netloc.rpartition(':')[0]}:{port}"))
    finally:
        if process is not None:
            await asyncio.to_thread(process.stop, signal.SIGQUIT, 30.0)
        shutil.rmtree(home, ignore_errors=True)
