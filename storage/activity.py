"""What lanes have been doing of late, for whoever watches: outcomes and outputs by the minute."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from storage.database import Connection
from storage.queries import read

_SQL = read("activity")

LOOK_BACK = 20_000
"""Of each lane, decisions, batches, and records of each topic that the first look goes back: a second's reading."""
LOOK_BACK_TIME = timedelta(hours=6)
"""How far it goes back for dead letters, by the lane's time."""
COUNTED_AT_MOST = 1000
"""Trouble is counted no further: more is no other news."""

LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LanePlace:
    """How far a lane was at a look; `next_offsets` by topic."""

    lane: int
    next_seq: int
    batch_seq: int
    lane_time: datetime
    next_offsets: Mapping[str, int]

    @property
    def before(self) -> "LanePlace":
        """Where the first look begins: a bounded way back."""
        offsets = {topic: max(0, offset - LOOK_BACK) for topic, offset in self.next_offsets.items()}
        batch_seq = max(0, self.batch_seq - LOOK_BACK)
        since_at = LONG_AGO if self.lane_time == LONG_AGO else self.lane_time - LOOK_BACK_TIME
        return LanePlace(self.lane, max(1, self.next_seq - LOOK_BACK), batch_seq, since_at, offsets)


@dataclass(frozen=True, slots=True)
class MinuteCount:
    """Records of one minute by what became of them, or `timer`; and the messages that followed."""

    minute: datetime
    what: str
    records: int
    outputs: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """Counts end at COUNTED_AT_MOST."""

    dead_letters: int
    conflicts: int


async def places(connection: Connection) -> list[LanePlace]:
    """How far each lane is."""
    return [
        LanePlace(
            row["lane"],
            row["next_seq"],
            row["batch_seq"],
            row["lane_time"] or LONG_AGO,
            dict(zip(row["topics"], row["next_offsets"], strict=True)),
        )
        for row in await connection.fetch(_SQL["places"])
    ]


async def since(connection: Connection, place: LanePlace) -> list[MinuteCount]:
    """What a lane did after a place; what it commits meanwhile may be in it, and be told again by the next look.

    Args:
        connection: in a transaction of one snapshot, together with `places`, so that nothing is told twice.
        place: where the look before ended.
    """
    rows = await connection.fetch(
        _SQL["since"],
        place.lane,
        place.next_seq,
        list(place.next_offsets),
        list(place.next_offsets.values()),
        place.lane_time,
        place.batch_seq,
    )
    return [MinuteCount(row["minute"], row["what"], row["records"], row["outputs"]) for row in rows]


async def trouble(connection: Connection, since_at: datetime) -> Trouble:
    """Dead letters and conflicts from an instant of the lanes' time on."""
    row = await connection.fetchrow(_SQL["trouble"], since_at, COUNTED_AT_MOST)
    return Trouble(row["dead_letters"], row["conflicts"])
