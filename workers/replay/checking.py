"""Reading an export through, to know that it is whole: every file, and every batch that its lane-log speaks of."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workers.replay.extent import HISTORY_TOPICS, HistoryError
from workers.replay.history import HistorySource, LaneHistory, RecordedHistory, fixed
from workers.replay.manifest import HISTORY_FILE, Provenance
from workers.replay.merge import logs
from workers.replay.processes import Tell, each_lane
from workers.settings.model import Settings

READ = 1000


@dataclass(frozen=True, slots=True)
class LaneChecked:
    """What was found of a lane: batches, records read, and what is wrong first of all."""

    batches: int
    records: int
    problem: str | None = None


async def opened(settings: Settings, directory: Path) -> tuple[Provenance, RecordedHistory]:
    """Open an export by itself, with lanes and clock as it says.

    Raises:
        HistoryError: there is none, or its manifests are damaged.
    """
    provenance = Provenance.load(directory)
    if provenance is None:
        msg = f"expected an export of 'postpay history export', found no {HISTORY_FILE} in {directory}"
        raise HistoryError(msg)
    its_own = settings.model_copy(update={"lanes": provenance.lanes, "clock": provenance.clock})
    return provenance, await fixed(its_own, HistorySource(directory, brokers=False))


def offsets(history: RecordedHistory) -> int:
    """How much `checked` tells of in all: every topic's, and once more those that batches took."""
    of_files = (
        extent.ends[topic] - extent.starts[topic] for extent in history.extents.values() for topic in HISTORY_TOPICS
    )
    return sum(of_files) + sum(extent.offsets for extent in history.extents.values())


async def checked(history: RecordedHistory, told: Tell, *, processes: int | None = None) -> Mapping[int, LaneChecked]:
    """Read all of it, twice: file by file, and batch by batch.

    Args:
        history: of an export.
        told: now and then, offsets and records read so far.
        processes: at most so many side by side; None: one for each processor.
    """
    return await each_lane(history, _check_lane, told, processes=processes)


async def _check_lane(history: RecordedHistory, lane: int, tell: Tell) -> LaneChecked:
    found = Counter[str]()
    problem = None
    try:
        async with history.lane(lane) as opened_lane:
            await _check_files(opened_lane, found, tell)
        await _check_batches(history, lane, found, tell)
    except HistoryError as error:
        problem = str(error)
    return LaneChecked(found["batches"], found["records"], problem)


async def _check_files(lane: LaneHistory, found: Counter[str], tell: Tell) -> None:
    """Read every file, which looks at its sum."""
    for topic in HISTORY_TOPICS:
        for first in range(lane.extent.starts[topic], lane.extent.ends[topic], READ):
            end = min(first + READ, lane.extent.ends[topic])
            records = await lane.records.read(topic, first, end)
            found["records"] += len(records)
            tell(end - first, len(records))


async def _check_batches(history: RecordedHistory, lane: int, found: Counter[str], tell: Tell) -> None:
    """Read every batch that the lane-log records, beginning with the first that it has."""
    async with history.lane(lane) as opened_lane:
        begins = await anext(logs(opened_lane.records, opened_lane.extent), None)
    if begins is None:
        return
    async with history.lane(lane) as opened_lane:
        async for batch in opened_lane.batches(from_batch=begins[0].batch_seq):
            found["batches"] += 1
            tell(batch.offsets, 0)
