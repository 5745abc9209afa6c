"""Runs the bare loop (benchmarks/bare_loop.py) in a process of its own, and times its answers as postpay's are."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import databases
from benchmarks.cpu import ProcessorTime
from benchmarks.errors import BenchmarkError
from benchmarks.latency import Latency, SteadyRate, measure
from cli.embedded import settings_of
from devstack.places import project_directory
from devstack.stack import Stack
from workers.kafka import topics
from workers.settings.model import Settings

NAME = "bare"
END_TIMEOUT_S = 20.0


def floor_of_latency(
    stack: Stack, steady: Sequence[SteadyRate], log: Path, progress: Callable[[float], object]
) -> list[tuple[Latency, float]]:
    """What the bare loop needs for the same orders, on topics and a database of its own; and how many processors.

    Raises:
        BenchmarkError: it failed; its errors are in `log`.
    """
    settings = settings_of(stack, clock="wall", prefix=f"{NAME}.", database=NAME)
    asyncio.run(topics.create(settings))
    asyncio.run(databases.make_empty(stack, NAME))
    found: list[tuple[Latency, float]] = []
    with _bare_loop(settings, log) as pid:
        for orders in steady:
            with ProcessorTime(stack, loop=pid) as used:
                delays = measure(settings, orders, lambda share: progress((len(found) + share) / len(steady)))
            found.append((delays, used.cores))
    return found


@contextmanager
def _bare_loop(settings: Settings, log: Path) -> Iterator[int]:
    """Its process id, once it would answer."""
    command = [sys.executable, "-m", "benchmarks.bare_loop", settings.kafka.bootstrap, settings.topics.prefix]
    with log.open("wb") as errors:
        loop = subprocess.Popen(
            [*command, str(settings.lanes), settings.postgres.dsn],
            cwd=project_directory(),
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    try:
        if loop.stdout is None or loop.stdout.readline() != b"ready\n":
            raise BenchmarkError(f"the bare loop did not begin; see {log}")
        yield loop.pid
        if loop.poll() is not None:
            raise BenchmarkError(f"the bare loop has ended; see {log}")
    finally:
        loop.terminate()
        try:
            loop.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            loop.kill()
            loop.wait()
