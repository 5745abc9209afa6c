"""Follows the lane-log: the only sign of progress that other services see, and what the benchmark times."""

import json
import time
from collections.abc import Callable

from benchmarks.errors import BenchmarkError
from benchmarks.reading import reader_from_now
from cli.processes import WorkerProcess
from contracts.topics import Topic
from workers.settings.model import Settings

POLL_S = 0.05
QUIET_S = 1.0
"""Without a new record for so long after the last input, merchant lanes have settled what account lanes told them."""
STALLED_S = 60.0


class LaneLog:
    """A read_committed reader of the lane-log, from its end on."""

    def __init__(self, settings: Settings) -> None:
        self._consumer = reader_from_now(settings, Topic.LANE_LOG)
        self.claimed_at: float | None = None
        """When the first claim since was seen, by `time.perf_counter()`."""
        self.last_at = 0.0
        """When the last record was seen."""
        self.records = 0
        self.batches = 0

    def await_claim(self) -> None:
        """Forget the last claim: the next one seen is that of a worker started now."""
        self.claimed_at = None

    def follow(self, messages: int, worker: WorkerProcess, progress: Callable[[int], object]) -> None:
        """Read until `messages` records of inputs are settled and relayed, and all that follows from them.

        Raises:
            BenchmarkError: the worker ended, or nothing moves any more.
        """
        target = self.records + messages
        self.last_at = time.perf_counter()
        while self.records < target or time.perf_counter() - self.last_at < QUIET_S:
            settled = self._poll()
            progress(settled)
            if not worker.is_running:
                raise BenchmarkError(f"the worker has ended; see {worker.log}")
            if time.perf_counter() - self.last_at > STALLED_S:
                raise BenchmarkError(f"{target - self.records} messages are not settled, see {worker.log}")

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()

    def _poll(self) -> int:
        settled = 0
        for message in self._consumer.consume(500, POLL_S):
            if message.error():
                raise BenchmarkError(f"the lane-log cannot be read: {message.error()}")
            self.last_at = time.perf_counter()
            entry = json.loads(message.value() or b"{}")
            if entry["kind"] == "claim":
                self.claimed_at = self.claimed_at or self.last_at
                continue
            self.batches += 1
            settled += sum(
                records for topic, (_, _, records) in entry["offsets"].items() if topic != Topic.MERCHANT_ACTIVITY
            )
        self.records += settled
        return settled
