"""A lane's records in the order they were decided, batch after batch.

With a lane-log that order is the recorded one: a record of it says which offsets of each topic a batch took, and within
the batch the lane's own inbox puts them in order. Without one the inbox merges all there is by the same rule, and
batches are cut at a fixed size: a history, but not the one that was.
"""

import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from contracts.decode import decode
from contracts.records import RawRecord
from contracts.topics import LANE_TOPICS, Topic
from workers.lanes.inbox import Buffer, Inbox, buffered_bytes
from workers.lanes.lanelog import BatchLog, BranchLog, LogRecord, OffsetRange, decode_log
from workers.lanes.taken import Taken
from workers.replay.extent import HistoryError, LaneExtent, LaneRecords

LOG_READ = 1000
"""Offsets of the lane-log that are read at once; a record of it has some 500 bytes."""
UNLOGGED_READ = 500
"""Offsets of one topic that are read at once without a lane-log, where nothing says how many are needed."""
UNLOGGED_BATCH = 1000
"""Records of a batch without a lane-log. It must never change: two runs shall agree."""
FIXED_RULE = (
    "there is no lane-log, so the order and time of deciding are not known; a fixed rule is taken instead: records are"
    " merged by their timestamp (under POSTPAY_CLOCK=event by occurred_at), at one instant in the order of the topics"
    f" in docs/messages.md, and cut into batches of {UNLOGGED_BATCH:,}; lane time is the largest occurred_at so far."
    " Two runs agree, but what happened may have been decided in another order"
)
"""What a report says of such a lane."""


@dataclass(frozen=True, slots=True)
class RecordedBatch:
    """One batch of a lane, to be decided again.

    Args:
        log: what the lane-log says of it; None where there is no lane-log.
        now: the time to decide with. Without a lane-log: the latest timestamp of a record so far, and the batch is to
            be decided as under the event clock, with all due timers.
        taken: its records in the order of deciding, each decoded as its lane did.
        offsets: how many offsets of the input topics it covers, for progress (`LaneExtent.offsets`).
    """

    log: BatchLog | None
    now: datetime
    taken: Sequence[Taken]
    offsets: int


async def logged(
    records: LaneRecords, extent: LaneExtent, *, event_clock: bool, from_batch: int = 1
) -> AsyncIterator[RecordedBatch]:
    """The batches that the lane-log records, one after the other without a hole.

    Args:
        records: of the lane; used by nobody else.
        extent: from where to where; `last` is the last batch.
        event_clock: how the lane merged (POSTPAY_CLOCK).
        from_batch: the first to hand on; nothing is read for those before it but the lane-log.

    Raises:
        HistoryError: the history is not whole, or not what was recorded.
        BrokerUnreachableError, KafkaError: the brokers are away.
    """
    inbox = _inbox(event_clock=event_clock)
    last = None
    async for log, _ in logs(records, extent):
        if last is not None:
            _require_next(last, log)
        elif log.batch_seq > from_batch:
            msg = (
                f"the lane-log of lane {extent.lane} begins with batch {log.batch_seq}, and batch {from_batch} was"
                " wanted: what came before is gone from the brokers; read it from an export (--from DIR)"
            )
            raise HistoryError(msg)
        last = log
        if log.batch_seq >= from_batch:
            yield await _read(records, extent, log, inbox)


async def of_log(records: LaneRecords, extent: LaneExtent, log: BatchLog, *, event_clock: bool) -> RecordedBatch:
    """The batch that one record of a lane-log is about, wherever that record was found. Arguments as for `logged`."""
    return await _read(records, extent, log, _inbox(event_clock=event_clock))


async def logs(records: LaneRecords, extent: LaneExtent) -> AsyncIterator[tuple[BatchLog, int]]:
    """The batches' records in the lane-log of a lane, each with the offset after it.

    Raises:
        HistoryError: a record is none of the lane's log.
    """
    topic = Topic.LANE_LOG.value
    for first in range(extent.starts[topic], extent.ends[topic], LOG_READ):
        for record in await records.read(topic, first, min(first + LOG_READ, extent.ends[topic])):
            log = batch_log(record)
            if log is not None:
                yield log, record.offset + 1


def batch_log(record: RawRecord) -> BatchLog | None:
    """What a record of the lane-log says of a batch; None where it says something else.

    Raises:
        HistoryError: it is no record of the lane's log.
    """
    log = log_record(record)
    return log if isinstance(log, BatchLog) else None


def begins(records: Iterable[RawRecord]) -> BranchLog | None:
    """What the first records of a lane-log say of where the lane goes on from; None: it begins there.

    A split that was killed has said it once more when it went on, and the last one holds, as for relays.

    Raises:
        HistoryError: one is no record of the lane's log.
    """
    found = None
    for record in records:
        log = log_record(record)
        if not isinstance(log, BranchLog):
            break
        if log.from_lane != log.lane:
            found = log
    return found


def log_record(record: RawRecord) -> LogRecord:
    """What a record of the lane-log says.

    Raises:
        HistoryError: it is no record of the lane's log.
    """
    where = f"{record.topic}[{record.partition}] offset {record.offset}"
    try:
        log = decode_log(record.value)
    except ValueError as error:
        msg = f"{where} is no lane-log record ({error}); nobody but postpay may write to that topic"
        raise HistoryError(msg) from error
    if log.lane != record.partition:
        msg = f"{where} speaks of lane {log.lane}; nobody but postpay may write to that topic"
        raise HistoryError(msg)
    return log


async def unlogged(records: LaneRecords, extent: LaneExtent, *, event_clock: bool) -> AsyncIterator[RecordedBatch]:
    """All there is of a lane's topics, by the fixed rule: merged by time, cut into batches of UNLOGGED_BATCH records.

    Of one topic nothing is reordered; between topics the record's timestamp decides, under the event clock
    `occurred_at`, and at one instant the order of LANE_TOPICS. The same records give the same batches.

    Args:
        records: of the lane; used by nobody else.
        extent: from where to where.
        event_clock: whether to merge by `occurred_at`.

    Raises:
        HistoryError: part of it is gone.
        BrokerUnreachableError, KafkaError: the brokers are away.
    """
    inbox = _inbox(event_clock=event_clock)
    inbox.restart(extent.starts)
    taken: list[Taken] = []
    latest_ms, covered = 0, 0

    def may_bring(buffer: Buffer) -> bool:
        return buffer.fetched_to < extent.ends[buffer.topic]

    while True:
        while missing := inbox.missing(may_bring):
            for topic in missing:
                first = inbox.buffers[topic].fetched_to
                end = min(first + UNLOGGED_READ, extent.ends[topic])
                _put(inbox, topic, await records.read(topic, first, end), end)
        more = inbox.take(UNLOGGED_BATCH - len(taken), sys.maxsize, may_bring)
        taken += more
        if taken and (len(taken) == UNLOGGED_BATCH or not more):
            latest_ms = max(latest_ms, *(each.record.timestamp_ms for each in taken))
            read = sum(buffer.read_to - extent.starts[topic] for topic, buffer in inbox.buffers.items())
            yield RecordedBatch(None, datetime.fromtimestamp(latest_ms / 1000, UTC), taken, read - covered)
            taken, covered = [], read
        elif not more:
            return


def _inbox(*, event_clock: bool) -> Inbox:
    return Inbox([topic.value for topic in LANE_TOPICS], decode, event_clock=event_clock)


def _put(inbox: Inbox, topic: str, records: Sequence[RawRecord], end: int) -> None:
    inbox.extend(topic, records, end, sum(map(buffered_bytes, records)))


def _require_next(last: BatchLog, log: BatchLog) -> None:
    """Of two records of a lane-log the second must follow the first.

    Raises:
        HistoryError: it does not.
    """
    if log.batch_seq != last.batch_seq + 1:
        msg = f"the lane-log of lane {log.lane} has batch {log.batch_seq} after batch {last.batch_seq}: one is missing"
        raise HistoryError(msg)
    if log.database_id != last.database_id:
        msg = (
            f"the lane-log of lane {log.lane} was written by database {last.database_id} up to batch {last.batch_seq}"
            f" and by database {log.database_id} after it: two histories in one topic"
        )
        raise HistoryError(msg)


async def _read(records: LaneRecords, extent: LaneExtent, log: BatchLog, inbox: Inbox) -> RecordedBatch:
    inbox.restart({})
    for topic, span in log.offsets.items():
        if topic not in inbox.buffers:
            msg = f"batch {log.batch_seq} of lane {log.lane} took records of {topic!r}, which is no topic of a lane"
            raise HistoryError(msg)
        found = await _records_of(records, extent, log, topic, span) if span.records else []
        _put(inbox, topic, found, span.next_offset)
    taken = inbox.take(sys.maxsize, sys.maxsize, lambda _: False)
    offsets = sum(span.next_offset - span.first for span in log.offsets.values())
    return RecordedBatch(log, log.lane_time, taken, offsets)


async def _records_of(
    records: LaneRecords, extent: LaneExtent, log: BatchLog, topic: str, span: OffsetRange
) -> list[RawRecord]:
    """What the batch took of one topic.

    Raises:
        HistoryError: that is not there any more, or not all of it, or more.
    """
    where = f"{topic}[{extent.lane}]"
    wanted = f"batch {log.batch_seq} of lane {log.lane} took {span.records} records of {where}"
    if span.first < extent.starts[topic]:
        gone = f"offsets {span.first} to {min(span.next_offset, extent.starts[topic]) - 1} are gone"
        msg = f"{wanted}, and {gone}; read them from an export made before that (--from DIR)"
        raise HistoryError(msg)
    found = await records.read(topic, span.first, span.next_offset)
    if len(found) != span.records:
        between = f"between offsets {span.first} and {span.next_offset - 1}"
        msg = f"{wanted} {between}, where {len(found)} are now: that topic is not the one it was decided from"
        raise HistoryError(msg)
    return found
