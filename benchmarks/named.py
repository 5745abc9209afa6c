"""postpay alone on a database that is named: another machine's, another version, a distributed one."""

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks import databases
from benchmarks.latency import Latency
from benchmarks.preload import preload
from benchmarks.run import BenchmarkRun, stop
from cli.embedded import settings_of
from devstack.stack import Stack
from workers.settings.model import Postgres


@dataclass(frozen=True, slots=True)
class NamedFigures:
    """What a run found; the floor and the plain agent are left out, since they make databases of their own."""

    postpay_per_s: float
    latency: Latency
    worker_rss_mib: float
    workers: int

    def document(self) -> dict[str, float]:
        """As written with `--json`."""
        return {
            "postpay_per_s": round(self.postpay_per_s, 1),
            "latency_p50_ms": round(self.latency.p50_ms, 2),
            "latency_p99_ms": round(self.latency.p99_ms, 2),
            "worker_rss_mib": round(self.worker_rss_mib, 1),
            "workers": self.workers,
        }


class NamedRun(BenchmarkRun):
    """The rate, then the latency at half of it."""

    def measured(self, dsn: str) -> NamedFigures:
        """Measure; what was settled stays in the database, which belongs to this run's broker from then on.

        Raises:
            BenchmarkError, DevstackError: a part failed.
        """
        with self._fresh_stack() as stack:
            return self._measured(stack, dsn)

    def _measured(self, stack: Stack, dsn: str) -> NamedFigures:
        settings = settings_of(stack, clock="wall").model_copy(update={"postgres": Postgres(dsn=dsn)})
        with self._open_for_business(settings) as (fleet, log):
            with self._bar("preload the topics", self._size.messages) as advance:
                preload(settings, self._load("run", self._size.messages).stream(), advance)
            rate, worker, memory = self._postpay(stack, fleet, log)
            with ExitStack() as watches:
                for each in memory:
                    watches.enter_context(each)
                delays, _ = self._latency(settings, stack, fleet, self._steady(rate / 2))
            log.follow(0, worker, lambda _: None)
            stop(fleet)
        asyncio.run(databases.audited(settings))
        return NamedFigures(rate, delays, max(each.most_mib for each in memory), self._workers)
