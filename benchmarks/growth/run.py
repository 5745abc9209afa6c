"""One run: the database grows from stage to stage on one stack, and is measured at each."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.console import Console

from benchmarks import databases
from benchmarks.growth import fill, midnight, retention, template
from benchmarks.growth.midnight import Waits
from benchmarks.growth.plan import MEANWHILE_PER_S, StageSize, require_room, shared_out
from benchmarks.growth.retention import Archived
from benchmarks.lane_log import LaneLog
from benchmarks.latency import Latency, SteadyRate
from benchmarks.load import SPREAD, Load, LoadMessage, registering
from benchmarks.memory import MemoryWatch
from benchmarks.preload import preload
from benchmarks.run import SEED, STEADY_RATES, BenchmarkRun, BenchmarkSize, stop
from cli.embedded import environment_of, settings_of
from cli.processes import Fleet, WorkerProcess, stop_left_over
from devstack.installations import SHARED_DIRECTORY, is_root
from devstack.stack import Stack
from workers.settings.model import Settings

MERCHANTS = 1_000
STRIDE = 7_368_787
"""From the account of one order to that of the next: a prime, so that all accounts get their turn, in no order."""
WARM_UP_SHARE = 2
"""A half of what is timed at each stage is settled before the first."""
AGAIN = "again"
"""The database in which the first stage is measured once more."""
AHEAD_S = 30.0
"""Until timers are due that have been set: the worker has to claim its lanes, and the orders to have settled down."""
TIMERS_SET_PER_S = 5_000
"""At least so many are set in a second."""


@dataclass(frozen=True, slots=True)
class GrowthSize:
    """How large a run is."""

    stages: Sequence[StageSize]
    messages: int
    """Settled in the timed part of each stage."""
    timers: int


@dataclass(frozen=True, slots=True)
class StageFigures:
    """What was found at one stage."""

    accounts: int
    decisions: int
    fill_s: float
    bytes: int
    postpay_per_s: float
    latency_at: Mapping[int, Latency]
    worker_rss_mib: float

    def told(self) -> str:
        """In a line."""
        waits = "".join(
            f"; at {rate} a second p50 {at.p50_ms:,.1f}, p99 {at.p99_ms:,.1f} ms"
            for rate, at in self.latency_at.items()
        )
        return (
            f"{self.accounts:,} accounts with {self.decisions:,} decisions, filled in {self.fill_s:,.1f} s,"
            f" {self.bytes / 2**20:,.0f} MiB: {self.postpay_per_s:,.0f} messages a second{waits};"
            f" the worker took {self.worker_rss_mib:,.0f} MiB"
        )

    def document(self) -> dict[str, float]:
        """As written with `--json`."""
        return {
            "accounts": self.accounts,
            "decisions": self.decisions,
            "fill_s": round(self.fill_s, 1),
            "database_mib": round(self.bytes / 2**20, 1),
            "postpay_per_s": round(self.postpay_per_s, 1),
            **{
                name: round(value, 2)
                for rate, at in self.latency_at.items()
                for name, value in {
                    f"latency_{rate}_p50_ms": at.p50_ms,
                    f"latency_{rate}_p99_ms": at.p99_ms,
                }.items()
            },
            "worker_rss_mib": round(self.worker_rss_mib, 1),
        }


@dataclass(frozen=True, slots=True)
class GrowthFigures:
    """What a run found."""

    stages: Sequence[StageFigures]
    first_again_per_s: float
    """The first stage's rate measured once more behind the last one's: machines are not as fast all the time."""
    waits: Waits
    archived: Archived
    audit_s: float
    processor: Sequence[str]
    """Processor time, one line for each timed part."""

    @property
    def ratio(self) -> float:
        """The rate of the last stage against that of the first, which is the mean of before and behind it."""
        return self.stages[-1].postpay_per_s / fmean((self.stages[0].postpay_per_s, self.first_again_per_s))

    def document(self) -> dict[str, Any]:
        """As written with `--json`."""
        return {
            "stages": [each.document() for each in self.stages],
            "first_again_per_s": round(self.first_again_per_s, 1),
            "ratio_last_stage": round(self.ratio, 3),
            "timers": self.waits.timers,
            "timers_fired_s": round(self.waits.fired_s, 1),
            "orders_meanwhile": self.waits.orders,
            "wait_p50_ms": round(self.waits.p50_ms, 2),
            "wait_p99_ms": round(self.waits.p99_ms, 2),
            "wait_most_ms": round(self.waits.most_ms, 2),
            "archived_decisions": self.archived.decisions,
            "archive_s": round(self.archived.seconds, 1),
            "archive_mib": round(self.archived.files_bytes / 2**20, 1),
            "freed_mib": round(self.archived.freed_bytes / 2**20, 1),
            "archive_wait_p99_ms": round(self.archived.p99_ms, 2),
            "archive_wait_most_ms": round(self.archived.most_ms, 2),
            "audit_s": round(self.audit_s, 1),
        }


@dataclass(slots=True)
class Grown:
    """A database that grows, and what a run knows of it."""

    settings: Settings
    fleet: Fleet
    accounts: int = 0
    """How many there are now, numbered from 0."""
    stage: int = 0
    measured_until: datetime = field(default_factory=lambda: _now() - SPREAD)
    """When the last messages of the stage before occurred: repayments that come late are another story."""


class GrowthRun(BenchmarkRun):
    """Stages after one another, then very many timers at once, then the audit.

    Args:
        size: how large.
        directory: of the stack; wiped before and after.
        console: where progress is shown.
    """

    def __init__(self, size: GrowthSize, directory: Path, console: Console) -> None:
        of_stages = BenchmarkSize.of(size.messages)
        super().__init__(BenchmarkSize(size.messages, 0, MERCHANTS, latency_s=of_stages.latency_s), directory, console)
        self._growth = size

    def grown(self) -> GrowthFigures:
        """Measure; leaves nothing running.

        Raises:
            BenchmarkError, DevstackError: a part failed.
        """
        stop_left_over(self._directory / AGAIN)
        with self._fresh_stack() as stack:
            require_room(self._growth.stages, SHARED_DIRECTORY if is_root() else self._directory)
            asyncio.run(databases.make_room(stack))
            settings = settings_of(stack, clock="wall")
            with self._database(settings, "workers") as grown:
                stages = [self._at(stack, grown, size) for size in self._growth.stages]
                first_again_per_s = self._first_again(stack)
                waits = self._midnight(stack, grown)
                archived = self._archived(grown)
            begun = time.perf_counter()
            with self._share("audit"):
                asyncio.run(databases.audited(settings))
            audit_s = time.perf_counter() - begun
            return GrowthFigures(stages, first_again_per_s, waits, archived, audit_s, self._processor)

    def _tell(self, line: str) -> None:
        """Say at once what a part gave: a run takes hours, and may not come to its end."""
        self._console.print(line, markup=False, soft_wrap=True)

    @contextmanager
    def _database(self, settings: Settings, workers: str) -> Iterator[Grown]:
        """Make a database with nothing but merchants; no worker of it runs afterwards.

        Args:
            settings: where.
            workers: folder of what its workers say.
        """
        asyncio.run(databases.prepare(settings))
        grown = Grown(settings, Fleet(self._directory / workers, environment_of(settings)))
        try:
            self._settled(grown, "register merchants", (registering(n, _now()) for n in range(MERCHANTS)))
            yield grown
        finally:
            grown.fleet.stop()

    def _at(self, stack: Stack, grown: Grown, size: StageSize) -> StageFigures:
        """Fill up to a stage and measure there."""
        begun = time.perf_counter()
        filled = self._filled(grown, size)
        fill_s = time.perf_counter() - begun
        if not grown.stage:
            self._warmed_up(grown)
        with self._log(grown.settings) as log:
            rate, worker, memory = self._rate(stack, grown, log)
            delays = {}
            with memory[0]:
                for each in STEADY_RATES:
                    orders = _orders(grown, each, self._size.latency_s)
                    delays[each], _ = self._latency(grown.settings, stack, grown.fleet, orders)
            log.follow(0, worker, lambda _: None)
        stop(grown.fleet)
        grown.measured_until = _now()
        rss_mib = memory[0].most_mib
        found = StageFigures(filled.accounts, filled.decisions, fill_s, filled.bytes, rate, delays, rss_mib)
        self._tell(found.told())
        return found

    def _warmed_up(self, grown: Grown) -> None:
        """A broker that has just been started is slower, and would make the first stage look so."""
        warm_up = self._load_of(grown, "warmup", self._size.messages // WARM_UP_SHARE)
        grown.measured_until = warm_up.ends_at
        self._settled(grown, "warm up", warm_up.stream())

    def _rate(self, stack: Stack, grown: Grown, log: LaneLog) -> tuple[float, WorkerProcess, list[MemoryWatch]]:
        """Messages a second at the next stage, which is filled; its worker runs on."""
        grown.stage += 1
        with self._bar(f"preload {grown.accounts:,} accounts' topics", self._size.messages) as advance:
            load = self._load_of(grown, f"stage{grown.stage}", self._size.messages)
            preload(grown.settings, load.stream(), advance)
        return self._postpay(stack, grown.fleet, log)

    def _first_again(self, stack: Stack) -> float:
        """Messages a second at the first stage once more, in a database and topics of its own."""
        asyncio.run(databases.make_empty(stack, AGAIN))
        settings = settings_of(stack, clock="wall", prefix=f"{AGAIN}.", database=AGAIN)
        with self._database(settings, AGAIN) as grown:
            self._filled(grown, self._growth.stages[0])
            self._warmed_up(grown)
            with self._log(settings) as log:
                rate, worker, _ = self._rate(stack, grown, log)
                log.follow(0, worker, lambda _: None)
            stop(grown.fleet)
        self._tell(f"the first stage once more: {rate:,.0f} messages a second")
        return rate

    def _filled(self, grown: Grown, size: StageSize) -> fill.Filled:
        """Add what a stage has more than there is."""
        settings = grown.settings
        there = asyncio.run(fill.counted(settings))
        with self._bar("find the accounts' lanes", size.accounts - grown.accounts) as advance:
            lanes = shared_out(grown.accounts, size.accounts, settings.lanes, advance)
        copies = len(lanes[0].copies) // len(lanes[0].template)
        left_over = [number for each in lanes for number in each.left_over]
        self._settled(grown, "open accounts left over", template.openings(left_over, _now()))
        asyncio.run(fill.begin(settings, lanes))
        accounts = [number for each in lanes for number in each.template]
        more = max(0, size.decisions - there.decisions - len(left_over)) // (copies + 1)
        messages = template.messages_of(len(accounts), more)
        before = _now() - 2 * SPREAD  # whatever is measured later comes in its order
        lives = template.lives(accounts, messages, MERCHANTS, SEED, before)
        self._settled(grown, "settle the template", [*template.openings(accounts, before), *lives])
        decisions, ends, records = asyncio.run(fill.taken(settings, copies))
        with (
            self._bar(f"fill topics: {records:,}", records) as sent,
            self._bar(f"copy {decisions * copies:,} decisions", decisions * copies * 2) as written,
        ):
            filled = fill.copied(settings, lanes, copies, ends, sent, written)
        with self._share("vacuum"):
            found = asyncio.run(fill.end(settings, filled))
        grown.accounts = size.accounts
        return found

    def _settled(self, grown: Grown, title: str, messages: Iterable[LoadMessage]) -> None:
        """Let a worker settle these, all that follows from them included."""
        some = list(messages)
        if not some:
            return
        with self._log(grown.settings) as log, self._bar(title, len(some)) as advance:
            preload(grown.settings, some, lambda _: None)
            log.follow(len(some), grown.fleet.start(), advance)
            stop(grown.fleet)

    def _midnight(self, stack: Stack, grown: Grown) -> Waits:
        """Orders placed while very many timers fire."""
        settings = grown.settings
        orders = SteadyRate("midnight", MEANWHILE_PER_S, 0.0, grown.accounts, STRIDE)
        at = _now() + timedelta(seconds=AHEAD_S + self._growth.timers / TIMERS_SET_PER_S)
        with self._share("set timers"):
            timers = asyncio.run(midnight.set_due(settings, self._growth.timers, at))
        with self._log(settings) as log:
            worker = grown.fleet.start()
            worker.await_ready()
            with (
                self._share(f"{timers:,} timers due at once") as done,
                self._processor_time(stack, "timers due at once", timers, **{worker.name: worker.pid}),
            ):
                waits = midnight.await_all(settings, orders, at, timers, done)
            log.follow(0, worker, lambda _: None)
        stop(grown.fleet)
        self._tell(waits.told())
        return waits

    def _archived(self, grown: Grown) -> Archived:
        """The older half archived while orders are placed."""
        settings = grown.settings
        orders = SteadyRate("archiving", MEANWHILE_PER_S, 0.0, grown.accounts, STRIDE)
        before = asyncio.run(retention.before_the_newer_half(settings))
        with self._log(settings) as log, self._share("archive the older half"):
            worker = grown.fleet.start()
            worker.await_ready()
            found = retention.archived(settings, orders, before, self._directory / "archive")
            log.follow(0, worker, lambda _: None)
        stop(grown.fleet)
        self._tell(found.told())
        return found

    def _load_of(self, grown: Grown, name: str, messages: int) -> Load:
        now = _now()
        return Load(messages, grown.accounts, MERCHANTS, SEED, now, name, min(SPREAD, now - grown.measured_until))

    @contextmanager
    def _log(self, settings: Settings) -> Iterator[LaneLog]:
        log = LaneLog(settings)
        try:
            yield log
        finally:
            log.close()


def _orders(grown: Grown, rate_per_s: float, seconds: float) -> SteadyRate:
    """At a stage, about all its accounts in turn."""
    return SteadyRate(f"stage{grown.stage}at{rate_per_s:.0f}", rate_per_s, seconds, grown.accounts, STRIDE)


def _now() -> datetime:
    return datetime.now(UTC)
