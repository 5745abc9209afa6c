"""The lane-log: one record per settled batch, one per take-over of a lane's relay, and one where lanes were split.

It is the proof of what has been sent (a batch's record is in the transaction of its outputs) and, with the topics'
history, of what was decided when: order, lane time, timers, terms. Records are JSON, so other tools can read them.

Format: docs/protocol.md, Lane-log.
"""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from contracts.topics import Topic
from workers.kafka.shared import POLL_MS, SharedConsumer
from workers.settings.model import Kafka

FORMAT = 1
FIRST_LOOK_BACK = 32
LOOK_FURTHER = 8
READ_TIMEOUT_S = 20.0
"""Reading back takes a moment, but a transaction that a predecessor left open hides the claim record until the broker
has ended it. At worst a lane's relay takes over this much later, and so do those that wait for their turn behind it."""
READ_BYTES = 1024 * 1024
LOOKED_FOR_CLAIMS = 1000
"""Offsets at the end of a lane-log among which whoever may send has a claim record (`relay.CLAIM_AGAIN_AFTER`)."""


class LaneLogError(Exception):
    """The lane-log is not what this database wrote; the message says what a person should look at."""


@dataclass(frozen=True, slots=True)
class Logged:
    """The last batch whose outputs are in Kafka."""

    batch_seq: int
    chain_hash: bytes


@dataclass(frozen=True, slots=True)
class OffsetRange:
    """Records of one topic in a batch: `records` of them, from offset `first` to below `next_offset`."""

    first: int
    next_offset: int
    records: int


@dataclass(frozen=True, slots=True)
class BatchLog:
    """What the record of a batch says.

    `timers_until` and `timer_parties` fix which timers fired besides those of the messages' own parties: those of the
    first `timer_parties` parties, earliest first, with anything due until then.
    """

    database_id: str
    lane: int
    epoch: int
    batch_seq: int
    lane_time: datetime
    offsets: Mapping[str, OffsetRange]
    timers_until: datetime | None
    timer_parties: int
    timers_fired: int
    terms_digest: bytes
    rules_version: int
    outcomes: Mapping[str, int]
    chain_hash: bytes

    def encode(self) -> bytes:
        """The record's value."""
        return _dump(
            {
                "kind": "batch",
                "format": FORMAT,
                "database_id": self.database_id,
                "lane": self.lane,
                "epoch": self.epoch,
                "batch_seq": self.batch_seq,
                "lane_time": self.lane_time.isoformat(),
                "offsets": {
                    topic: [span.first, span.next_offset, span.records] for topic, span in self.offsets.items()
                },
                "timers": {
                    "until": None if self.timers_until is None else self.timers_until.isoformat(),
                    "parties": self.timer_parties,
                    "fired": self.timers_fired,
                },
                "terms": self.terms_digest.hex(),
                "rules_version": self.rules_version,
                "outcomes": dict(self.outcomes),
                "chain_hash": self.chain_hash.hex(),
            }
        )


@dataclass(frozen=True, slots=True)
class ClaimLog:
    """What the record of a relay that takes a lane over says: whose it is from here on.

    `sender` is the transactional id under which its batches come; empty in those of before there were senders.
    `released` tells that nothing more comes under it.
    """

    database_id: str
    cluster_id: str
    prefix: str
    group: str
    lane: int
    epoch: int
    owner: str
    sender: str = ""
    released: bool = False

    def encode(self) -> bytes:
        """The record's value."""
        return _dump(
            {
                "kind": "claim",
                "format": FORMAT,
                "database_id": self.database_id,
                "cluster_id": self.cluster_id,
                "prefix": self.prefix,
                "group": self.group,
                "lane": self.lane,
                "epoch": self.epoch,
                "owner": self.owner,
                "sender": self.sender,
                "released": self.released,
            }
        )


@dataclass(frozen=True, slots=True)
class BranchLog:
    """What the record says with which a lane begins as one of `lanes`: it goes on from a batch of one of `from_lanes`.

    `next_seq` numbers the first decision after that batch.
    """

    database_id: str
    lane: int
    lanes: int
    from_lane: int
    from_lanes: int
    batch_seq: int
    next_seq: int
    chain_hash: bytes

    def encode(self) -> bytes:
        """The record's value."""
        return _dump(
            {
                "kind": "branch",
                "format": FORMAT,
                "database_id": self.database_id,
                "lane": self.lane,
                "lanes": self.lanes,
                "from_lane": self.from_lane,
                "from_lanes": self.from_lanes,
                "batch_seq": self.batch_seq,
                "next_seq": self.next_seq,
                "chain_hash": self.chain_hash.hex(),
            }
        )


LogRecord = BatchLog | ClaimLog | BranchLog


def decode_log(value: bytes | None) -> LogRecord:
    """Read a record's value.

    Raises:
        ValueError: it is no record of a lane-log; says what is wrong with it.
    """
    try:
        document = json.loads(value or b"")
        if document["format"] != FORMAT:
            msg = f"expected format {FORMAT}, got {document['format']!r}; a newer postpay may have written it"
            raise ValueError(msg)
        match document["kind"]:
            case "batch":
                return _batch(document)
            case "claim":
                named = {each.name: document[each.name] for each in fields(ClaimLog) if each.default is MISSING}
                return ClaimLog(**named, sender=document.get("sender", ""), released=document.get("released", False))
            case "branch":
                named = {each.name: document[each.name] for each in fields(BranchLog)}
                return BranchLog(**{**named, "chain_hash": bytes.fromhex(document["chain_hash"])})
    except (LookupError, TypeError, AttributeError) as error:
        msg = f"{type(error).__name__}: {error}"
        raise ValueError(msg) from error
    msg = f"expected a claim, a batch or a branch, got {document['kind']!r}"
    raise ValueError(msg)


def _batch(document: Mapping[str, Any]) -> BatchLog:
    timers = document["timers"]
    return BatchLog(
        database_id=document["database_id"],
        lane=int(document["lane"]),
        epoch=int(document["epoch"]),
        batch_seq=int(document["batch_seq"]),
        lane_time=datetime.fromisoformat(document["lane_time"]),
        offsets={topic: OffsetRange(*map(int, span)) for topic, span in document["offsets"].items()},
        timers_until=None if timers["until"] is None else datetime.fromisoformat(timers["until"]),
        timer_parties=int(timers["parties"]),
        timers_fired=int(timers["fired"]),
        terms_digest=bytes.fromhex(document["terms"]),
        rules_version=int(document["rules_version"]),
        outcomes=document["outcomes"],
        chain_hash=bytes.fromhex(document["chain_hash"]),
    )


def log_key(lane: int) -> bytes:
    """The key of a lane's records."""
    return b"%d" % lane


def _dump(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


class LaneLogReader:
    """Finds where relays left off. One consumer serves all lanes of a worker, one lane at a time.

    Another, that sees what is not committed yet, finds whose relays they are.
    """

    def __init__(self, kafka: Kafka, prefix: str, database_id: str) -> None:
        self._topic = prefix + Topic.LANE_LOG
        self._database_id = database_id
        self._consumer = SharedConsumer(kafka, partition_bytes=READ_BYTES)
        self._uncommitted = SharedConsumer(kafka, partition_bytes=READ_BYTES, isolation_level="read_uncommitted")

    async def claims(self, lane: int) -> list[ClaimLog]:
        """The claims of this database at the end of a lane-log, oldest first, whether their transactions ended or not.

        Raises:
            KafkaError, OSError, TimeoutError: the broker is away; try again.
        """
        tp = TopicPartition(self._topic, lane)
        found = []
        async with self._uncommitted.borrowed(READ_TIMEOUT_S) as consumer:
            consumer.assign([tp])
            starts, ends = await consumer.beginning_offsets([tp]), await consumer.end_offsets([tp])
            consumer.seek(tp, max(starts[tp], ends[tp] - LOOKED_FOR_CLAIMS))
            while await consumer.position(tp) < ends[tp]:
                fetched = await consumer.getmany(tp, timeout_ms=POLL_MS)
                found += [claim for record in fetched.get(tp, ()) if (claim := self._claim(record)) is not None]
        return found

    def _claim(self, record: ConsumerRecord) -> ClaimLog | None:
        """The record as a claim; what else lies there is told when the log is compared with the database."""
        with contextlib.suppress(ValueError):
            log = decode_log(record.value)
            if isinstance(log, ClaimLog) and log.database_id == self._database_id:
                return log
        return None

    async def last_before(self, lane: int, claim_offset: int) -> Logged | None:
        """Read back from a committed claim record until it is seen; the last batch, or branch, before it.

        Args:
            lane: the partition of the lane-log.
            claim_offset: where the broker put our claim record; its transaction is committed.

        Returns:
            None when no batch of the lane has been sent yet, nor of the one that it was split off.

        Raises:
            LaneLogError: the log belongs to another database.
            KafkaError, OSError, TimeoutError: the broker is away; try again.
        """
        async with self._consumer.borrowed(READ_TIMEOUT_S) as consumer:
            return await self._last_before(consumer, TopicPartition(self._topic, lane), claim_offset)

    async def _last_before(self, consumer: AIOKafkaConsumer, tp: TopicPartition, claim_offset: int) -> Logged | None:
        consumer.assign([tp])
        log_start = (await consumer.beginning_offsets([tp]))[tp]
        look_back = FIRST_LOOK_BACK
        while True:
            start = max(log_start, claim_offset - look_back)
            found = await self._scan(consumer, tp, start, claim_offset)
            if found is not None or start == log_start:
                return found
            look_back *= LOOK_FURTHER

    async def _scan(
        self, consumer: AIOKafkaConsumer, tp: TopicPartition, start: int, claim_offset: int
    ) -> Logged | None:
        """Read from `start` until the record at `claim_offset` was seen."""
        consumer.seek(tp, start)
        found = None
        while True:
            fetched = await consumer.getmany(tp, timeout_ms=POLL_MS)
            for record in fetched.get(tp, ()):
                if record.offset >= claim_offset:
                    return found
                found = self._logged(record) or found

    def _logged(self, record: ConsumerRecord) -> Logged | None:
        try:
            log = decode_log(record.value)
        except ValueError as error:
            msg = (
                f"{self._topic}[{record.partition}] offset {record.offset} is no lane-log record ({error});"
                " nobody but postpay may write to that topic"
            )
            raise LaneLogError(msg) from error
        if log.database_id != self._database_id:
            msg = (
                f"{self._topic}[{record.partition}] was written by database {log.database_id}, and this is database"
                f" {self._database_id}: use the database that belongs to these topics, or new topics (a new prefix)"
            )
            raise LaneLogError(msg)
        return None if isinstance(log, ClaimLog) else Logged(log.batch_seq, log.chain_hash)

    async def close(self) -> None:
        """Close the consumers; the next reading opens others."""
        await asyncio.gather(self._consumer.close(), self._uncommitted.close())
