"""A lane's history as an export has it, alone or continued by the brokers."""

from collections.abc import Iterator
from pathlib import Path

from contracts.records import RawRecord
from contracts.topics import Topic
from workers.lanes.claims import fingerprint, fingerprint_offset
from workers.lanes.lanelog import BatchLog, BranchLog
from workers.replay import lines
from workers.replay.broker import BrokerRecords
from workers.replay.extent import HISTORY_TOPICS, HistoryError, LaneExtent
from workers.replay.manifest import HistoryFile, LaneManifest, TopicFiles, lane_directory
from workers.replay.merge import batch_log, begins

NOTHING = TopicFiles(0, 0)


class FileRecords:
    """Reads one lane's topics from an export; of each topic one file is in memory at a time.

    Args:
        directory: of the export.
        manifest: of the lane.
    """

    def __init__(self, directory: Path, manifest: LaneManifest) -> None:
        self._directory = directory
        self._manifest = manifest
        self._unread: dict[str, Iterator[RawRecord]] = {}
        self._ahead: dict[str, RawRecord | None] = {}

    async def read(self, topic: str, first: int, end: int) -> list[RawRecord]:
        """Read, as `LaneRecords` says."""
        if topic not in self._unread:
            self._unread[topic] = self._records_from(topic, first)
            self._ahead[topic] = next(self._unread[topic], None)
        found = []
        record = self._ahead[topic]
        while record is not None and record.offset < end:
            if record.offset >= first:
                found.append(record)
            record = next(self._unread[topic], None)
        self._ahead[topic] = record
        return found

    def _records_from(self, topic: str, first: int) -> Iterator[RawRecord]:
        for file in self._manifest.topics.get(topic, NOTHING).files:
            if file.end > first:
                yield from records_of(self._directory, self._manifest.lane, topic, file)


def records_of(directory: Path, lane: int, topic: str, file: HistoryFile) -> Iterator[RawRecord]:
    """The records of a file, once its sum is found right.

    Raises:
        HistoryError: it is not there or damaged.
    """
    path = lane_directory(directory, lane) / file.name
    try:
        content = path.read_bytes()
    except OSError as error:
        msg = f"{path} cannot be read ({error.strerror}), and the manifest names it: bring back a copy, or export anew"
        raise HistoryError(msg) from error
    if lines.sha256(content) != file.sha256:
        msg = (
            f"{path} is damaged: it has {len(content):,} bytes with sum {lines.sha256(content)}, and the manifest says"
            f" {file.size_bytes:,} bytes with sum {file.sha256}; bring back a copy, or export anew"
        )
        raise HistoryError(msg)
    return lines.records(content, topic, lane)


def file_extent(directory: Path, manifest: LaneManifest) -> LaneExtent:
    """What an export has of a lane.

    Raises:
        HistoryError: a file of its lane-log is damaged.
    """
    topics = {topic: manifest.topics.get(topic, NOTHING) for topic in HISTORY_TOPICS}
    return LaneExtent(
        manifest.lane,
        {topic: each.start for topic, each in topics.items()},
        {topic: each.end for topic, each in topics.items()},
        _last_batch(directory, manifest),
        _begins(directory, manifest),
    )


def _begins(directory: Path, manifest: LaneManifest) -> BranchLog | None:
    topic = Topic.LANE_LOG.value
    files = manifest.topics.get(topic, NOTHING).files
    return begins(record for file in files for record in records_of(directory, manifest.lane, topic, file))


def _last_batch(directory: Path, manifest: LaneManifest) -> BatchLog | None:
    topic = Topic.LANE_LOG.value
    for file in reversed(manifest.topics.get(topic, NOTHING).files):
        found = [batch_log(record) for record in records_of(directory, manifest.lane, topic, file)]
        last = next((log for log in reversed(found) if log is not None), None)
        if last is not None:
            return last
    return None


class ContinuedRecords:
    """Reads one lane's topics from an export, and from the brokers what came after.

    Args:
        directory: of the export.
        manifest: of the lane.
        broker: the same lane.
    """

    def __init__(self, directory: Path, manifest: LaneManifest, broker: BrokerRecords) -> None:
        self._files = FileRecords(directory, manifest)
        self._manifest = manifest
        self._broker = broker

    async def read(self, topic: str, first: int, end: int) -> list[RawRecord]:
        """Read, as `LaneRecords` says."""
        there = self._manifest.topics.get(topic, NOTHING).end
        found = await self._files.read(topic, first, min(end, there)) if first < there else []
        return found + (await self._broker.read(topic, max(first, there), end) if end > there else [])


def continued_extent(directory: Path, manifest: LaneManifest, broker: LaneExtent) -> LaneExtent:
    """What an export has of a lane, and after it the brokers.

    Raises:
        HistoryError: between the two something is gone, or the brokers have less than was exported.
    """
    starts = dict(broker.starts)
    for topic, files in manifest.topics.items():
        where = f"{topic}[{manifest.lane}]"
        if files.end > broker.ends[topic]:
            msg = (
                f"{where} was exported up to offset {files.end}, and ends at {broker.ends[topic]} now: it was made anew"
                " since, or the export is of another one"
            )
            raise HistoryError(msg)
        if files.end < broker.starts[topic]:
            msg = (
                f"{where} was exported up to offset {files.end}, and the brokers have it from offset"
                f" {broker.starts[topic]} on: what lies between is gone; only the export by itself can be read"
                " (--offline)"
            )
            raise HistoryError(msg)
        starts[topic] = files.start
    last, goes_on = broker.last or _last_batch(directory, manifest), broker.begins or _begins(directory, manifest)
    return LaneExtent(broker.lane, starts, broker.ends, last, goes_on)


async def require_continued(manifest: LaneManifest, broker: BrokerRecords) -> None:
    """What was exported last of each topic must stand on the brokers where it stood, as far as they still have it.

    Args:
        manifest: of the export.
        broker: nothing was read from it yet.

    Raises:
        HistoryError: another record stands there, so the topic was made anew.
        BrokerUnreachableError, KafkaError: the brokers are away.
    """
    starts = await broker.starts()
    marks = {topic: bytes.fromhex(each.files[-1].last) for topic, each in manifest.topics.items() if each.files}
    offsets = {topic: fingerprint_offset(last) for topic, last in marks.items()}
    there = {topic: offset for topic, offset in offsets.items() if offset >= starts[topic]}
    broker.begin(there)
    for topic, offset in there.items():
        if [fingerprint(record) for record in await broker.read(topic, offset, offset + 1)] != [marks[topic]]:
            msg = (
                f"{topic}[{manifest.lane}] does not have the record at offset {offset} that was exported: the topic was"
                " made anew since, or the export is of another one"
            )
            raise HistoryError(msg)
