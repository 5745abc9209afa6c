"""From a record's production until its output is visible to a read_committed reader, at a steady rate."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from confluent_kafka import Producer

from benchmarks.errors import BenchmarkError
from benchmarks.load import placing
from benchmarks.reading import SILENT, reader_from_now
from contracts.topics import Topic
from workers.settings.model import Settings

WARM_UP_S = 3.0
LATE_S = 30.0
TICK_S = 0.005
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds."""

    p50_ms: float
    p99_ms: float

    @classmethod
    def of(cls, delays_s: Sequence[float]) -> "Latency":
        """The median and the 99th percentile of delays in seconds, in any order."""
        ordered = sorted(delays_s)
        return cls(ordered[len(ordered) // 2] * 1000, ordered[len(ordered) * 99 // 100] * 1000)


@dataclass(frozen=True, slots=True)
class SteadyRate:
    """Orders at a steady rate."""

    run: str
    """Tells its orders from another's (`benchmarks.load.placing`)."""
    rate_per_s: float
    seconds: float
    accounts: int
    """Open ones; the orders are about them in turn."""


class _Arrivals:
    """Reads `notification` in a thread and notes when each record came; they are looked into afterwards."""

    def __init__(self, settings: Settings) -> None:
        self._consumer = reader_from_now(settings, Topic.NOTIFICATION)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self.found: list[tuple[float, bytes]] = []
        self._thread.start()

    def _read(self) -> None:
        while not self._ended.is_set():
            # Not `consume`, which waits until it has as many as it may.
            message = self._consumer.poll(POLL_S)
            if message is not None and not message.error():
                self.found.append((time.perf_counter(), message.value() or b"{}"))

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        self._consumer.close()


def measure(settings: Settings, orders: SteadyRate, progress: Callable[[float], object]) -> Latency:
    """Place orders at a steady rate and time their notices; the first WARM_UP_S are left out.

    Args:
        settings: of the topics.
        orders: what is placed; WARM_UP_S longer than it says.
        progress: told which share is done.

    Raises:
        BenchmarkError: some notices did not come.
    """
    arrivals = _Arrivals(settings)
    try:
        sent_at = _send(settings, orders, progress)
        deadline = time.perf_counter() + LATE_S
        while len(arrivals.found) < len(sent_at):
            if time.perf_counter() > deadline:
                raise BenchmarkError(f"{len(sent_at) - len(arrivals.found)} of {len(sent_at)} notices did not come")
            time.sleep(POLL_S)
    finally:
        arrivals.close()
    began = sent_at[0] + WARM_UP_S
    delays = []
    for arrived_at, value in arrivals.found:
        number = int(json.loads(value)["causation_id"].split("-")[1])
        if sent_at[number] >= began:
            delays.append(arrived_at - sent_at[number])
    return Latency.of(delays)


def _send(settings: Settings, orders: SteadyRate, progress: Callable[[float], object]) -> list[float]:
    """Send at the rate; returns when each record was handed to the producer."""
    producer = Producer(
        {
            "bootstrap.servers": settings.kafka.bootstrap,
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "linger.ms": 1,
            "log_level": SILENT,
        }
    )
    topic = settings.topics.prefix + Topic.PURCHASE
    seconds = WARM_UP_S + orders.seconds
    sent_at: list[float] = []
    began = time.perf_counter()
    while (elapsed := time.perf_counter() - began) < seconds:
        due = int(elapsed * orders.rate_per_s) + 1
        now = datetime.now(UTC)
        for number in range(len(sent_at), due):
            each = placing(orders.run, number, orders.accounts, now)
            producer.produce(topic, each.value, each.key)
            sent_at.append(time.perf_counter())
        producer.poll(0)
        progress(elapsed / seconds)
        time.sleep(TICK_S)
    producer.flush(LATE_S)
    return sent_at
