"""The front door: a history with a fixed end, read lane by lane, from the brokers, from files, or from both.

    history = await fixed(settings, directory=None, until=None)
    async with history.lane(3) as lane:
        async for batch in lane.batches():  # lane.unlogged_batches() where history.extents[3].last is None
            ...

A `RecordedHistory` is a value that can be sent to another process, which then reads its lane there. Nothing it reads is
changed by workers that go on meanwhile: the end was fixed when it was made.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from contracts.topics import Topic
from workers.lanes.lanelog import BatchLog
from workers.replay.broker import broker_extents, broker_records
from workers.replay.extent import HistoryError, LaneExtent, LaneRecords
from workers.replay.merge import RecordedBatch, logged, logs, of_log, unlogged
from workers.settings.model import Settings


@dataclass(frozen=True, slots=True)
class LaneHistory:
    """One lane, open for reading; its batches are read once, one after the other."""

    records: LaneRecords
    extent: LaneExtent
    event_clock: bool

    def batches(self, from_batch: int = 1) -> AsyncIterator[RecordedBatch]:
        """The batches that the lane-log records, as `merge.logged` says."""
        return logged(self.records, self.extent, event_clock=self.event_clock, from_batch=from_batch)

    async def batch(self, log: BatchLog) -> RecordedBatch:
        """The batch that a record is about which is not in the lane-log yet; in order, as all reading is."""
        return await of_log(self.records, self.extent, log, event_clock=self.event_clock)

    def unlogged_batches(self) -> AsyncIterator[RecordedBatch]:
        """Batches cut by the fixed rule, as `merge.unlogged` says."""
        return unlogged(self.records, self.extent, event_clock=self.event_clock)


@dataclass(frozen=True, slots=True)
class RecordedHistory:
    """All lanes up to a fixed end.

    Args:
        settings: which topics, how they were merged (POSTPAY_CLOCK), and how to reach the brokers.
        extents: by lane, what there is to read.
        directory: of an export that is read first; None: brokers only.
    """

    settings: Settings
    extents: Mapping[int, LaneExtent]
    directory: Path | None = None

    @asynccontextmanager
    async def lane(self, lane: int) -> AsyncIterator[LaneHistory]:
        """Open a lane.

        Raises:
            BrokerUnreachableError: no broker answered.
        """
        event_clock = self.settings.clock == "event"
        async with broker_records(self.settings, lane) as records:
            yield LaneHistory(records, self.extents[lane], event_clock)


async def fixed(settings: Settings, *, directory: Path | None = None, until: datetime | None = None) -> RecordedHistory:
    """Fix a history's end: where everything stands now, or after the last batch of each lane that was decided by then.

    Args:
        settings: which topics.
        directory: of an export; it is read first, and the brokers for what came after.
        until: by lane time.

    Raises:
        HistoryError: `until` is given, and a lane with records has no lane-log that would say what was decided by then.
        BrokerUnreachableError, KafkaError: the brokers are away.
    """
    history = RecordedHistory(settings, await broker_extents(settings), directory)
    if until is None:
        return history
    cut = {}
    for lane in history.extents:
        async with history.lane(lane) as opened:
            cut[lane] = await _cut(opened, until)
    return replace(history, extents=cut)


async def _cut(lane: LaneHistory, until: datetime) -> LaneExtent:
    """The lane up to the last batch whose time is not after `until`."""
    extent = lane.extent
    if extent.last is None and extent.offsets:
        msg = (
            f"lane {extent.lane} has records and no batch in its lane-log, so nothing says what was decided by"
            f" {until.isoformat()}; leave the time out"
        )
        raise HistoryError(msg)
    ends, last = dict(extent.starts), None
    async for log, log_end in logs(lane.records, extent):
        if log.lane_time > until:
            break
        ends |= {topic: span.next_offset for topic, span in log.offsets.items()}
        ends[Topic.LANE_LOG], last = log_end, log
    return replace(extent, ends=ends, last=last)
