"""Very many timers due at one moment: how long orders that are placed meanwhile wait for their notice."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from benchmarks.errors import BenchmarkError
from benchmarks.growth.fill import connected
from benchmarks.growth.plan import MEANWHILE_PER_S
from benchmarks.growth.statements import SQL
from benchmarks.latency import POLL_S, Arrivals, Latency, SteadyRate, send
from benchmarks.reading import reader_from_now
from contracts.topics import Topic
from workers.settings.model import Settings

AT_LEAST_S = 5.0
"""Orders are placed for so long after the moment, however few timers there are."""
SETTLE_S = 5.0
"""So long before the moment orders begin."""
PATIENCE_S = 60.0
"""So long without a timer that fires, and the run has failed."""


@dataclass(frozen=True, slots=True)
class Waits:
    """Milliseconds that orders waited for their notice while timers fired, and how long these took."""

    timers: int
    fired_s: float
    orders: int
    p50_ms: float
    p99_ms: float
    most_ms: float

    def told(self) -> str:
        """In a line."""
        return (
            f"{self.timers:,} timers due at one moment fired within {self.fired_s:,.1f} s; {self.orders:,} orders, "
            f"{MEANWHILE_PER_S} a second, meanwhile waited p50 {self.p50_ms:,.1f}, p99 {self.p99_ms:,.1f}, "
            f"at most {self.most_ms:,.1f} ms"
        )


async def set_due(settings: Settings, timers: int, at: datetime) -> int:
    """Let so many timers fall due at one moment, on all lanes alike; how many there are. No worker runs."""
    async with connected(settings) as connection:
        for lane in range(settings.lanes):
            share = timers * (lane + 1) // settings.lanes - timers * lane // settings.lanes
            await connection.execute(SQL["move_timers"], at, share, lane)
        await connection.execute(SQL["vacuum_timers"])
        found: int = await connection.fetchval(SQL["due_timers"], at)
    return found


class _Watch:
    """Reads in a thread in the lane-log how many timers have fired: asking the database would be work for it."""

    def __init__(self, settings: Settings, timers: int) -> None:
        self._consumer = reader_from_now(settings, Topic.LANE_LOG)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self.waiting = timers
        self.moved_at = time.perf_counter()
        """When some were seen last."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._consumer.close()

    def _read(self) -> None:
        while self.waiting > 0 and not self._ended.is_set():
            message = self._consumer.poll(POLL_S)
            if message is None or message.error():
                continue
            fired = json.loads(message.value() or b"{}").get("timers", {}).get("fired", 0)
            if fired:
                self.waiting, self.moved_at = self.waiting - fired, time.perf_counter()


def await_all(
    settings: Settings, orders: SteadyRate, at: datetime, timers: int, progress: Callable[[float], object]
) -> Waits:
    """Place orders from shortly before a moment until all timers due at it have fired; those from then on count.

    Args:
        settings: of the topics.
        orders: what is placed; `seconds` is not looked at.
        at: the moment.
        timers: how many are due then.
        progress: told which share has fired.

    Raises:
        BenchmarkError: no timer fires any more, or notices did not come.
    """
    ahead_s = (at - datetime.now(UTC)) / timedelta(seconds=1)
    if ahead_s < SETTLE_S:
        raise BenchmarkError(f"timers are due in {ahead_s:.0f} s, which leaves no time to place orders before")
    moment = time.perf_counter() + ahead_s
    time.sleep(ahead_s - SETTLE_S)
    arrivals = Arrivals(settings, b'"causation_id":"%b-' % orders.run.encode())
    try:
        with _Watch(settings, timers) as watch:

            def goes_on(_: float) -> bool:
                now = time.perf_counter()
                if now - max(moment, watch.moved_at) > PATIENCE_S:
                    raise BenchmarkError(f"{watch.waiting} timers are due and do not fire")
                progress(1 - max(0, watch.waiting) / max(1, timers))
                return watch.waiting > 0 or now < moment + AT_LEAST_S

            sent_at = send(settings, orders, goes_on)
        arrivals.await_all(len(sent_at))
    finally:
        arrivals.close()
    return _waits(timers, watch.moved_at - moment, arrivals.delays(sent_at, moment))


def _waits(timers: int, fired_s: float, delays_s: Sequence[float]) -> Waits:
    found = Latency.of(delays_s)
    return Waits(timers, fired_s, len(delays_s), found.p50_ms, found.p99_ms, max(delays_s) * 1000)
