"""Processes forked from one that has imported all of postpay, which takes a processor 1.3 s, and tests start hundreds.

What is forked runs the command's own code, alone, and can be killed as any other.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

from cli import ENTRIES, main

FORKING = multiprocessing.get_context("forkserver")
FORKING.set_forkserver_preload(
    ["tests.command", *(entry.module for entry in ENTRIES.values()), "workers.worker", "workers.ops.endpoints"]
)


class ForkedWorker:
    """`postpay worker`, used like a `subprocess.Popen`.

    Args:
        directory: where it runs, in a session of its own.
        environment: of it.
        log: a file for its output.
    """

    def __init__(self, directory: Path, environment: Mapping[str, str], log: Path) -> None:
        log.write_bytes(b"")
        # Daemonic: one that a test has left running ends with the tests.
        self._process: BaseProcess = FORKING.Process(target=_work, args=(directory, environment, log), daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        pid = self._process.pid
        assert pid is not None, "it was started"
        return pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired("postpay worker", timeout or 0.0)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _work(directory: Path, environment: Mapping[str, str], log: Path) -> None:
    os.setsid()
    output = os.open(log, os.O_WRONLY)
    for standard in (1, 2):
        os.dup2(output, standard)
    become(["postpay", "worker"], directory, environment)


def become(argv: list[str], directory: Path, environment: Mapping[str, str]) -> None:
    """Go on as a command in this process, which is its own."""
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = argv
    main()
