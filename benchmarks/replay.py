"""How fast postpay's history is decided again and compared, on the stack and the messages that it was settled on."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.errors import BenchmarkError
from storage.database import connect
from workers.replay.history import fixed
from workers.replay.report import Report
from workers.replay.verify import verify
from workers.settings.model import Settings


class ReplayWatch:
    """What is told of a replay's progress; it counts from its first batch, as settling does from its first claim."""

    def __init__(self, progress: Callable[[float], object]) -> None:
        self._progress = progress
        self._first: tuple[float, int] | None = None
        self._last: tuple[float, int] = (0.0, 0)
        self.total_offsets = 0

    def told(self, offsets: int, records: int) -> None:
        """Take note of what is done so far."""
        self._last = (time.perf_counter(), records)
        if records and self._first is None:
            self._first = self._last
        if self.total_offsets:
            self._progress(min(1.0, offsets / self.total_offsets))

    def seconds(self, ended_at: float) -> float:
        """How long all of it took, by the pace after the first batches were told of."""
        first_at, first = self._first or self._last
        records = self._last[1]
        return (ended_at - first_at) * records / max(1, records - first)


async def replayed(settings: Settings, checkpoints: Path, progress: Callable[[float], object]) -> float:
    """Verify what was settled since the last time, and keep it; returns how many seconds that took.

    Raises:
        BenchmarkError: not all of it is equal.
    """
    watch = ReplayWatch(progress)
    connection = await connect(settings.postgres.dsn, application_name="postpay-benchmark")
    try:
        history = await fixed(settings)
        watch.total_offsets = sum(extent.offsets for extent in history.extents.values())
        report = await verify(history, connection, watch.told, checkpoints=checkpoints, from_batch=sys.maxsize)
    finally:
        await connection.close()
    ended_at = time.perf_counter()
    _require_equal(report)
    return watch.seconds(ended_at)


def _require_equal(report: Report) -> None:
    if report.equal and report.complete:
        return
    found = [str(each.difference or each.unfinished) for each in report.lanes if each.difference or each.unfinished]
    raise BenchmarkError(f"what was decided again is not what was settled: {[*map(str, report.findings), *found]}")
