"""Writing a history to files: what is not there yet, lane by lane, topic by topic, the lane-log last.

A file is written whole, then the manifest that names it. So what a killed export leaves is a shorter export: the next
one goes on behind it. And whatever the lane-log of an export says, what it speaks of is there.
"""

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from contracts.records import RawRecord
from workers.lanes.claims import fingerprint
from workers.replay import lines
from workers.replay.broker import BrokerRecords, broker_records
from workers.replay.exported import continued_extent, require_continued
from workers.replay.extent import HISTORY_TOPICS, HistoryError, LaneExtent
from workers.replay.history import RecordedHistory, cut, fixed, provenance
from workers.replay.manifest import (
    HistoryFile,
    LaneManifest,
    Provenance,
    TopicFiles,
    lane_directory,
    write_whole,
)
from workers.replay.processes import Tell, each_lane
from workers.settings.model import Settings

FILE_BYTES = 8 * 1024 * 1024
"""Of lines, before they are compressed. So much of each topic is in memory where files are read."""
READ = 200
"""Offsets that are read at once."""
LOCK_FILE = ".lock"


@dataclass(frozen=True, slots=True)
class LaneExported:
    """What was added of one lane."""

    records: int = 0
    files: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Export:
    """An export that is about to be made or continued.

    Args:
        history: what the brokers have, of the lanes to export.
        directory: where it goes.
        offsets: how many are to be read, of all topics: hardly more than records.
    """

    history: RecordedHistory
    directory: Path
    offsets: int

    async def run(self, told: Tell, *, processes: int | None = None) -> Mapping[int, LaneExported]:
        """Write the files.

        Args:
            told: now and then, offsets and records done so far.
            processes: at most so many side by side; None: one for each processor.

        Raises:
            HistoryError: a topic was made anew, or the broker deleted what was to be read.
            BrokerUnreachableError, KafkaError: the brokers are away.
        """
        return await each_lane(self.history, partial(_export_lane, self.directory), told, processes=processes)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Make the directory, and keep other exports out of it.

    Raises:
        HistoryError: another one is at work.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / LOCK_FILE).open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            msg = f"another export writes to {directory}; wait until it is done"
            raise HistoryError(msg) from error
        yield


async def prepared(
    settings: Settings, directory: Path, *, until: datetime | None = None, lanes: frozenset[int] | None = None
) -> Export:
    """Find out what is to be added to an export, which may be empty; writes whose it is.

    Args:
        settings: which topics.
        directory: locked.
        until: by lane time; None: all there is now.
        lanes: only these; None: all.

    Raises:
        HistoryError: it holds another history or is damaged, or what came after it is gone from the brokers.
        BrokerUnreachableError, KafkaError: the brokers are away.
    """
    history = await fixed(settings)
    there = Provenance.load(directory)
    found = await provenance(settings, history.extents)
    if there is not None:
        there.require(found, directory, may_grow=True)
    manifests = {lane: LaneManifest.load(directory, lane) for lane in history.extents if not lanes or lane in lanes}
    for lane, manifest in manifests.items():
        _require_whole_files(directory, manifest)
        continued_extent(directory, manifest, history.extents[lane])
    if there is None or not there.database_id or there.lanes != found.lanes:
        found.save(directory)
    chosen = replace(history, extents={lane: history.extents[lane] for lane in manifests})
    if until is not None:
        chosen = await cut(chosen, until)
    left = (
        max(0, extent.ends[topic] - _exported(manifests[lane], extent, topic).end)
        for lane, extent in chosen.extents.items()
        for topic in HISTORY_TOPICS
    )
    return Export(chosen, directory, sum(left))


def _require_whole_files(directory: Path, manifest: LaneManifest) -> None:
    """All files are there, in their size; their sums are looked at when they are read.

    Raises:
        HistoryError: one is not.
    """
    for topic in manifest.topics.values():
        for file in topic.files:
            path = lane_directory(directory, manifest.lane) / file.name
            size = path.stat().st_size if path.exists() else None
            if size != file.size_bytes:
                found = "is missing" if size is None else f"has {size:,} bytes instead of {file.size_bytes:,}"
                msg = f"{path} {found}: bring back a copy, or export into another directory"
                raise HistoryError(msg)


def _exported(manifest: LaneManifest, extent: LaneExtent, topic: str) -> TopicFiles:
    """What there is of a topic; where there is nothing yet, it begins where the brokers' begins."""
    return manifest.topics.get(topic) or TopicFiles(extent.starts[topic], extent.starts[topic])


async def _export_lane(directory: Path, history: RecordedHistory, lane: int, tell: Tell) -> LaneExported:
    extent = history.extents[lane]
    manifest = LaneManifest.load(directory, lane)
    lane_directory(directory, lane).mkdir(exist_ok=True)
    added: list[HistoryFile] = []
    async with broker_records(history.settings, extent) as broker:
        await require_continued(manifest, broker)
        for topic in HISTORY_TOPICS:
            files = _exported(manifest, extent, topic)
            while files.end < extent.ends[topic]:
                read = await _read_file(broker, topic, files.end, extent.ends[topic], tell)
                more = read.written(lane_directory(directory, lane), topic, files.end)
                files = TopicFiles(files.start, read.end, files.files + more)
                manifest = LaneManifest(lane, {**manifest.topics, topic: files})
                manifest.save(directory)
                added += more
    return LaneExported(sum(each.records for each in added), len(added), sum(each.size_bytes for each in added))


@dataclass(slots=True)
class _FileContent:
    """Lines of a file that is being filled, up to the offset `end`."""

    end: int
    lines: list[bytes] = field(default_factory=list)
    size_bytes: int = 0
    last: RawRecord | None = None

    def add(self, records: list[RawRecord], end: int) -> None:
        for record in records:
            line = lines.line(record)
            self.lines.append(line)
            self.size_bytes += len(line)
            self.last = record
        self.end = end

    def written(self, directory: Path, topic: str, first: int) -> tuple[HistoryFile, ...]:
        """Write the file; none where there was no record."""
        if self.last is None:
            return ()
        name = f"{topic}-{first:020}.jsonl.zst"
        content = lines.compressed(self.lines)
        write_whole(directory / name, content)
        file = HistoryFile(
            name=name,
            first=first,
            end=self.end,
            records=len(self.lines),
            size_bytes=len(content),
            sha256=lines.sha256(content),
            last=fingerprint(self.last).hex(),
        )
        return (file,)


async def _read_file(broker: BrokerRecords, topic: str, first: int, end: int, tell: Tell) -> _FileContent:
    """Read what goes into one file."""
    content = _FileContent(first)
    while content.end < end and content.size_bytes < FILE_BYTES:
        begun, upto = content.end, min(content.end + READ, end)
        records = await broker.read(topic, begun, upto)
        content.add(records, upto)
        tell(upto - begun, len(records))
    return content
