"""One run: everything measured after one another on the same stack, and everything stopped in the end."""

import asyncio
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from benchmarks import databases, latency
from benchmarks.cpu import ProcessorTime, cores, told
from benchmarks.errors import BenchmarkError
from benchmarks.lane_log import LaneLog
from benchmarks.latency import Latency, SteadyRate
from benchmarks.latency_floor import floor_of_latency
from benchmarks.load import Load
from benchmarks.memory import MemoryWatch
from benchmarks.peer import plain_agent_settles
from benchmarks.preload import preload
from benchmarks.replay import Replay, replayed
from cli.embedded import environment_of, settings_of
from cli.processes import Fleet, WorkerProcess, stop_left_over
from contracts.topics import Topic
from devstack import stack as devstack
from devstack.stack import Stack
from workers.kafka import topics
from workers.settings.model import Settings

SEED = 20260401
PLAIN = {1: 3_000, 8: 8_000}
"""How many messages the plain agent settles at most, by its concurrency."""
PLAIN_S = 20.0
LATENCY_S = 15.0
STEADY_RATES = (50, 500)
"""Messages a second at which latency is measured besides half of what it can."""


@dataclass(frozen=True, slots=True)
class BenchmarkSize:
    """How large a run is."""

    messages: int
    accounts: int
    merchants: int
    plain_s: float = PLAIN_S
    """How long each plain agent settles at most."""
    latency_s: float = LATENCY_S

    @classmethod
    def of(cls, messages: int) -> "BenchmarkSize":
        """Two messages per account, 200 per merchant; what small runs do by the clock is short."""
        is_trial = messages < 50_000  # of the benchmark itself
        plain_s, latency_s = (5.0, 3.0) if is_trial else (PLAIN_S, LATENCY_S)
        return cls(messages, max(100, messages // 2), max(10, messages // 200), plain_s, latency_s)


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run found; interfaces.md's names."""

    floor_per_s: float
    plain_agent_1_per_s: float
    plain_agent_8_per_s: float
    postpay_per_s: float
    replay_per_s: float
    floor_at: Mapping[int, tuple[Latency, float]]
    """By STEADY_RATES: latency of the bare loop, and processors that it, broker and database kept busy."""
    latency_at: Mapping[int, Latency]
    """By STEADY_RATES."""
    cores_at: Mapping[int, float]
    """Processors that worker, broker and database kept busy meanwhile."""
    latency: Latency
    """At half of `postpay_per_s`."""
    worker_rss_mib: float
    replay_rss_mib: float
    workers: int
    processor: Sequence[str]
    """Processor time a message, one line for each part of the run."""

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
            **{
                name: round(value, 2)
                for rate, at in self.latency_at.items()
                for name, value in {
                    f"latency_{rate}_p50_ms": at.p50_ms,
                    f"latency_{rate}_p99_ms": at.p99_ms,
                    f"cores_{rate}": self.cores_at[rate],
                }.items()
            },
            **{
                name: round(value, 2)
                for rate, (delays, busy) in self.floor_at.items()
                for name, value in {
                    f"latency_floor{_at(rate)}_p50_ms": delays.p50_ms,
                    f"latency_floor{_at(rate)}_p99_ms": delays.p99_ms,
                    f"cores_floor_{rate}": busy,
                }.items()
            },
            "worker_rss_mib": round(self.worker_rss_mib, 1),
            "workers": self.workers,
            "replay_per_s": round(self.replay_per_s, 1),
            "ratio_replay": round(self.replay_per_s / self.postpay_per_s, 3),
            "replay_rss_mib": round(self.replay_rss_mib, 1),
        }


class BenchmarkRun:
    """One benchmark on a fresh stack of its own.

    Args:
        size: how large.
        directory: of the stack; wiped before and after.
        console: where progress is shown.
        workers: how many share the lanes in the timed part.
    """

    def __init__(self, size: BenchmarkSize, directory: Path, console: Console, *, workers: int = 1) -> None:
        self._size = size
        self._workers = workers
        self._directory = directory
        self._console = console
        self._processor: list[str] = []
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
        with self._fresh_stack() as stack:
            return self._measure(stack)

    def _measure(self, stack: Stack) -> Figures:
        settings = settings_of(stack, clock="wall")
        with self._open_for_business(settings) as (fleet, log):
            for concurrency in PLAIN:
                asyncio.run(databases.copy_database(stack, f"plain_{concurrency}"))
            before = self._replayed(settings, stack, "decide the openings again", self._openings)
            load = self._load("run", self._size.messages)
            with self._bar("preload the topics", self._size.messages) as advance:
                preload(settings, load.stream(), advance)
            first_transaction = asyncio.run(databases.next_transaction(settings))
            postpay_per_s, worker, memory = self._postpay(stack, fleet, log)
            after = self._replayed(settings, stack, "decide all again", self._openings + self._size.messages)
            with ExitStack() as watches:
                for each in memory:
                    watches.enter_context(each)
                with self._share("take the rows it wrote") as done:
                    captured = asyncio.run(databases.captured(settings, first_transaction, done))
                steady = {rate: self._latency(settings, stack, fleet, self._steady(rate)) for rate in STEADY_RATES}
                half, _ = self._latency(settings, stack, fleet, self._steady(postpay_per_s / 2))
                log.follow(0, worker, lambda _: None)
            stop(fleet)
        with self._share("latency of a bare loop") as done:
            steady_rates = [self._steady(rate) for rate in STEADY_RATES]
            bare = floor_of_latency(stack, steady_rates, self._directory / "bare-loop.log", done)
        asyncio.run(databases.audited(settings))
        with (
            self._share(f"the floor: {captured.rows:,} rows") as done,
            self._processor_time(stack, "floor", self._size.messages, client=os.getpid()),
        ):
            floor_s = asyncio.run(databases.floor_seconds(stack, settings, captured, done))
        plain = {concurrency: self._plain_agent(stack, concurrency) for concurrency in PLAIN}
        return Figures(
            self._size.messages / floor_s,
            plain[1],
            plain[8],
            postpay_per_s,
            self._replay_per_s(before, after),
            dict(zip(STEADY_RATES, bare, strict=True)),
            {rate: delays for rate, (delays, _) in steady.items()},
            {rate: busy for rate, (_, busy) in steady.items()},
            half,
            max(each.most_mib for each in memory),
            after.most_mib,
            self._workers,
            self._processor,
        )

    @contextmanager
    def _open_for_business(self, settings: Settings) -> Iterator[tuple[Fleet, LaneLog]]:
        """Migrate, make the topics, open all accounts; no worker runs yet, and none afterwards."""
        asyncio.run(databases.prepare(settings))
        fleet = Fleet(self._directory / "workers", environment_of(settings))
        log = LaneLog(settings)
        try:
            with self._bar("open accounts and merchants", self._openings * 2) as advance:
                preload(settings, self._load("run", 1).openings(), advance)
                log.follow(self._openings, fleet.start(), advance)
            stop(fleet)
            yield fleet, log
        finally:
            log.close()
            fleet.stop()

    @property
    def _openings(self) -> int:
        return self._size.accounts + self._size.merchants

    def _replayed(self, settings: Settings, stack: Stack, title: str, messages: int) -> Replay:
        """Decide again, and compare, all that was settled so far."""
        with self._share(title), self._processor_time(stack, title, messages, replay=os.getpid()):
            return replayed(settings, self._directory / "replay")

    def _replay_per_s(self, before: Replay, after: Replay) -> float:
        """Messages a second, of what deciding all takes longer than deciding the openings: both take as long to begin.

        Of a run that is too short for that, the messages' share of all.
        """
        share = self._size.messages / (self._openings + self._size.messages)
        return self._size.messages / max(after.seconds - before.seconds, after.seconds * share)

    def _postpay(self, stack: Stack, fleet: Fleet, log: LaneLog) -> tuple[float, WorkerProcess, list[MemoryWatch]]:
        """Messages a second from the first claim to the last committed output, one worker, and what watches all."""
        log.await_claim()
        batches_before = log.batches
        workers = [fleet.start() for _ in range(self._workers)]
        worker = workers[0]
        memory = [MemoryWatch(each.pid) for each in workers]
        pids = {each.name: each.pid for each in workers}
        with (
            self._bar(f"postpay, workers: {self._workers}", self._size.messages) as advance,
            self._processor_time(stack, "postpay", self._size.messages, **pids),
            ExitStack() as watches,
        ):
            for each in memory:
                watches.enter_context(each)
            log.follow(self._size.messages, worker, advance)
        if log.claimed_at is None:
            raise BenchmarkError("the worker claimed no lane, and yet settled something")
        self._processor.append(f"postpay settled {(log.batches - batches_before):,} batches")
        return self._size.messages / (log.last_at - log.claimed_at), worker, memory

    def _latency(self, settings: Settings, stack: Stack, fleet: Fleet, orders: SteadyRate) -> tuple[Latency, float]:
        """Of orders at a steady rate, and how many processors were busy with them."""
        title = f"latency at {orders.rate_per_s:,.0f} a second"
        pids = {each.name: each.pid for each in fleet.running}
        with self._share(title) as done, ProcessorTime(stack, **pids) as used:
            delays = latency.measure(settings, orders, done)
        self._processor.append(f"{title}: {cores(used.seconds, used.elapsed_s)}")
        return delays, used.cores

    def _steady(self, rate_per_s: float) -> SteadyRate:
        return SteadyRate(f"at{rate_per_s:.0f}", rate_per_s, self._size.latency_s, self._size.accounts)

    def _plain_agent(self, stack: Stack, concurrency: int) -> float:
        """Messages a second of the plain agent, from its first message to its last."""
        messages = min(PLAIN[concurrency], self._size.messages)
        prefix = f"plain-{concurrency}."
        settings = settings_of(stack, clock="wall", prefix=prefix, database=f"plain_{concurrency}")
        asyncio.run(topics.create(settings))
        preload(settings, self._load(f"plain-{concurrency}", messages).stream(), lambda _: None, all_to=Topic.PURCHASE)
        log = self._directory / f"plain-{concurrency}.log"
        with self._bar(f"plain agent, {concurrency} side by side", messages) as advance:
            found = plain_agent_settles(settings, concurrency, messages, self._size.plain_s, log, self._console.print)
            advance(messages)
        return found

    def _load(self, name: str, messages: int) -> Load:
        return Load(messages, self._size.accounts, self._size.merchants, SEED, datetime.now(UTC), name)

    @contextmanager
    def _fresh_stack(self) -> Iterator[Stack]:
        """Nothing of an earlier run, and progress shown meanwhile; SIGTERM ends it as Ctrl-C does, with all stopped."""
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        stop_left_over(self._directory / "workers")
        with self._progress, self._stack() as stack:
            yield stack

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
    def _processor_time(self, stack: Stack, part: str, messages: int, **others: int) -> Iterator[None]:
        with ProcessorTime(stack, **others) as used:
            yield
        self._processor.append(f"{part}: {told(used.seconds, messages)}")

    @contextmanager
    def _bar(self, title: str, total: int) -> Iterator[Callable[[int], object]]:
        task = self._progress.add_task(title, total=total)
        yield lambda more: self._progress.update(task, advance=more)

    @contextmanager
    def _share(self, title: str) -> Iterator[Callable[[float], object]]:
        task = self._progress.add_task(title, total=100)
        yield lambda share: self._progress.update(task, completed=round(share * 100))
        self._progress.update(task, completed=100)


def _at(rate: int) -> str:
    """In the names of figures, which of the steady rates; the first one's have none."""
    return "" if rate == STEADY_RATES[0] else f"_{rate}"


def stop(fleet: Fleet) -> None:
    """Stop the worker as an operator would; one that has to be killed has failed."""
    stubborn = fleet.stop()
    if stubborn:
        raise BenchmarkError(f"{stubborn[0].name} did not end after SIGTERM; see {stubborn[0].log}")


def remove_folder(directory: Path) -> None:
    """Remove what the run leaves beside the stack: logs."""
    shutil.rmtree(directory, ignore_errors=True)
