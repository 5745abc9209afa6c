"""What goes out of a decided batch: outputs, dead letters, activity, re-routes, and last its lane-log record.

Pure. The messages are packed into the outbox in parts, and unpacked when a relay takes over.

Source: docs/protocol.md, Output; docs/flow.md, Home and Merchants.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgpack

from contracts.dead_letter_messages import encode_dead_letter
from contracts.encode import encode
from contracts.headers import Headers
from contracts.records import OutgoingMessage
from contracts.reroute import encode_reroute
from contracts.topics import Topic
from settlement.batch import Settled
from settlement.decision import InvariantBrokenError, Outcome
from settlement.version import RULES_VERSION
from workers.kafka.homes import home_of
from workers.kafka.topics import OUTPUT_MAX_BYTES
from workers.lanes.deciding import Decided
from workers.lanes.lanelog import BatchLog, OffsetRange, log_key
from workers.lanes.taken import Taken

PART_BYTES = 1024 * 1024
"""An outbox row is split into parts of about this size."""
# Room for what a record batch puts around a message of its own.
ENVELOPE_BYTES = 1024


class OutboxMessage(NamedTuple):
    """A message to send; `topic` is without prefix. The outbox holds its fields in this order: it must never change."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes
    headers: Headers


@dataclass(frozen=True, slots=True)
class Relayable:
    """A committed batch that has to be sent; its lane-log record is the last message."""

    batch_seq: int
    messages: Sequence[OutboxMessage]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Makes what one lane sends, under one claim.

    Args:
        database_id: named in the lane-log.
        lane: its number, and its partition of every topic but those of merchants and re-routed records.
        epoch: of the claim.
        lanes: how many there are.
    """

    database_id: str
    lane: int
    epoch: int
    lanes: int

    def messages(self, decided: Decided, offsets: Mapping[str, OffsetRange]) -> list[OutboxMessage]:
        """All of a batch, in the order to be sent.

        Args:
            decided: the batch.
            offsets: what it takes of each topic, for the lane-log.

        Raises:
            InvariantBrokenError: a message is larger than the broker takes.
        """
        log = self.log(decided, offsets)
        return [
            *self.outputs(decided),
            OutboxMessage(Topic.LANE_LOG.value, self.lane, log_key(self.lane), log.encode(), ()),
        ]

    def outputs(self, decided: Decided) -> Iterator[OutboxMessage]:
        """What others hear of a batch: all but the lane-log record."""
        for settled in decided.results:
            for message in _of_result(settled):
                yield self._out(message, self.lane)
        for letter in decided.rejected:
            yield self._out(encode_dead_letter(letter), self.lane)
        for output in decided.activity:
            yield self._out(encode(output, None), home_of(output.party.id, self.lanes))
        for taken in decided.rerouted:
            yield self._reroute(taken)

    def _reroute(self, taken: Taken) -> OutboxMessage:
        key = taken.record.key
        assert key is not None  # it was understood as an input of a party
        return self._out(encode_reroute(taken.record), home_of(key.decode(), self.lanes))

    def _out(self, message: OutgoingMessage, partition: int) -> OutboxMessage:
        """Check a message against what the broker takes.

        Raises:
            InvariantBrokenError: it is too large; lists are bounded, so this is a defect.
        """
        topic, key, value, headers = message
        size = ENVELOPE_BYTES + len(value) + len(key or b"")
        if topic == Topic.REROUTED:  # its headers are anybody's; ours have some 300 bytes
            size += sum(len(name) + len(content or b"") + 10 for name, content in headers)
        if size > OUTPUT_MAX_BYTES:
            msg = f"a message of lane {self.lane} to {topic} has {size} bytes; at most {OUTPUT_MAX_BYTES} fit"
            raise InvariantBrokenError(msg)
        return OutboxMessage(topic, partition, key, value, headers)

    def log(self, decided: Decided, offsets: Mapping[str, OffsetRange]) -> BatchLog:
        """What the lane-log says of a batch that takes these offsets."""
        outcomes = Counter(settled.decision.outcome.value for settled in decided.results if settled.input is not None)
        outcomes[Outcome.DEAD_LETTERED.value] += len(decided.rejected)
        return BatchLog(
            database_id=self.database_id,
            lane=self.lane,
            epoch=self.epoch,
            batch_seq=decided.after.batch_seq,
            lane_time=decided.lane_time,
            offsets=offsets,
            timers_until=decided.until if decided.due else None,
            timer_parties=len(decided.due),
            timers_fired=sum(settled.timer is not None for settled in decided.results),
            terms_digest=decided.after.rules.terms.digest,
            rules_version=RULES_VERSION,
            outcomes=+outcomes,
            chain_hash=decided.recorded.chain_hash,
        )


def packed(messages: Sequence[OutboxMessage]) -> list[bytes]:
    """Pack messages for the outbox, in parts of about PART_BYTES."""
    parts: list[bytes] = []
    begin, size = 0, 0
    for end, message in enumerate(messages, start=1):
        size += len(message.value) + len(message.key or b"")
        if size >= PART_BYTES or end == len(messages):
            parts.append(msgpack.packb(messages[begin:end]))
            begin, size = end, 0
    return parts


def unpack(batch_seq: int, parts: Iterable[bytes]) -> Relayable:
    """Read an outbox row."""
    messages: list[OutboxMessage] = []
    size_bytes = 0
    for part in parts:
        messages.extend(map(OutboxMessage._make, msgpack.unpackb(part, use_list=False)))
        size_bytes += len(part)
    return Relayable(batch_seq, messages, size_bytes)


def _of_result(settled: Settled) -> Iterator[OutgoingMessage]:
    """Outputs of an input or timer, or an input's dead letter. Nobody sent a timer, so its failure is kept only."""
    trace = settled.input.traceparent if settled.input is not None else None
    for output in settled.decision.outputs:
        yield encode(output, trace)
    letter = settled.dead_letter
    if letter is not None and letter.source is not None:
        yield encode_dead_letter(letter)
