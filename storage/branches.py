"""Where lanes were split, and where the rows of batches from before lie.

A lane that is split goes on as several, each from its last batch. Batches from before stay with the lane that settled
them, whose lane-log has them; their decisions and postings lie on the lanes that their parties are on now.

Source: docs/decisions/0025-a-lane-is-split-like-a-branch.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from storage import chain
from storage.database import Connection
from storage.queries import read

_SQL = read("branches")


@dataclass(frozen=True, slots=True)
class Branch:
    """A lane goes on from a batch of one of `from_lanes` lanes; `next_seq` numbers its first decision of its own.

    `lane_time` is that of the batch; None where nothing was ever settled on that lane.
    """

    lane: int
    from_lane: int
    from_lanes: int
    batch_seq: int
    chain_hash: bytes
    next_seq: int
    lane_time: datetime | None


@dataclass(frozen=True, slots=True)
class Family:
    """Up to a batch, None: the last, a lane's decisions lie on these lanes."""

    last_batch: int | None
    lanes: Sequence[int]


async def branches(connection: Connection) -> list[Branch]:
    """All branches, the first split first."""
    return [Branch(*row) for row in await connection.fetch(_SQL["branches"])]


async def begins(connection: Connection, lane: int) -> Branch:
    """What a lane's own batches go on from; of one that has been there from the beginning that is before batch 1."""
    row = await connection.fetchrow(_SQL["begins"], lane)
    return Branch(lane, lane, 0, 0, chain.genesis(lane), 1, None) if row is None else Branch(*row)


async def families(connection: Connection, lane: int) -> list[Family]:
    """Where the decisions of a lane's own batches lie, in order; the last family is the lane alone."""
    split = [Family(*row) for row in await connection.fetch(_SQL["families"], lane)]
    return [*split, Family(None, [lane])]
