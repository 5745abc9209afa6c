"""The older half of all decisions is archived by the command that operators have, while orders are placed."""

import asyncio
import json
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchmarks.command import running
from benchmarks.errors import BenchmarkError
from benchmarks.growth.fill import connected
from benchmarks.growth.plan import MEANWHILE_PER_S
from benchmarks.growth.statements import SQL
from benchmarks.latency import Arrivals, Latency, SteadyRate, send
from workers.settings.model import Settings


@dataclass(frozen=True, slots=True)
class Archived:
    """What went, and the milliseconds that orders placed meanwhile waited for their notice."""

    decisions: int
    seconds: float
    files_bytes: int
    freed_bytes: int
    """Of the database."""
    p99_ms: float
    most_ms: float

    def told(self) -> str:
        """In a line."""
        files_mib, freed_mib = self.files_bytes / 2**20, self.freed_bytes / 2**20
        return (
            f"{self.decisions:,} decisions were archived in {self.seconds:,.1f} s, into {files_mib:,.0f} MiB; it freed"
            f" {freed_mib:,.0f} MiB, and orders, {MEANWHILE_PER_S} a second, meanwhile waited p99 {self.p99_ms:,.1f},"
            f" at most {self.most_ms:,.1f} ms"
        )


async def before_the_newer_half(settings: Settings) -> str:
    """The lane time of the batch in the middle of all decisions."""
    async with connected(settings) as connection:
        middle: datetime = await connection.fetchval(SQL["middle"])
    return middle.isoformat()


async def _database_bytes(settings: Settings) -> int:
    """How large the database is."""
    async with connected(settings) as connection:
        size: int = await connection.fetchval(SQL["size"])
    return size


def archived(settings: Settings, orders: SteadyRate, before: str, directory: Path) -> Archived:
    """Let `postpay archive write` do it, and place orders until it is done; a worker runs.

    Args:
        settings: where.
        orders: what is placed; `seconds` is not looked at.
        before: what was settled before this time goes.
        directory: of the files, and of what the command says.

    Raises:
        BenchmarkError: it failed.
    """
    there = asyncio.run(_database_bytes(settings))
    said, complaints = directory / "archive.json", directory / "archive.log"
    command = ("archive", "write", "files", "--before", before, "--reason", "growth", "--json")
    arrivals = Arrivals(settings, b'"causation_id":"%b-' % orders.run.encode())
    try:
        begun = time.perf_counter()
        with running(settings, said, complaints, *command) as process:
            sent_at = send(settings, orders, lambda _: process.poll() is None)
            seconds = time.perf_counter() - begun
        arrivals.await_all(len(sent_at))
    finally:
        arrivals.close()
    if process.returncode:
        raise BenchmarkError(f"archiving failed; see {complaints}")
    lanes = json.loads(said.read_bytes())["lanes"]
    delays_s = arrivals.delays(sent_at, begun)
    return Archived(
        sum(lane["decisions"] for lane in lanes),
        seconds,
        sum(file["size_bytes"] for lane in lanes for file in lane["files"]),
        there - asyncio.run(_database_bytes(settings)),
        Latency.of(delays_s).p99_ms,
        max(delays_s) * 1000,
    )
