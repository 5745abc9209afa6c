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
    stride: int = 1
    """From one account to the next; 1 asks for few of very many."""


class Arrivals:
    """Reads `notification` in a thread and notes when each record came; they are looked into afterwards.

    Args:
        settings: of the topics.
        about: what the records have in them that are noted; the others are only counted.
    """

    def __init__(self, settings: Settings, about: bytes = b"") -> None:
        self._about = about
        self._consumer = reader_from_now(settings, Topic.NOTIFICATION)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self.found: list[tuple[float, bytes]] = []
        self.others = 0
        self._thread.start()

    def _read(self) -> None:
        while not self._ended.is_set():
            # Not `consume`, which waits until it has as many as it may.
            message = self._consumer.poll(POLL_S)
            if message is None or message.error():
                continue
            value = message.value() or b"{}"
            if self._about in value:
                self.found.append((time.perf_counter(), value))
            else:
                self.others += 1

    def await_all(self, sent: int) -> None:
        """Wait until so many have come.

        Raises:
            BenchmarkError: they have not in LATE_S.
        """
        deadline = time.perf_counter() + LATE_S
        while len(self.found) < sent:
            if time.perf_counter() > deadline:
                raise BenchmarkError(f"{sent - len(self.found)} of {sent} notices did not come")
            time.sleep(POLL_S)

    def delays(self, sent_at: Sequence[float], began: float) -> list[float]:
        """How long each took, in seconds, of what was sent since `began`.

        Args:
            sent_at: by the number of the order, by `time.perf_counter()`.
            began: by the same clock.
        """
        delays = []
        for arrived_at, value in self.found:
            number = int(json.loads(value)["causation_id"].split("-")[1])
            if sent_at[number] >= began:
                delays.append(arrived_at - sent_at[number])
        return delays

    def close(self) -> None:
        """End the thread and close the consumer."""
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
    seconds = WARM_UP_S + orders.seconds

    def goes_on(elapsed: float) -> bool:
        progress(min(1.0, elapsed / seconds))
        return elapsed < seconds

    arrivals = Arrivals(settings)
    try:
        sent_at = send(settings, orders, goes_on)
        arrivals.await_all(len(sent_at))
    finally:
        arrivals.close()
    return Latency.of(arrivals.delays(sent_at, sent_at[0] + WARM_UP_S))


def send(settings: Settings, orders: SteadyRate, goes_on: Callable[[float], bool]) -> list[float]:
    """Send at the rate; returns when each record was handed to the producer, by `time.perf_counter()`.

    Args:
        settings: of the topics.
        orders: what is placed; `seconds` is not looked at.
        goes_on: asked with the seconds since the beginning, some 200 times a second.
    """
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
    sent_at: list[float] = []
    began = time.perf_counter()
    while goes_on(elapsed := time.perf_counter() - began):
        due = int(elapsed * orders.rate_per_s) + 1
        now = datetime.now(UTC)
        for number in range(len(sent_at), due):
            each = placing(orders.run, number, orders.accounts, now, stride=orders.stride)
            producer.produce(topic, each.value, each.key)
            sent_at.append(time.perf_counter())
        producer.poll(0)
        time.sleep(TICK_S)
    producer.flush(LATE_S)
    return sent_at
