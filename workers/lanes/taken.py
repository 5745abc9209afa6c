"""What a batch is made of: records in the order they are decided, each with what it was understood as."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from contracts.headers import MAX_READ
from contracts.records import RawRecord, Rejected
from settlement.dead_letter import DeadLetterReason
from settlement.messages import Input
from workers.lanes.lanelog import BatchLog

Decoded = Input | Rejected

REFUSED = "the database refuses what it leads to"
"""How the detail of a dead letter begins whose input the rules took and the database did not."""


class Taken(NamedTuple):
    """One record taken for a batch, decoded. `record.topic` is the topic it was read from, without prefix."""

    record: RawRecord
    decoded: Decoded

    def refused(self, reason: DeadLetterReason, detail: str) -> "Taken":
        """The record as one that can't be settled, though it was understood."""
        message = self.decoded
        assert isinstance(message, Input)
        rejected = Rejected(
            message.source,
            reason,
            detail,
            self.record.key,
            message.raw,
            message.event_id,
            message.type,
            message.occurred_at,
            tuple(self.record.headers[:MAX_READ]),
        )
        return Taken(self.record, rejected)


@dataclass(frozen=True, slots=True)
class SentBatch:
    """A batch that was sent, to be settled again in a database that lacks it.

    Args:
        log: what the lane-log says of it.
        taken: its records in the order of deciding.
        failed: inputs and timers that failed by a defect, by `DeadLetter.dead_letter_id`: the details.
    """

    log: BatchLog
    taken: Sequence[Taken]
    failed: Mapping[str, str]
