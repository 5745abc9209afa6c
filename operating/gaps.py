"""Accepting that input of a lane is lost."""

from dataclasses import dataclass

from contracts.topics import LANE_TOPICS
from operating.refusal import ActionRefusedError
from storage import lanes, operator_log
from storage.database import Connection
from storage.identity import identity
from storage.operator_log import Because

LARGEST_OFFSET = 2**63 - 1


@dataclass(frozen=True, slots=True)
class AcceptedGap:
    """A lane goes on at `next_offset` in a topic, instead of at `offset_before`."""

    lane: int
    topic: str
    offset_before: int
    next_offset: int


async def accept_gap(
    connection: Connection,
    lane: int,
    topic: str,
    next_offset: int,
    because: Because,
    *,
    dry_run: bool = False,
    seen_at: int | None = None,
) -> AcceptedGap:
    """Say that a lane's input of a topic below an offset is lost: it goes on there when it looks again, or is claimed.

    Args:
        connection: outside a transaction, of a member of postpay_ops.
        lane: its number.
        topic: without prefix.
        next_offset: the first record that is there.
        because: who says so, and why.
        dry_run: only tell what would change.
        seen_at: the offset the lane was to go on at when this was decided; None is any.

    Raises:
        ActionRefusedError: there is no such lane or topic, the lane goes on there anyhow, or has moved since it was
            seen.
    """
    if topic not in LANE_TOPICS:
        raise ActionRefusedError(f"expected a topic without prefix ({', '.join(LANE_TOPICS)}), got {topic!r}")
    if not 0 <= next_offset <= LARGEST_OFFSET:
        raise ActionRefusedError(f"expected an offset from 0, got {next_offset}")
    count = (await identity(connection)).lanes
    if not 0 <= lane < count:
        raise ActionRefusedError(f"expected a lane from 0 to {count - 1}, got {lane}")
    position = (await lanes.positions(connection, lane)).get(topic)
    before = 0 if position is None else position.next_offset
    if before == next_offset and (position is None or position.last_fingerprint is None):
        raise ActionRefusedError(f"lane {lane} goes on at offset {before} of {topic} already")
    if not dry_run:
        async with connection.transaction():  # the lane is held: where it was is where it stays if this is refused
            before = await operator_log.accept_gap(connection, lane, topic, next_offset, because)
            if seen_at is not None and before != seen_at:
                raise ActionRefusedError(
                    f"expected lane {lane} at offset {seen_at} of {topic}, where it was when this was asked for, found"
                    f" it at {before}: look again, and ask anew"
                )
    return AcceptedGap(lane, topic, before, next_offset)
