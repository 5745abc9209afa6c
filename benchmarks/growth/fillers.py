"""Records in the topics for what was copied: as many as it says, empty; only the last of each topic is looked at."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.errors import BenchmarkError
from benchmarks.growth.copying import LaneFilled
from benchmarks.preload import FLUSH_TIMEOUT_S, REPORT_EVERY, produce
from benchmarks.reading import PATIENCE_S, SILENT
from contracts.records import RawRecord
from contracts.topics import Topic
from settlement.version import RULES_VERSION
from storage.identity import Identity
from workers.lanes.claims import fingerprint
from workers.lanes.lanelog import BatchLog, log_key
from workers.settings.model import Settings

Ends = Mapping[tuple[str, int], int]
"""Where topics are to end, by topic without prefix and lane."""


def fill_topics(settings: Settings, ends: Ends, progress: Callable[[int], object]) -> dict[tuple[str, int], bytes]:
    """Send records until each partition ends where it is to; the last ones' fingerprints.

    Raises:
        BenchmarkError: the broker did not take all of them, or a partition ends elsewhere.
    """
    failed: list[str] = []

    def delivered(error: Any, _message: Any) -> None:
        if error is not None:
            failed.append(str(error))

    producer = Producer(
        {
            "bootstrap.servers": settings.kafka.bootstrap,
            "enable.idempotence": True,
            "linger.ms": 50,
            "compression.type": "lz4",
            "batch.size": 1_000_000,
            "batch.num.messages": 100_000,
            "queue.buffering.max.messages": 500_000,
            "delivery.report.only.error": True,
            "log_level": SILENT,
        }
    )
    at_ms = int(datetime.now(UTC).timestamp() * 1000)
    bounds = _Bounds(settings)
    marks = {}
    for (topic, lane), end in ends.items():
        name = settings.topics.prefix + topic
        left = end - bounds.end(topic, lane)
        while left > 0:
            more = min(left, REPORT_EVERY)
            for _ in range(more):
                produce(producer, name, b"", partition=lane, timestamp=at_ms, on_delivery=delivered)
            producer.poll(0)
            left -= more
            progress(more)
        marks[topic, lane] = fingerprint(RawRecord(topic, lane, end - 1, at_ms, None, b"", ()))
    unsent = producer.flush(FLUSH_TIMEOUT_S)
    apart = [f"{topic}[{lane}]" for (topic, lane), end in ends.items() if bounds.end(topic, lane) != end]
    bounds.close()
    if unsent or failed or apart:
        raise BenchmarkError(f"{unsent + len(failed)} records were not taken: {[*failed[:1], *apart[:1]]}")
    return marks


def log_lanes(settings: Settings, identity: Identity, lanes: list[LaneFilled]) -> None:
    """Tell the lane-log which batch of each lane is the last, as if it had been sent.

    Raises:
        BenchmarkError: the broker did not take it.
    """
    producer = Producer({"bootstrap.servers": settings.kafka.bootstrap, "log_level": SILENT})
    for each in lanes:
        said = BatchLog(
            database_id=str(identity.database_id),
            lane=each.lane,
            epoch=each.epoch,
            batch_seq=each.batch_seq,
            lane_time=each.lane_time,
            offsets={},
            timers_until=None,
            timer_parties=0,
            timers_fired=0,
            terms_digest=each.terms_digest,
            rules_version=RULES_VERSION,
            outcomes={},
            chain_hash=each.chain_hash,
        )
        name = settings.topics.prefix + Topic.LANE_LOG
        producer.produce(name, said.encode(), log_key(each.lane), partition=each.lane)
    if producer.flush(FLUSH_TIMEOUT_S):
        raise BenchmarkError("the broker did not take the lane-log's records")


class _Bounds:
    """Asks where partitions end."""

    def __init__(self, settings: Settings) -> None:
        self._prefix = settings.topics.prefix
        self._consumer = Consumer(
            {"bootstrap.servers": settings.kafka.bootstrap, "group.id": "benchmark", "log_level": SILENT}
        )

    def end(self, topic: str, lane: int) -> int:
        """The offset after a partition's last record."""
        _, end = self._consumer.get_watermark_offsets(TopicPartition(self._prefix + topic, lane), timeout=PATIENCE_S)
        return int(end)

    def close(self) -> None:
        self._consumer.close()
