"""Background processes that outlive the command that started them and are found again by a later one."""

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from pwd import struct_passwd as Account  # noqa: N812 - what the rest of the world calls it

import psutil

from devstack.errors import DevstackError

# A start time is the boot time plus ticks since, and the boot time moves when the clock is set; a pid is not handed
# out again so soon.
START_TIME_TOLERANCE_S = 2.0
POLL_INTERVAL_S = 0.02
LOG_TAIL_LINES = 20


@dataclass(frozen=True, slots=True)
class Process:
    """A process as a state file can name it: the start time tells it from a later one with the same pid."""

    pid: int
    started_at: float

    @classmethod
    def of(cls, pid: int) -> "Process | None":
        """Name a process that runs now, or None when there is no such process."""
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return None

    @property
    def is_running(self) -> bool:
        """Whether it is still there; one that has ended but was not reaped is not.

        A killed process holds its ports until its last thread has gone, and its first one is often gone before.
        """
        try:
            found = psutil.Process(self.pid)
            same = abs(found.create_time() - self.started_at) < START_TIME_TOLERANCE_S
            return same and (found.status() != psutil.STATUS_ZOMBIE or found.num_threads() > 1)
        except psutil.NoSuchProcess:
            return False

    def send(self, signal_number: signal.Signals) -> None:
        """Send a signal to this process only, and to no other that has its pid by now."""
        if self.is_running:
            try:
                os.kill(self.pid, signal_number)
            except ProcessLookupError:
                return

    def stop(self, signal_number: signal.Signals, timeout_s: float) -> bool:
        """Ask it to end and wait; past the time-out, kill it. Returns whether it ended by itself."""
        self.send(signal_number)
        self.send(signal.SIGCONT)  # one that is paused would not see the request
        if wait_until(lambda: not self.is_running, timeout_s):
            return True
        self.send(signal.SIGKILL)
        if not wait_until(lambda: not self.is_running, timeout_s):
            msg = f"process {self.pid} does not end, not even by SIGKILL"
            raise DevstackError(msg)
        return False


def wait_until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Poll a condition; returns whether it came true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_INTERVAL_S)
    return True


def run(command: Sequence[str | Path], *, account: Account | None = None, text_input: str = "") -> None:
    """Run a command to its end, as another user when an account is given.

    Raises:
        DevstackError: it failed; the message has the end of what it printed.
    """
    finished = subprocess.run(
        [str(part) for part in command],
        check=False,
        input=text_input,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd="/",
        user=account and account.pw_uid,
        group=account and account.pw_gid,
        extra_groups=[] if account else None,
    )
    if finished.returncode:
        msg = f"{shlex.join(map(str, command))} failed with exit code {finished.returncode}:\n{_tail(finished.stdout)}"
        raise DevstackError(msg)


def start_detached(command: Sequence[str | Path], log: Path, *, account: Account | None = None) -> Process:
    """Start a command in a session of its own, its output added to a log file.

    A shell starts it in the background and ends, so that it is a child of init: closing this terminal does not end it,
    and whoever started it need not live to reap it.
    """
    with log.open("ab") as output:
        shell = subprocess.run(
            ["/bin/sh", "-c", '"$@" >&2 & echo $!', "sh", *map(str, command)],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
            cwd="/",
            start_new_session=True,
            user=account and account.pw_uid,
            group=account and account.pw_gid,
            extra_groups=[] if account else None,
        )
    pid = int(shell.stdout)
    # A command that ended at once, for want of a library say, still gets a name; it just isn't running.
    return Process.of(pid) or Process(pid, 0.0)


def log_tail(log: Path) -> str:
    """The last lines of a log, for an error message."""
    return _tail(log.read_text(encoding="utf-8", errors="replace")) if log.exists() else ""


def _tail(text: str) -> str:
    return "\n".join(text.rstrip().splitlines()[-LOG_TAIL_LINES:])
