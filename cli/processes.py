"""Real worker processes: `postpay worker`, started, killed and stopped as an operator would.

What drives the product shares it: the demo, the benchmarks and the tests.
"""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from devstack.ports import LOOPBACK
from devstack.process import Process, log_tail, wait_until
from workers.settings.model import PREFIX

POSTPAY = Path(sys.executable).with_name("postpay")
"""The command of the installation that runs now."""

READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 35.0
"""A worker gives itself 30 s (docs/operations.md)."""
ANSWER_TIMEOUT_S = 2.0


class WorkerFailedError(Exception):
    """A worker ended or did not become ready; the message has the end of its log."""


def environment_with(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with these settings by their names, and no other `POSTPAY_…` variable."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)} | dict(settings)


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """One worker in a process of its own, a child of this one. Its calls block; from a coroutine use a thread."""

    name: str
    child: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(cls, name: str, directory: Path, settings: Mapping[str, str]) -> Self:
        """Start it in the background, in a session of its own; it is not ready yet.

        Args:
            name: of its log, `NAME.log`.
            directory: of the log, and where it runs: a `.env` elsewhere is none of its business.
            settings: by their names; no other `POSTPAY_…` variable reaches it.
        """
        log = directory / f"{name}.log"
        # It takes a free port itself: one chosen here could be taken by another before the worker listens.
        settings = {"POSTPAY_OPS__HOST": LOOPBACK, "POSTPAY_OPS__PORT": "0", **settings}
        return cls(name, cls._started(directory, environment_with(settings), log), log)

    @staticmethod
    def _started(directory: Path, environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
        with log.open("wb") as output:
            return subprocess.Popen(
                [POSTPAY, "worker"],
                env=environment,
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process."""
        return self.child.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended, negative for a signal; None while it runs."""
        return self.child.poll()

    @property
    def is_running(self) -> bool:
        """Whether it is still there."""
        return self.exit_code is None

    @property
    def url(self) -> str | None:
        """Where its `/metrics` and `/readyz` are, as its log says; None until it listens."""
        with self.log.open("rb") as lines:
            for line in lines:
                if b'"ops endpoints"' in line and line.endswith(b"\n"):
                    said = json.loads(line)
                    return f"http://{said['host']}:{said['port']}"
        return None

    def tail(self) -> str:
        """The end of its log."""
        return log_tail(self.log)

    def readiness(self) -> str:
        """What it says of itself on `/readyz`: why it is not ready, if it is not."""
        return self._readyz()[1]

    def is_ready(self) -> bool:
        """Whether it is assigned and makes progress.

        Raises:
            WorkerFailedError: it has ended.
        """
        if not self.is_running:
            raise WorkerFailedError(f"{self.name} has ended; the end of {self.log}:\n{self.tail()}")
        return self._readyz()[0]

    def await_ready(self) -> None:
        """Wait until it settles.

        Raises:
            WorkerFailedError: it ended, or it takes longer than READY_TIMEOUT_S.
        """
        if not wait_until(self.is_ready, READY_TIMEOUT_S):
            raise WorkerFailedError(
                f"{self.name} is not ready after {READY_TIMEOUT_S:g} s; see {self.log}:\n{self.tail()}"
            )

    def send(self, number: signal.Signals) -> None:
        """Send a signal; one that has ended gets none."""
        self.child.send_signal(number)

    def kill(self) -> None:
        """SIGKILL: no time to finish anything."""
        self.child.kill()
        self.child.wait()

    def stop(self) -> bool:
        """SIGTERM, and wait; past STOP_TIMEOUT_S, kill it. Returns whether it ended by itself."""
        self.send(signal.SIGTERM)
        self.send(signal.SIGCONT)  # one that is paused would not see the request
        try:
            self.child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        return True

    def _readyz(self) -> tuple[bool, str]:
        url = self.url
        if url is None:
            return False, "it does not listen yet"
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=ANSWER_TIMEOUT_S) as answer:  # noqa: S310 - loopback
                return True, _text(answer.read())
        except urllib.error.HTTPError as refused:
            return False, _text(refused.read())
        except OSError as silent:
            return False, f"no answer: {silent}"


class Fleet:
    """The workers of one folder, found again by a later command through `workers.json`."""

    def __init__(self, directory: Path, settings: Mapping[str, str]) -> None:
        """Make the folder when it is absent.

        Args:
            directory: where logs and the list of workers are kept.
            settings: of the workers, by their names.
        """
        self._directory = directory
        self._settings = settings
        self.started = 0
        self.running: list[WorkerProcess] = []
        directory.mkdir(parents=True, exist_ok=True)

    def start(self) -> WorkerProcess:
        """Start one more worker in the background; it is not ready yet."""
        self.started += 1
        worker = WorkerProcess.start(f"worker-{self.started}", self._directory, self._settings)
        self.running.append(worker)
        self._remember()
        return worker

    def kill(self, worker: WorkerProcess) -> None:
        """End a worker as a power cut would."""
        worker.kill()
        self._forget(worker)

    def stop(self) -> list[WorkerProcess]:
        """Stop all side by side; returns those that had to be killed."""
        workers = [*self.running]
        for worker in workers:
            worker.send(signal.SIGTERM)
        stubborn = [worker for worker in workers if not worker.stop()]
        for worker in workers:
            self._forget(worker)
        return stubborn

    def _forget(self, worker: WorkerProcess) -> None:
        self.running.remove(worker)
        self._remember()

    def _remember(self) -> None:
        found = [Process.of(worker.pid) for worker in self.running]
        listed = [asdict(process) for process in found if process is not None]
        _list_of(self._directory).write_text(json.dumps(listed), encoding="utf-8")


def stop_left_over(directory: Path) -> None:
    """Stop workers that an earlier run in the folder has left, on purpose (`--keep`) or by being killed."""
    try:
        listed = json.loads(_list_of(directory).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    for entry in listed:
        Process(**entry).stop(signal.SIGTERM, STOP_TIMEOUT_S)
    _list_of(directory).unlink()


def _text(said: bytes) -> str:
    return said.decode(errors="replace").strip()


def _list_of(directory: Path) -> Path:
    return directory / "workers.json"
