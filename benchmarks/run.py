"""One run: everything measured after one another on the same stack, and everything stopped in the end."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from benchmarks import floor, latency
from benchmarks.errors import BenchmarkError
from benchmarks.lane_log import LaneLog
from benchmarks.latency import Latency
from benchmarks.load import Load
from benchmarks.memory import MemoryWatch
from benchmarks.preload import preload
from contracts.topics import Topic
from devstack import stack as devstack
from devstack.places import project_directory
from devstack.stack import Stack
from settlement.terms import TermsBook
from storage.audit import audit
from storage.database import connect
from storage.migrations import migrate
from workers import topics
from workers.demo.fleet import Fleet, WorkerProcess, stop_left_over
from workers.demo.surroundings import environment_of, settings_of, with_database
from workers.settings import Settings

SEED = 20260401
LANES = 8
PLAIN = {1: 3_000, 8: 8_000}
"""How many messages the plain agent settles, by its concurrency: some seconds each, with the tables warm."""
PLAIN_TIMEOUT_S = 120.0
LATENCY_S = 15.0


@dataclass(frozen=True, slots=True)
class Size:
    """How large a run is."""

    messages: int
    accounts: int
    merchants: int
    latency_s: float = LATENCY_S

    @classmethod
    def of(cls, messages: int) -> "Size":
        """Two messages per account, 200 per merchant; the latency part of small runs is short."""
        return cls(
            messages,
            max(100, messages // 2),
            max(10, messages // 200),
            LATENCY_S if messages >= 50_000 else 3.0,  # less is a trial of the benchmark itself
        )


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run found; interfaces.md's names."""

    floor_per_s: float
    plain_agent_1_per_s: float
    plain_agent_8_per_s: float
    postpay_per_s: float
    latency: Latency
    worker_rss_mib: float

    def document(self) -> dict[str, float]:
        """As written with `--json`."""
        return {
            "floor_per_s": round(self.floor_per_s, 1),
            "plain_agent_1_per_s": round(self.plain_agent_1_per_s, 1),
            "plain_agent_8_per_s": round(self.plain_agent_8_per_s, 1),
            "postpay_per_s": round(self.postpay_per_s, 1),
            "ratio_floor": round(self.postpay_per_s / self.floor_per_s, 4),
            "ratio_plain_8": round(self.postpay_per_s / self.plain_agent_8_per_s, 3),
            "latency_p50_ms": round(self.latency.p50_ms, 2),
            "latency_p99_ms": round(self.latency.p99_ms, 2),
            "worker_rss_mib": round(self.worker_rss_mib, 1),
        }


class Run:
    """One benchmark on a fresh stack of its own.

    Args:
        size: how large.
        directory: of the stack; wiped before and after.
        console: where progress is shown.
    """

    def __init__(self, size: Size, directory: Path, console: Console) -> None:
        self._size = size
        self._directory = directory
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description:<34}"),
            BarColumn(),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )

    def run(self) -> Figures:
        """Measure everything; leaves nothing running.

        Raises:
            BenchmarkError, DevstackError: a part failed.
        """
        stop_left_over(self._directory)
        with self._progress, self._stack() as stack:
            return self._measure(stack)

    def _measure(self, stack: Stack) -> Figures:
        settings = settings_of(stack, clock="wall")
        asyncio.run(_prepare(settings))
        fleet = Fleet(self._directory / "workers", environment_of(settings))
        log = LaneLog(settings)
        try:
            self._open_accounts(settings, fleet, log)
            for concurrency in PLAIN:
                asyncio.run(_copy_database(stack, f"plain_{concurrency}"))
            load = self._load("run", self._size.messages)
            with self._bar("preload the topics", self._size.messages) as advance:
                preload(settings, load.stream(), advance)
            first_transaction = asyncio.run(_next_transaction(settings))
            postpay_per_s, worker, memory = self._postpay(fleet, log)
            with memory:
                with self._share("take the rows it wrote") as done:
                    captured = asyncio.run(_captured(settings, first_transaction, done))
                with self._share("latency at half the rate") as done:
                    delays = latency.measure(
                        settings, postpay_per_s / 2, self._size.latency_s, self._size.accounts, done
                    )
                log.follow(0, worker, lambda _: None)
            _stop(fleet)
        finally:
            log.close()
            fleet.stop()
        asyncio.run(_audited(settings))
        with self._share(f"the floor: {captured.rows:,} rows") as done:
            floor_s = asyncio.run(_floor(stack, captured, done))
        plain = {concurrency: self._plain_agent(stack, concurrency) for concurrency in PLAIN}
        return Figures(self._size.messages / floor_s, plain[1], plain[8], postpay_per_s, delays, memory.most_mib)

    def _open_accounts(self, settings: Settings, fleet: Fleet, log: LaneLog) -> None:
        openings = self._size.accounts + self._size.merchants
        with self._bar("open accounts and merchants", openings * 2) as advance:
            preload(settings, self._load("run", 1).openings(), advance)
            log.follow(openings, fleet.start(), advance)
        _stop(fleet)

    def _postpay(self, fleet: Fleet, log: LaneLog) -> tuple[float, WorkerProcess, MemoryWatch]:
        """Messages a second from the worker's first claim to its last committed output."""
        log.await_claim()
        worker = fleet.start()
        memory = MemoryWatch(worker.process.pid)
        with self._bar("postpay, one worker", self._size.messages) as advance, memory:
            log.follow(self._size.messages, worker, advance)
        if log.claimed_at is None:
            raise BenchmarkError("the worker claimed no lane, and yet settled something")
        return self._size.messages / (log.last_at - log.claimed_at), worker, memory

    def _plain_agent(self, stack: Stack, concurrency: int) -> float:
        """Messages a second of the plain agent, from its first message to its last."""
        messages = min(PLAIN[concurrency], self._size.messages)
        prefix = f"plain-{concurrency}."
        settings = settings_of(stack, clock="wall", prefix=prefix, database=f"plain_{concurrency}")
        asyncio.run(topics.create(settings))
        preload(settings, self._load(f"plain-{concurrency}", messages).stream(), lambda _: None, all_to=Topic.PURCHASE)
        with self._bar(f"plain agent, {concurrency} side by side", messages) as advance:
            found = _run_plain_agent(settings, concurrency, messages, self._directory / f"plain-{concurrency}.log")
            advance(messages)
        return found

    def _load(self, name: str, messages: int) -> Load:
        return Load(messages, self._size.accounts, self._size.merchants, SEED, datetime.now(UTC), name)

    @contextmanager
    def _stack(self) -> Iterator[Stack]:
        task = self._progress.add_task("start Kafka and Postgres", total=None)
        try:
            stack = devstack.up(self._directory, fresh=True)
            self._progress.update(task, total=1, completed=1)
            yield stack
        finally:
            devstack.down(self._directory, wipe=True)

    @contextmanager
    def _bar(self, title: str, total: int) -> Iterator[Callable[[int], object]]:
        task = self._progress.add_task(title, total=total)
        yield lambda more: self._progress.update(task, advance=more)

    @contextmanager
    def _share(self, title: str) -> Iterator[Callable[[float], object]]:
        task = self._progress.add_task(title, total=100)
        yield lambda share: self._progress.update(task, completed=round(share * 100))
        self._progress.update(task, completed=100)


async def _prepare(settings: Settings) -> None:
    await migrate(settings.postgres.dsn, lanes=LANES, terms=TermsBook.builtin().document)
    await topics.create(settings)


async def _copy_database(stack: Stack, name: str) -> None:
    """Give a peer the database as it is before the run, accounts and all. Nobody may be connected to it."""
    connection = await asyncpg.connect(with_database(stack.dsn, "postgres"))
    try:
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE postpay')
    finally:
        await connection.close()
    connection = await asyncpg.connect(with_database(stack.dsn, name))
    try:
        await connection.execute("CREATE SEQUENCE postpay.plain_seq START 1000000000")
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


async def _next_transaction(settings: Settings) -> int:
    connection = await connect(settings.postgres.dsn, application_name="benchmark")
    try:
        return await floor.next_transaction(connection)
    finally:
        await connection.close()


async def _captured(settings: Settings, first: int, progress: Callable[[float], object]) -> floor.Captured:
    connection = await connect(settings.postgres.dsn, application_name="benchmark")
    try:
        return await floor.capture(connection, first, progress)
    finally:
        await connection.close()


async def _floor(stack: Stack, captured: floor.Captured, progress: Callable[[float], object]) -> float:
    connection = await asyncpg.connect(with_database(stack.dsn, "postgres"))
    try:
        await connection.execute("CREATE DATABASE floor")
    finally:
        await connection.close()
    dsn = with_database(stack.dsn, "floor")
    await migrate(dsn, lanes=LANES, terms=TermsBook.builtin().document)
    connection = await connect(dsn, application_name="benchmark")
    try:
        return await floor.measure(connection, captured, progress)
    finally:
        await connection.close()


async def _audited(settings: Settings) -> None:
    connection = await connect(settings.postgres.dsn, application_name="benchmark")
    try:
        broken = [f"{check.name}: {check.detail}" for check in await audit(connection) if not check.ok]
    finally:
        await connection.close()
    if broken:
        raise BenchmarkError(f"the audit after the run found: {'; '.join(broken)}")


def _run_plain_agent(settings: Settings, concurrency: int, messages: int, log: Path) -> float:
    orders: dict[str, Any] = {
        "bootstrap": settings.kafka.bootstrap,
        "dsn": settings.postgres.dsn,
        "prefix": settings.topics.prefix,
        "lanes": LANES,
        "concurrency": concurrency,
        "messages": messages,
    }
    command = [sys.executable, "-m", "benchmarks.plain_agent", "-L", "uvloop", "worker", "-l", "error", "--without-web"]
    with log.open("wb") as errors:
        agent = subprocess.Popen(
            command,
            env=os.environ | {"POSTPAY_BENCHMARK": json.dumps(orders)},
            cwd=project_directory(),
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    try:
        line = _first_json_line(agent)
    finally:
        agent.send_signal(signal.SIGINT)
        try:
            agent.wait(timeout=20)
        except subprocess.TimeoutExpired:
            agent.kill()
            agent.wait()
    if line is None:
        raise BenchmarkError(f"the plain agent did not finish; see {log}")
    return float(line["messages"] / line["seconds"])


def _first_json_line(agent: "subprocess.Popen[bytes]") -> dict[str, float] | None:
    deadline = time.monotonic() + PLAIN_TIMEOUT_S
    assert agent.stdout is not None
    os.set_blocking(agent.stdout.fileno(), False)
    said = b""
    while time.monotonic() < deadline and agent.poll() is None:
        said += agent.stdout.read() or b""
        for line in said.splitlines():
            if line.startswith(b"{") and line.endswith(b"}"):
                found: dict[str, float] = json.loads(line)
                return found
        time.sleep(0.05)
    return None


def _stop(fleet: Fleet) -> None:
    """Stop the worker as an operator would; one that has to be killed has failed."""
    stubborn = fleet.stop()
    if stubborn:
        raise BenchmarkError(f"{stubborn[0].name} did not end after SIGTERM; see {stubborn[0].log}")


def remove_folder(directory: Path) -> None:
    """Remove what the run leaves beside the stack: logs."""
    shutil.rmtree(directory, ignore_errors=True)
