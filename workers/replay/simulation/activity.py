"""What account lanes hand to merchant lanes in the other story: written lane by lane, read again in order."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgpack

from contracts.decode import decode
from contracts.encode import encode
from contracts.records import RawRecord
from contracts.topics import Topic
from settlement.messages import Input
from settlement.outputs import Output
from settlement.values import revised
from workers.kafka.homes import home_of
from workers.lanes.taken import Taken

FIRST_OFFSET = 2**61
"""Of what only the other story has: no broker counts so far, so it is taken for no recorded message."""


class HandedOver(NamedTuple):
    """One message from an account lane; in this order they come to a merchant lane.

    `is_recorded`: the recorded story has one of the same id.
    """

    lane_time_us: int
    lane: int
    batch_seq: int
    number: int
    is_recorded: bool
    event_id: str
    key: bytes
    value: bytes


class ActivityWriter:
    """Writes what one account lane hands over, one file for each lane it goes to.

    Args:
        folder: of all lanes, for one story.
        lane: the account lane.
        lanes: how many there are.
    """

    def __init__(self, folder: Path, lane: int, lanes: int) -> None:
        folder.mkdir(exist_ok=True)
        self._files: list[BinaryIO] = [_path(folder, lane, to).open("wb") for to in range(lanes)]
        self._lane = lane

    def write(self, outputs: Sequence[Output], batch_seq: int, recorded: Iterable[Output]) -> None:
        """Write what a batch hands over; `recorded` is what it handed over in the recorded story."""
        known = {each.event_id for each in recorded}
        for number, output in enumerate(outputs):
            message = encode(output)
            at = _microseconds(output.occurred_at)
            is_recorded = output.event_id in known
            row = (at, self._lane, batch_seq, number, is_recorded, output.event_id, message.key, message.value)
            self._files[home_of(output.party.id, len(self._files))].write(msgpack.packb(row))

    def close(self) -> None:
        """Finish the files."""
        for file in self._files:
            file.close()


class ActivityReader:
    """Puts a story's own activity in place of the recorded one, batch after batch of one merchant lane.

    What both stories have comes where it came; what only the other one has, with the first batch that is not earlier.
    """

    def __init__(self, folder: Path, lane: int, lanes: int) -> None:
        self._rows = heapq.merge(*[_rows(_path(folder, each, lane)) for each in range(lanes)])
        self._next = next(self._rows, None)
        self._waiting: dict[str, HandedOver] = {}
        self._lane = lane
        self._offset = FIRST_OFFSET

    def replaced(self, taken: Sequence[Taken], until: datetime | None) -> list[Taken]:
        """The records of a batch with this activity, up to a lane time; None: no time is known yet."""
        found = [] if until is None else [*self._until(_microseconds(until))]
        for each in taken:
            message = each.decoded
            if not isinstance(message, Input) or each.record.topic != Topic.MERCHANT_ACTIVITY:
                found.append(each)
                continue
            found += self._until(_microseconds(message.occurred_at))
            row = self._waiting.pop(message.event_id, None)
            if row is not None:
                other = self._input(row).decoded
                assert isinstance(other, Input)  # it was encoded here
                found.append(Taken(each.record, revised(message, body=other.body)))
        return found

    def _until(self, bound_us: int) -> Iterator[Taken]:
        while self._next is not None and self._next.lane_time_us <= bound_us:
            row, self._next = self._next, next(self._rows, None)
            if row.is_recorded:
                self._waiting[row.event_id] = row
            else:
                yield self._input(row)

    def _input(self, row: HandedOver) -> Taken:
        self._offset += 1
        topic = Topic.MERCHANT_ACTIVITY.value
        record = RawRecord(topic, self._lane, self._offset, row.lane_time_us // 1000, row.key, row.value)
        return Taken(record, decode(record))


def _path(folder: Path, lane: int, to: int) -> Path:
    return folder / f"activity-{lane}-{to}.msgpack"


def _rows(path: Path) -> Iterator[HandedOver]:
    with path.open("rb") as file:
        for row in msgpack.Unpacker(file, use_list=False):
            yield HandedOver(*row)


def _microseconds(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)
