"""Puts messages on their topics before anything is timed, with librdkafka: fast, and none of our code."""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from confluent_kafka import Producer

from benchmarks.errors import BenchmarkError
from benchmarks.load import LoadMessage
from benchmarks.reading import SILENT
from workers.settings.model import Settings

REPORT_EVERY = 5_000
QUEUE_FULL_WAIT_S = 0.05
FLUSH_TIMEOUT_S = 60.0


def preload(
    settings: Settings,
    records: Iterable[LoadMessage],
    progress: Callable[[int], object],
    *,
    all_to: str | None = None,
) -> int:
    """Send records in order, with their own times as timestamps; returns how many.

    Args:
        settings: of the topics.
        records: what to send.
        progress: told how many more were sent.
        all_to: one topic for all of them, whose header `topic` then tells each record's own.

    Raises:
        BenchmarkError: the broker did not take one.
    """
    failed: list[str] = []

    def delivered(error: Any, _message: Any) -> None:
        if error is not None:
            failed.append(str(error))

    producer = Producer(
        {
            "bootstrap.servers": settings.kafka.bootstrap,
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "linger.ms": 20,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 50_000,
            "log_level": SILENT,
        }
    )
    sent = 0
    remaining = iter(records)
    while some := list(islice(remaining, REPORT_EVERY)):
        for each in some:
            topic = settings.topics.prefix + (all_to or each.topic)
            timestamp = int(each.occurred_at.timestamp() * 1000)
            headers: list[tuple[str, str | bytes | None]] | None = [("topic", each.topic.encode())] if all_to else None
            produce(
                producer, topic, each.value, key=each.key, on_delivery=delivered, timestamp=timestamp, headers=headers
            )
        producer.poll(0)
        sent += len(some)
        progress(len(some))
    left = producer.flush(FLUSH_TIMEOUT_S)
    if left or failed:
        raise BenchmarkError(f"{left + len(failed)} of {sent} messages were not taken: {failed[:1] or 'no answer'}")
    return sent


def produce(producer: Producer, topic: str, value: bytes, **named: Any) -> None:
    """Hand a record to librdkafka, as soon as it has room for it."""
    while True:
        try:
            producer.produce(topic, value, **named)
        except BufferError:
            producer.poll(QUEUE_FULL_WAIT_S)
        else:
            return
