"""Where a lane comes from: lanes that were split have a story that others began.

A lane's story is that of the lane it was a part of, up to the batch after which that was split, and from then on its
own. It is told by the first record in the lane-log of those that were split off.

Source: docs/decisions/0025-a-lane-is-split-like-a-branch.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from storage.branching import Split
from workers.kafka.homes import home_of
from workers.replay.extent import HistoryError, LaneExtent


@dataclass(frozen=True, slots=True)
class Stretch:
    """Part of a lane's story: what a lane (`extent.lane`) of so many settled, up to a batch; None: to the end."""

    extent: LaneExtent
    lanes: int
    last_batch: int | None = None


def ancestry(extents: Mapping[int, LaneExtent], lane: int, lanes: int) -> tuple[Stretch, ...]:
    """The story of a lane before it was one of so many, the first stretch first; empty where it always was.

    Args:
        extents: of all lanes.
        lane: its number.
        lanes: how many there are.

    Raises:
        HistoryError: a lane-log does not say where its lane goes on from, and others do.
    """
    found: list[Stretch] = []
    while (begins := extents[lanes - 1].begins) is not None:
        fewer = begins.from_lanes
        lane %= fewer
        split_off = extents[lane + fewer].begins
        if split_off is None:
            msg = (
                f"the lane-log of lane {lane + fewer} does not say from which batch of lane {lane} it goes on: its"
                " beginning is gone from the brokers; read it from an export (--from DIR)"
            )
            raise HistoryError(msg)
        found.append(Stretch(extents[lane], fewer, split_off.batch_seq))
        lanes = fewer
    return tuple(reversed(found))


@dataclass(frozen=True, slots=True)
class Heir:
    """A lane of so many that goes on from one of fewer."""

    lane: int
    lanes: int
    from_lanes: int

    def has(self, name: str | None) -> bool:
        """Whether what is of an account, merchant or key of the lane before is of this one; None: of nobody."""
        before = self.lane % self.from_lanes
        if name is None:
            return self.lane == before
        return Split(self.from_lanes, self.lanes).heir(before, home_of(name, self.lanes)) == self.lane
