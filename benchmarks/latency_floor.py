"""Runs the bare loop (benchmarks/bare_loop.py) in a process of its own, and times its answers as postpay's are."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import databases
from benchmarks.errors import BenchmarkError
from benchmarks.latency import Latency, SteadyRate, measure
from cli.embedded import settings_of
from devstack.places import project_directory
from devstack.stack import Stack
from workers.kafka import topics
from workers.settings.model import Settings

NAME = "bare"
END_TIMEOUT_S = 20.0


def floor_of_latency(stack: Stack, orders: SteadyRate, log: Path, progress: Callable[[float], object]) -> Latency:
    """What the bare loop needs for the same orders, on topics and a database of its own.

    Raises:
        BenchmarkError: it failed; its errors are in `log`.
    """
    settings = settings_of(stack, clock="wall", prefix=f"{NAME}.", database=NAME)
    asyncio.run(topics.create(settings))
    asyncio.run(databases.make_empty(stack, NAME))
    with _bare_loop(settings, log):
        return measure(settings, orders, progress)


@contextmanager
def _bare_loop(settings: Settings, log: Path) -> Iterator[None]:
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
        yield
        if loop.poll() is not None:
            raise BenchmarkError(f"the bare loop has ended; see {log}")
    finally:
        loop.terminate()
        try:
            loop.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            loop.kill()
            loop.wait()
