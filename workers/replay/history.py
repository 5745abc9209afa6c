"""The front door: a history with a fixed end, read lane by lane, from the brokers, from files, or from both.

    history = await fixed(settings, HistorySource(directory), until=None)
    async with history.lane(3) as lane:
        async for batch in lane.batches():  # lane.unlogged_batches() where history.extents[3].last is None
            ...

Of a lane that was split off another these are its own batches; `history.batches(3)` begins with those of the other.

A `RecordedHistory` is a value that can be sent to another process, which then reads its lane there. Nothing it reads is
changed by workers that go on meanwhile: the end was fixed when it was made.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from pathlib import Path

from contracts.topics import Topic
from workers.kafka.topics import cluster_id
from workers.lanes.lanelog import BatchLog
from workers.replay.broker import broker_extents, broker_records
from workers.replay.exported import (
    ContinuedRecords,
    FileRecords,
    continued_extent,
    file_extent,
    require_continued,
)
from workers.replay.extent import HistoryError, LaneExtent, LaneRecords
from workers.replay.lineage import Stretch, ancestry
from workers.replay.manifest import HISTORY_FILE, LaneManifest, Provenance
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
class HistorySource:
    """Where a history is read from.

    Args:
        directory: of an export that is read first; None: brokers only.
        brokers: whether to ask the brokers for what came after the export.
    """

    directory: Path | None = None
    brokers: bool = True


@dataclass(frozen=True, slots=True)
class RecordedHistory:
    """All lanes up to a fixed end.

    Args:
        settings: which topics, how they were merged (POSTPAY_CLOCK), and how to reach the brokers.
        extents: by lane, what there is to read.
        source: where it is read from.
        ancestries: by lane, its story before it was one of so many; lanes that always were are left out.
    """

    settings: Settings
    extents: Mapping[int, LaneExtent]
    source: HistorySource = field(default_factory=HistorySource)
    ancestries: Mapping[int, tuple[Stretch, ...]] = field(default_factory=dict)

    def stretches(self, lane: int) -> tuple[Stretch, ...]:
        """The whole story of a lane, the first stretch first."""
        return (*self.ancestries.get(lane, ()), Stretch(self.extents[lane], self.settings.lanes))

    def last_batch(self, lane: int) -> int | None:
        """The last batch of a lane's story; None where there is none in any lane-log."""
        *before, own = self.stretches(lane)
        if own.extent.last is not None:
            return own.extent.last.batch_seq
        return before[-1].last_batch if before else None

    async def batches(self, lane: int, from_batch: int = 1) -> AsyncGenerator[RecordedBatch]:
        """The batches of a lane's whole story, as `LaneHistory.batches` says; to be closed by whoever leaves early."""
        for _, together in groupby(self.stretches(lane), key=lambda stretch: stretch.extent.lane):
            last = [*together][-1]
            if last.extent.last is None or (last.last_batch is not None and last.last_batch < from_batch):
                continue
            async with self._records(last.extent) as records:
                opened = LaneHistory(records, last.extent, self.settings.clock == "event")
                async for batch in opened.batches(from_batch):
                    assert batch.log is not None  # only of a history without a lane-log
                    if last.last_batch is not None and batch.log.batch_seq > last.last_batch:
                        break
                    yield batch
                    from_batch = batch.log.batch_seq + 1

    @asynccontextmanager
    async def lane(self, lane: int) -> AsyncIterator[LaneHistory]:
        """Open a lane.

        Raises:
            HistoryError: the export is damaged, or the topics are not those that were exported.
            BrokerUnreachableError: no broker answered.
        """
        async with self._records(self.extents[lane]) as records:
            yield LaneHistory(records, self.extents[lane], self.settings.clock == "event")

    @asynccontextmanager
    async def _records(self, extent: LaneExtent) -> AsyncIterator[LaneRecords]:
        directory = self.source.directory
        manifest = None if directory is None else LaneManifest.load(directory, extent.lane)
        if directory is not None and manifest is not None and not self.source.brokers:
            yield FileRecords(directory, manifest)
            return
        async with broker_records(self.settings, extent) as broker:
            if directory is None or manifest is None:
                yield broker
                return
            await require_continued(manifest, broker)
            yield ContinuedRecords(directory, manifest, broker)


async def fixed(
    settings: Settings, source: HistorySource | None = None, *, until: datetime | None = None
) -> RecordedHistory:
    """Fix a history's end: where everything stands now, or after the last batch of each lane that was decided by then.

    Args:
        settings: which topics.
        source: the brokers where None.
        until: by lane time.

    Raises:
        HistoryError: the export is damaged, of another history, or does not go together with what the brokers have; or
            `until` is given, and a lane with records has no lane-log that would say what was decided by then.
        BrokerUnreachableError, KafkaError: the brokers are away.
    """
    source = source or HistorySource()
    extents = await broker_extents(settings) if source.brokers else {}
    if source.directory is not None:
        provenance = await _provenance(settings, extents, source)
        extents = {
            lane: _extent(source.directory, LaneManifest.load(source.directory, lane), extents.get(lane))
            for lane in range(settings.lanes if source.brokers else provenance.lanes)
        }
    found = {lane: ancestry(extents, lane, len(extents)) for lane in extents}
    history = RecordedHistory(settings, extents, source, {lane: each for lane, each in found.items() if each})
    return history if until is None else await cut(history, until)


def _extent(directory: Path, manifest: LaneManifest, broker: LaneExtent | None) -> LaneExtent:
    return file_extent(directory, manifest) if broker is None else continued_extent(directory, manifest, broker)


async def provenance(settings: Settings, extents: Mapping[int, LaneExtent]) -> Provenance:
    """Whose history the brokers have.

    Raises:
        HistoryError: lane-logs name two databases.
        BrokerUnreachableError, KafkaError: the brokers are away.
    """
    named = sorted({extent.last.database_id for extent in extents.values() if extent.last is not None})
    if len(named) > 1:
        msg = f"the lane-logs of prefix {settings.topics.prefix!r} were written by two databases: {', '.join(named)}"
        raise HistoryError(msg)
    return Provenance(
        await cluster_id(settings), settings.topics.prefix, "".join(named), settings.lanes, settings.clock
    )


async def _provenance(settings: Settings, extents: Mapping[int, LaneExtent], source: HistorySource) -> Provenance:
    """Whose history is read from files.

    Raises:
        HistoryError: there is none, or it is another one than the brokers'.
    """
    assert source.directory is not None
    there = Provenance.load(source.directory)
    if there is None:
        msg = f"expected an export of 'postpay history export', found no {HISTORY_FILE} in {source.directory}"
        raise HistoryError(msg)
    if source.brokers:
        there.require(await provenance(settings, extents), source.directory, may_grow=True)
    else:  # nobody can be asked which cluster it was; the rest decides how it is read
        there.require(replace(there, lanes=settings.lanes, clock=settings.clock), source.directory)
    return there


async def cut(history: RecordedHistory, until: datetime) -> RecordedHistory:
    """End a history after the last batch of each lane whose lane time is not after `until`.

    Raises:
        HistoryError: a lane with records has no lane-log.
        BrokerUnreachableError, KafkaError: the brokers are away.
    """
    extents = {}
    for lane in history.extents:
        async with history.lane(lane) as opened:
            extents[lane] = await _cut(opened, until)
    return replace(history, extents=extents)


async def _cut(lane: LaneHistory, until: datetime) -> LaneExtent:
    extent = lane.extent
    if extent.last is None and extent.begins is None and extent.offsets:
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
