"""postpay and the replay of what it settled, and nothing else: for more messages than a whole run has time for."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import databases
from benchmarks.preload import preload
from benchmarks.run import BenchmarkRun, stop
from cli.embedded import settings_of
from devstack.stack import Stack


@dataclass(frozen=True, slots=True)
class ReplayFigures:
    """What a run found; the names are those of the whole run."""

    postpay_per_s: float
    replay_per_s: float
    replay_rss_mib: float
    worker_rss_mib: float
    workers: int
    processor: Sequence[str]

    def document(self) -> dict[str, float]:
        """As written with `--json`."""
        return {
            "postpay_per_s": round(self.postpay_per_s, 1),
            "worker_rss_mib": round(self.worker_rss_mib, 1),
            "workers": self.workers,
            "replay_per_s": round(self.replay_per_s, 1),
            "ratio_replay": round(self.replay_per_s / self.postpay_per_s, 3),
            "replay_rss_mib": round(self.replay_rss_mib, 1),
        }


class ReplayRun(BenchmarkRun):
    """The rate, then the replay of all that was settled, with nothing else at work."""

    def measured(self) -> ReplayFigures:
        """Measure; leaves nothing running.

        Raises:
            BenchmarkError, DevstackError: a part failed.
        """
        with self._fresh_stack() as stack:
            return self._measured(stack)

    def _measured(self, stack: Stack) -> ReplayFigures:
        settings = settings_of(stack, clock="wall")
        with self._open_for_business(settings) as (fleet, log):
            before = self._replayed(settings, stack, "decide the openings again", self._openings)
            with self._bar("preload the topics", self._size.messages) as advance:
                preload(settings, self._load("run", self._size.messages).stream(), advance)
            rate, _, memory = self._postpay(stack, fleet, log)
            stop(fleet)
        after = self._replayed(settings, stack, "decide all again", self._openings + self._size.messages)
        asyncio.run(databases.audited(settings))
        return ReplayFigures(
            rate,
            self._replay_per_s(before, after),
            after.most_mib,
            max(each.most_mib for each in memory),
            self._workers,
            self._processor,
        )
