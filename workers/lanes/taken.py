"""What a batch is made of: records in the order they are decided, each with what it was understood as."""

from typing import NamedTuple

from contracts.records import RawRecord, Rejected
from settlement.messages import Input

Decoded = Input | Rejected


class Taken(NamedTuple):
    """One record taken for a batch, decoded. `record.topic` is the topic it was read from, without prefix."""

    record: RawRecord
    decoded: Decoded
