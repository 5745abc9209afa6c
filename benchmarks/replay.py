"""How fast postpay's history is decided again and compared, on the stack and the messages that it was settled on."""

from collections.abc import Callable

from benchmarks.errors import BenchmarkError
from storage.database import connect
from workers.replay.history import fixed
from workers.replay.report import VerificationReport
from workers.replay.verify import verify
from workers.settings.model import Settings


async def replayed(settings: Settings, progress: Callable[[float], object]) -> float:
    """Verify all that was settled so far; returns how many seconds that took, from the start of its processes on.

    Raises:
        BenchmarkError: not all of it is equal.
    """
    connection = await connect(settings.postgres.dsn, application_name="postpay-benchmark")
    try:
        history = await fixed(settings)
        total = max(1, sum(extent.offsets for extent in history.extents.values()))

        def told(offsets: int, _records: int) -> None:
            progress(min(1.0, offsets / total))

        report = await verify(history, connection, told)
    finally:
        await connection.close()
    _require_equal(report)
    return report.seconds


def _require_equal(report: VerificationReport) -> None:
    if report.equal and report.complete:
        return
    found = [str(each.difference or each.unfinished) for each in report.lanes if each.difference or each.unfinished]
    raise BenchmarkError(f"what was decided again is not what was settled: {[*map(str, report.findings), *found]}")
