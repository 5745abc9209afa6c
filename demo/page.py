"""The operators' page beside a demo that is kept: a console of its own, with two people who may log in."""

import json
import secrets
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cli.processes import POSTPAY, WorkerFailedError, WorkerProcess, environment_with
from console.access import Role
from console.login.passwords import hashed
from console.login.users import ConsoleUser, UsersFile
from devstack.ports import LOOPBACK
from devstack.process import Process, log_tail, wait_until

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0


@dataclass(frozen=True, slots=True)
class ServedPage:
    """A console that runs. `password` is that of both people: an operator, and who approves what they ask for."""

    address: str
    pid: int
    password: str
    people: Mapping[str, Role]


def serve(directory: Path, settings: Mapping[str, str], workers: Sequence[WorkerProcess]) -> ServedPage:
    """Start a console in the background; it is there when this returns.

    Args:
        directory: of its users file and its log.
        settings: of the workers, by their names.
        workers: asked for the states of their lanes.

    Raises:
        WorkerFailedError: it ended, or takes longer than START_TIMEOUT_S.
    """
    directory.mkdir(parents=True, exist_ok=True)
    password = secrets.token_urlsafe(12)
    people = {"mei": Role.OPERATOR, "chen": Role.APPROVER}
    users = UsersFile(directory / "users.json")
    for name, role in people.items():
        users.put(ConsoleUser(name, role, hashed(password)))
    own = {
        "POSTPAY_CONSOLE__HOST": LOOPBACK,
        "POSTPAY_CONSOLE__PORT": "0",
        "POSTPAY_CONSOLE__USERS_FILE": str(directory / "users.json"),
        "POSTPAY_CONSOLE__WORKERS": ",".join(urlsplit(each.url or "").netloc for each in workers),
    }
    log = directory / "console.log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            [POSTPAY, "console"],
            env=environment_with({**settings, **own}),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    process = Process.of(child.pid)
    if process is not None:
        _remembered(directory).write_text(json.dumps(asdict(process)), encoding="utf-8")
    wait_until(lambda: _address(log) is not None or child.poll() is not None, START_TIMEOUT_S)
    address = _address(log)
    if address is None:
        raise WorkerFailedError(f"the console did not start; the end of {log}:\n{log_tail(log)}")
    return ServedPage(address, child.pid, password, people)


def stop_left_over(directory: Path) -> None:
    """Stop a console that an earlier run has left."""
    try:
        left = json.loads(_remembered(directory).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    Process(**left).stop(signal.SIGTERM, STOP_TIMEOUT_S)
    _remembered(directory).unlink()


def _address(log: Path) -> str | None:
    with log.open("rb") as lines:
        for line in lines:
            if b'"console runs"' in line and line.endswith(b"\n"):
                return str(json.loads(line)["url"])
    return None


def _remembered(directory: Path) -> Path:
    return directory / "console.json"
