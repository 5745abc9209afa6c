"""The embedded Kafka and Postgres as real processes: started, found again, restarted, broken, stopped."""

import asyncio
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from confluent_kafka.admin import AdminClient, ConfigResource

from devstack import jars, ports, stack
from devstack.errors import DevstackError
from devstack.installations import server_account
from devstack.kafka import KafkaNode, cluster_id_at
from devstack.postgres import PostgresNode
from devstack.process import start_detached, wait_until

pytestmark = pytest.mark.timeout(180)


def command(*arguments, directory):
    return subprocess.run(
        [sys.executable, "-m", "devstack", *arguments, "--dir", str(directory)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(stack.__file__).parent.parent,
    )


@pytest.fixture
def folder():
    """A stack's folder; whatever runs there in the end is stopped and wiped."""
    with tempfile.TemporaryDirectory(prefix="postpay-test-") as name:
        yield Path(name)
        stack.down(Path(name), wipe=True)


@pytest.fixture(scope="module")
def started():
    """A running stack, started by a command that has ended since."""
    with tempfile.TemporaryDirectory(prefix="postpay-test-") as name:
        up = command("up", directory=name)
        assert up.returncode == 0, up.stderr
        yield stack.status(Path(name))
        stack.down(Path(name), wipe=True)


@pytest.fixture
def postgres(folder):
    """A Postgres on its own."""
    node = PostgresNode(folder)
    node.start()
    yield node
    node.stop()


@pytest.fixture
def busy_defaults():
    """Somebody else listens on 9092 and 5432."""
    ours = [
        socket.create_server((ports.LOOPBACK, port))
        for port in (*KafkaNode.default_ports.values(), *PostgresNode.default_ports.values())
        if port and ports.is_free(port)
    ]
    yield
    for server in ours:
        server.close()


async def topics_of(bootstrap):
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        return await admin.list_topics()
    finally:
        await admin.close()


async def query(dsn, statement):
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def test_both_outlive_the_command_that_started_them(started):
    assert started.is_running
    assert os.getsid(started.kafka_pid) != os.getsid(0)
    assert os.getsid(started.postgres_pid) != os.getsid(0)


def test_status_finds_them_from_another_process(started):
    found = command("status", "--json", directory=started.kafka.directory.parent)
    assert found.returncode == 0
    assert json.loads(found.stdout) == {
        "kafka": {"pid": started.kafka_pid, "bootstrap": started.bootstrap},
        "postgres": {"pid": started.postgres_pid, "dsn": started.dsn},
    }


def test_env_points_a_shell_at_them(started):
    printed = command("env", directory=started.kafka.directory.parent).stdout
    script = f"{printed}\n" + 'echo "$POSTPAY_KAFKA__BOOTSTRAP $POSTPAY_POSTGRES__DSN"'
    evaluated = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    assert evaluated.stdout.split() == [started.bootstrap, started.dsn]


def test_commands_for_one_folder_wait_for_each_other(started):
    folder = started.kafka.directory.parent
    waits = threading.Event()
    started.postgres.stop()
    with (folder / "lock").open() as lock, ThreadPoolExecutor() as pool:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = pool.submit(stack.up, folder, progress=lambda told: waits.set() if "waiting" in told else None)
        try:
            assert waits.wait(10)
            assert not wait_until(lambda: started.postgres.is_running, 2)
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)
        second.result()
    assert started.is_running


async def test_postgres_wants_the_password(started):
    wrong = started.dsn.replace(started.dsn.split(":")[2].split("@")[0], "wrong")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(wrong)


async def test_postgres_runs_in_utc_as_an_ordinary_user(started):
    assert await query(started.dsn, "SHOW timezone") == "UTC"
    assert await query(started.dsn, "SELECT current_database()") == "postpay"
    assert Path(f"/proc/{started.postgres_pid}").stat().st_uid != 0


def test_the_broker_is_set_as_the_workers_count_on(started):
    admin = AdminClient({"bootstrap.servers": started.bootstrap})
    ((_, answer),) = admin.describe_configs([ConfigResource(ConfigResource.Type.BROKER, "1")]).items()
    settings = {name: entry.value for name, entry in answer.result(timeout=10).items()}
    wanted = {
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "6000",
        "message.max.bytes": "1048588",
    }
    assert {name: settings[name] for name in wanted} == wanted


async def test_data_and_ports_stay_over_a_restart_and_go_with_fresh(folder, busy_defaults):
    first = stack.up(folder)
    assert first.kafka.port != 9092
    assert first.postgres.port != 5432
    admin = AIOKafkaAdminClient(bootstrap_servers=first.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic("kept", 2, 1)])
    await admin.close()
    await query(first.dsn, "CREATE TABLE kept AS SELECT 42 AS answer")
    pids = first.kafka_pid, first.postgres_pid

    stack.down(folder)
    assert (first.kafka_pid, first.postgres_pid) == (None, None)
    assert (folder / "kafka" / "data" / ".kafka_cleanshutdown").exists()
    down = command("status", "--json", directory=folder)
    assert (down.returncode, json.loads(down.stdout)) == (1, {"kafka": None, "postgres": None})

    second = stack.up(folder)
    assert (second.bootstrap, second.dsn) == (first.bootstrap, first.dsn)
    assert not {second.kafka_pid, second.postgres_pid} & set(pids)
    assert "kept" in await topics_of(second.bootstrap)
    assert await query(second.dsn, "SELECT answer FROM kept") == 42

    third = stack.up(folder, fresh=True)
    assert "kept" not in await topics_of(third.bootstrap)
    assert await query(third.dsn, "SELECT to_regclass('kept')") is None


async def test_a_killed_broker_and_a_crashed_database_come_back_with_their_data_where_they_were(started):
    await query(started.dsn, "CREATE TABLE committed AS SELECT 1")
    bootstrap, dsn = started.bootstrap, started.dsn
    started.kafka.kill()
    started.postgres.kill()
    assert (started.kafka_pid, started.postgres_pid) == (None, None)
    started.kafka.start()
    started.postgres.start()
    started.postgres.restart(mode="immediate")
    assert (started.bootstrap, started.dsn) == (bootstrap, dsn)
    await topics_of(bootstrap)
    assert await query(dsn, "SELECT count(*) FROM committed") == 1


def test_a_paused_broker_answers_nobody_until_it_is_resumed(started):
    identity = cluster_id_at(started.kafka.port)
    started.kafka.pause()
    try:
        assert cluster_id_at(started.kafka.port) is None
    finally:
        started.kafka.resume()
    assert cluster_id_at(started.kafka.port) == identity is not None


async def test_a_paused_database_answers_nobody_not_even_over_connections_that_are_there(started):
    connection = await asyncpg.connect(started.dsn)
    answering = asyncio.create_task(connection.fetchval("SELECT 42 FROM pg_sleep(0.1)"))
    started.postgres.pause()
    try:
        await asyncio.wait([answering], timeout=0.5)
        assert not answering.done()
    finally:
        started.postgres.resume()
    assert await answering == 42
    connection.terminate()
    started.postgres.pause()
    started.postgres.stop()
    started.postgres.start()
    assert await query(started.dsn, "SELECT 42") == 42


def test_one_that_cannot_start_is_told_with_its_log_and_the_other_is_stopped_again(folder, postgres):
    postgres.stop()
    (postgres._data / "PG_VERSION").write_text("9\n")
    with pytest.raises(DevstackError, match=r"(?s)postgres ended while it started.*not compatible"):
        stack.up(folder)
    assert stack.status(folder).kafka_pid is None


def test_a_pid_file_left_by_a_crash_does_not_stop_the_next_start(postgres):
    postgres.kill()
    # The crashed server's pid now belongs to another program of the same user.
    stranger = start_detached(["/bin/sleep", "60"], postgres.log, account=server_account())
    pid_file = postgres._data / "postmaster.pid"
    lines = pid_file.read_text().split("\n")
    pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]))
    try:
        postgres.start()
    finally:
        stranger.send(signal.SIGKILL)
    assert postgres.is_running


def test_a_database_that_another_server_still_serves_is_left_alone(postgres):
    pid = postgres.pid
    state = postgres._state
    postgres._remember(process=None)
    with pytest.raises(DevstackError, match=rf"another Postgres \(process {pid}\)"):
        postgres.start()
    state.write(postgres._state_file)
    assert postgres.is_running


def test_wiping_what_never_ran_is_nothing_to_do(folder):
    assert command("down", "--wipe", directory=folder).returncode == 0
    assert command("env", directory=folder).returncode == 1


def test_a_mistyped_folder_is_misuse(folder):
    (folder / "file").touch()
    assert command("up", directory=folder / "file").returncode == 2


def test_the_broker_is_the_version_the_lock_file_names(started):
    assert f"kafka-clients-{jars.kafka_version()}.jar" in Path(f"/proc/{started.kafka_pid}/cmdline").read_text()


def test_the_log_of_a_healthy_start_is_short(started):
    assert len(started.kafka.log.read_text().splitlines()) < 40
