"""Real worker processes: `postpay worker`, started, killed and stopped as an operator would."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from devstack import ports
from devstack.process import Process, log_tail, wait_until
from workers.settings.model import PREFIX

READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 35.0
"""A worker gives itself 30 s (docs/operations.md)."""


class WorkerFailedError(Exception):
    """A worker ended or did not become ready; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """One worker, known by its process and its ops port."""

    name: str
    process: Process
    port: int
    log: Path

    @property
    def url(self) -> str:
        """Where its `/metrics` and `/readyz` are."""
        return f"http://{ports.LOOPBACK}:{self.port}"

    def is_ready(self) -> bool:
        """Whether it is assigned and makes progress.

        Raises:
            WorkerFailedError: it has ended.
        """
        if not self.process.is_running:
            raise WorkerFailedError(f"{self.name} has ended; the end of {self.log}:\n{log_tail(self.log)}")
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer:  # noqa: S310 - loopback
                return bool(answer.status == 200)  # noqa: PLR2004 - OK
        except (urllib.error.URLError, OSError):
            return False

    def says(self) -> str:
        """What it says of itself on `/readyz`: why it is not ready, if it is not."""
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer:  # noqa: S310 - loopback
                return _text(answer.read())
        except urllib.error.HTTPError as refused:
            return _text(refused.read())
        except OSError as silent:
            return f"no answer: {silent}"

    def await_ready(self) -> None:
        """Wait until it settles.

        Raises:
            WorkerFailedError: it ended, or it takes longer than READY_TIMEOUT_S.
        """
        if not wait_until(self.is_ready, READY_TIMEOUT_S):
            tail = log_tail(self.log)
            raise WorkerFailedError(f"{self.name} is not ready after {READY_TIMEOUT_S:g} s; see {self.log}:\n{tail}")

    def kill(self) -> None:
        """SIGKILL: no time to finish anything."""
        self.process.send(signal.SIGKILL)
        wait_until(lambda: not self.process.is_running, STOP_TIMEOUT_S)

    def stop(self) -> bool:
        """SIGTERM, and wait. Returns whether it ended by itself."""
        return self.process.stop(signal.SIGTERM, STOP_TIMEOUT_S)


class Fleet:
    """The workers of one folder, found again by a later command through `workers.json`."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        """Make the folder when it is absent.

        Args:
            directory: where logs and the list of workers are kept.
            environment: settings of the workers; no other `POSTPAY_…` variable reaches them.
        """
        self._directory = directory
        self._environment = environment
        self.started = 0
        self.running: list[WorkerProcess] = []
        directory.mkdir(parents=True, exist_ok=True)

    def start(self) -> WorkerProcess:
        """Start one more worker in the background, in a session of its own; it is not ready yet."""
        self.started += 1
        name = f"worker-{self.started}"
        log = self._directory / f"{name}.log"
        port = ports.choose()
        environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        environment |= self._environment
        environment |= {"POSTPAY_OPS__HOST": ports.LOOPBACK, "POSTPAY_OPS__PORT": str(port)}
        with log.open("wb") as output:
            child = subprocess.Popen(
                [*postpay_command(), "worker"],
                env=environment,
                cwd=self._directory,  # a `.env` elsewhere is none of its business
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        worker = WorkerProcess(name, Process.of(child.pid) or Process(child.pid, time.time()), port, log)
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
            worker.process.send(signal.SIGTERM)
        stubborn = [worker for worker in workers if not worker.stop()]
        for worker in workers:
            self._forget(worker)
        return stubborn

    def _forget(self, worker: WorkerProcess) -> None:
        self.running.remove(worker)
        self._remember()

    def _remember(self) -> None:
        listed = [asdict(worker.process) for worker in self.running]
        _list_of(self._directory).write_text(json.dumps(listed), encoding="utf-8")


def postpay_command() -> list[str]:
    """The command `postpay` of the installation that runs now."""
    return [str(Path(sys.executable).with_name("postpay"))]


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
