"""A batch whose data the database refuses: settled in halves, until the record that is refused is alone.

The rules see to it that this does not happen; where they don't, a record costs itself and not its lane. How records are
cut into batches changes nothing of what they come to, so the others are settled as ever. Protocol: docs/protocol.md,
Input.
"""

from collections.abc import Callable, Mapping, Sequence

import asyncpg

from settlement.dead_letter import DeadLetterReason
from settlement.messages import Input
from storage.company import Company
from storage.database import first_line
from workers import logs
from workers.lanes.taken import REFUSED, Taken
from workers.lanes.transaction import Settlement, Settler

_OVERFLOWS = (asyncpg.NumericValueOutOfRangeError, OverflowError)

REFUSALS = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, *_OVERFLOWS)
"""What is raised for data that the database does not take: SQLSTATE classes 22, 23, and what asyncpg can't encode."""

LOG = logs.get(__name__)


async def settle_in_parts(
    settler: Settler,
    taken: Sequence[Taken],
    read_to: Mapping[str, int],
    committed: Callable[[Settlement], None],
    company: Company | None = None,
) -> bool:
    """Settle records, in as many transactions as it takes.

    Args:
        settler: of the lane.
        taken: records in merged order; those that are settled already are left out.
        read_to: by topic, the position after them, control records included.
        committed: told of each transaction, in order.
        company: in the transaction of which to do it. A refusal may be for another's data there, so it raises none.

    Returns:
        Whether there was anything to do.

    Raises:
        Exception: as `Settler.settle` does; what was committed before has been told. A refusal only where it is not
            for the data of a record.
    """
    try:
        settlement = await settler.settle(taken, read_to, company)
    except REFUSALS as refusal:
        fresh = settler.unsettled(taken)
        if not fresh or (len(fresh) == 1 and not isinstance(fresh[0].decoded, Input)):
            raise
        if len(fresh) == 1:
            parts = [([_refused(settler.lane, fresh[0], refusal)], read_to)]
        else:
            first, second = fresh[: len(fresh) // 2], fresh[len(fresh) // 2 :]
            parts = [(first, {each.record.topic: each.record.offset + 1 for each in first}), (second, read_to)]
    else:
        if settlement is not None:
            committed(settlement)
        return settlement is not None
    for part, part_read_to in parts:
        await settle_in_parts(settler, part, part_read_to, committed)
    return True


def _refused(lane: int, taken: Taken, refusal: Exception) -> Taken:
    """The record as one that can't be settled."""
    record = taken.record
    LOG.error("the database refuses a record", lane=lane, topic=record.topic, offset=record.offset, exc_info=refusal)
    overflows = isinstance(refusal, _OVERFLOWS)
    return taken.refused(
        DeadLetterReason.AMOUNT_OVERFLOW if overflows else DeadLetterReason.INTERNAL_ERROR,
        f"{REFUSED} ({type(refusal).__name__}: {first_line(refusal)}): a defect of postpay, please report it",
    )
