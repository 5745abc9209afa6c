"""What both servers have in common: a folder, a state file, a process that is found again, faults for tests."""

import contextlib
import json
import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import psutil

from devstack import ports
from devstack.errors import DevstackError
from devstack.process import Process, log_tail, wait_until

Progress = Callable[[str], None]

# Between choosing a free port and listening there another program may take it.
START_ATTEMPTS = 3


def silent(_message: str) -> None:
    """Report progress to nobody."""


@dataclass(frozen=True, slots=True)
class NodeState:
    """What a later command needs to find a server again, or to start it where it was."""

    process: Process | None = None
    ports: dict[str, int] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "NodeState":
        """Read a state file; an absent one is a server that never ran."""
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls()
        process = stored["process"]
        return cls(Process(**process) if process else None, stored["ports"], stored["details"])

    def write(self, path: Path) -> None:
        """Replace the state file as a whole, so that a reader never sees half of it. It holds a password."""
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(".new")
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(asdict(self), file)
        scratch.replace(path)


class Node(ABC):
    """One server in the background, kept in a folder of its own.

    Nothing here locks: `devstack.stack` lets one `up` or `down` at a time into a folder.
    """

    name: ClassVar[str]
    # What to listen on by default, by purpose; a port of None has no default. The first is the clients' port.
    default_ports: ClassVar[dict[str, int | None]]
    start_timeout_s: ClassVar[float]
    stop_timeout_s: ClassVar[float]
    stop_signal: ClassVar[signal.Signals]

    def __init__(self, stack_directory: Path) -> None:
        """Look at what is kept under the stack's folder; starts nothing."""
        self.directory = stack_directory.resolve() / self.name
        self._state_file = self.directory / "state.json"

    @property
    def _state(self) -> NodeState:
        """As it is now: another command may have restarted the server since this object was made."""
        return NodeState.read(self._state_file)

    @property
    def log(self) -> Path:
        """What the server printed since its last start."""
        return self.directory / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        """The server's process, or None when it doesn't run."""
        process = self._state.process
        return process.pid if process and process.is_running else None

    @property
    def is_running(self) -> bool:
        """Whether its process is there; a paused one is."""
        return self.pid is not None

    @property
    def port(self) -> int:
        """The clients' port: of this run, or the last one when it is stopped."""
        return self._state.ports[next(iter(self.default_ports))]

    def start(self, progress: Progress = silent) -> None:
        """Start it and wait until it answers; nothing to do when it does already. It keeps its ports if they are free.

        Raises:
            DevstackError: it ended, or did not answer in time; the message has the end of its log.
        """
        if self.is_running:
            self.resume()
            self._await_answer()
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        self._prepare(progress)
        progress(f"starting {self.name}")
        for _ in range(START_ATTEMPTS):
            self._choose_ports()
            if self.log.exists():
                self.log.replace(self.log.with_suffix(".previous.log"))
            self._remember(process=self._launch())
            if self._await_answer(lost_port_is_fatal=False):
                return
        raise DevstackError(self._death_notice())

    def stop(self) -> None:
        """Stop it gracefully and wait for its end; kills it past `stop_timeout_s`."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """End it without warning, as a crash or a power cut would (SIGKILL), its child processes with it."""
        process = self._state.process
        if process is None or not process.is_running:
            return
        children = psutil.Process(process.pid).children(recursive=True)
        process.send(signal.SIGKILL)
        for child in children:
            if child.is_running():
                child.kill()
        psutil.wait_procs(children, timeout=self.stop_timeout_s)
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Freeze it and its child processes (SIGSTOP): its connections stay open and nothing answers."""
        self._send_to_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused one go on (SIGCONT)."""
        self._send_to_all(signal.SIGCONT)

    @abstractmethod
    def wipe(self) -> None:
        """Remove its data; it must not run."""

    @abstractmethod
    def _prepare(self, progress: Progress) -> None:
        """Fetch and set up what the first start needs; nothing to do later on."""

    @abstractmethod
    def _launch(self) -> Process:
        """Write the configuration for the chosen ports and start the process."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether this very server, not another on its port, serves clients."""

    def _choose_ports(self) -> None:
        last = self._state.ports
        chosen = {purpose: ports.choose(last.get(purpose), default) for purpose, default in self.default_ports.items()}
        self._remember(ports=chosen)

    def _await_answer(self, *, lost_port_is_fatal: bool = True) -> bool:
        """Wait for an answer; False when another program took a port meanwhile and that is not fatal."""
        came_to_an_end = wait_until(lambda: self._answers() or not self.is_running, self.start_timeout_s)
        if not came_to_an_end:
            msg = (
                f"{self.name} (process {self.pid}) does not answer on port {self.port} after "
                f"{self.start_timeout_s:.0f} s; the end of {self.log}:\n{log_tail(self.log)}"
            )
            raise DevstackError(msg)
        if self.is_running:
            return True
        if lost_port_is_fatal or all(map(ports.is_free, self._state.ports.values())):
            raise DevstackError(self._death_notice())
        return False

    def _death_notice(self) -> str:
        return f"{self.name} ended while it started; the end of {self.log}:\n{log_tail(self.log)}"

    def _send_to_all(self, signal_number: signal.Signals) -> None:
        """Signal the server, then its children: a server that is frozen makes no more of them."""
        process = self._state.process
        if process is None or not process.is_running:
            return
        process.send(signal_number)
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.send_signal(signal_number)

    def _end(self, signal_number: signal.Signals) -> None:
        if process := self._state.process:
            self.resume()  # children that are paused would not end
            process.stop(signal_number, self.stop_timeout_s)
            self._remember(process=None)

    def _remember(self, **changes: Any) -> None:
        """Change fields of the state file."""
        self.directory.mkdir(parents=True, exist_ok=True)
        replace(self._state, **changes).write(self._state_file)
