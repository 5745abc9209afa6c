"""What a batch is made of: records in the order they are decided, each with what it was understood as."""

from typing import NamedTuple

from contracts.headers import MAX_READ
from contracts.records import RawRecord, Rejected
from settlement.dead_letter import DeadLetterReason
from settlement.messages import Input

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
