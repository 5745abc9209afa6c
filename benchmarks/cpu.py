"""Processor time by part: on a machine that does other things as well, it tells more than the clock."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import psutil

from devstack.stack import Stack


class ProcessorTime:
    """Adds up what the worker or agent, Postgres and Kafka use while a `with` block runs, children included."""

    def __init__(self, stack: Stack, **others: int) -> None:
        """Name the processes to watch.

        Args:
            stack: both of its servers are watched.
            others: further processes by name.
        """
        self._pids = {**others, "Postgres": stack.postgres_pid or 0, "Kafka": stack.kafka_pid or 0}
        self._before: dict[str, float] = {}
        self.seconds: dict[str, float] = {}
        self.elapsed_s = 0.0
        self._began = 0.0

    def __enter__(self) -> Self:
        self._before = self._used()
        self._began = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.elapsed_s = time.perf_counter() - self._began
        self.seconds = {name: used - self._before.get(name, 0.0) for name, used in self._used().items()}

    @property
    def cores(self) -> float:
        """How many processors were busy meanwhile, with all of them together."""
        return sum(self.seconds.values()) / self.elapsed_s

    def _used(self) -> dict[str, float]:
        return {name: _family_seconds(pid) for name, pid in self._pids.items()}


def told(seconds: Mapping[str, float], messages: int) -> str:
    """Microseconds a message, by part."""
    return ", ".join(f"{name} {used / messages * 1e6:,.0f} µs" for name, used in seconds.items())


def cores(seconds: Mapping[str, float], elapsed_s: float) -> str:
    """How many processors each part kept busy."""
    return ", ".join(f"{name} {used / elapsed_s:.2f} cores" for name, used in seconds.items())


def _family_seconds(pid: int) -> float:
    """User and system time of a process, of the children it has and of those that ended."""
    try:
        process = psutil.Process(pid)
        own = process.cpu_times()
        used = own.user + own.system + own.children_user + own.children_system
        for child in process.children(recursive=True):
            times = child.cpu_times()
            used += times.user + times.system
    except psutil.NoSuchProcess:
        return 0.0
    return float(used)
