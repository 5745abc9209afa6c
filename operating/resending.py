"""What would be sent again for a dead letter: the record, checked against the contracts. Pure."""

from dataclasses import dataclass

from contracts import headers
from contracts.decode import decode, event_hash
from contracts.records import RawRecord, Rejected
from contracts.topics import LANE_TOPICS, Topic
from operating.edits import Edit, edited_body
from operating.refusal import ActionRefusedError
from settlement.dead_letter import DeadLetter
from settlement.messages import Input
from storage.dead_letters import KeptLetter
from workers.kafka.homes import home_of

OURS = frozenset({Topic.REROUTED, Topic.MERCHANT_ACTIVITY})
"""Topics that only postpay writes: nobody else may say what is in them."""


@dataclass(frozen=True, slots=True)
class Resending:
    """A dead letter and the record to send for it; `record` has no offset yet.

    Args:
        kept: the dead letter.
        record: topic without prefix, partition, key, value and headers as they will be.
        message: what postpay will understand.
        is_edited: it is another message than the one that came.
        lane: where it will be decided, as far as it can be told without the database.
    """

    kept: KeptLetter
    record: RawRecord
    message: Input
    is_edited: bool
    lane: int

    @property
    def original_event(self) -> tuple[int, bytes] | None:
        """Lane and hash of the event that the message was as it came; None where that could not be read."""
        letter = self.kept.letter
        if letter.event_id is None or letter.source is None:
            return None
        return self.kept.lane, event_hash(letter.source.topic, letter.key, letter.event_id, self.message.party)


def resending(kept: KeptLetter, edit: Edit | None, lanes: int) -> Resending:
    """Make the record to send: as it came, or edited.

    The record goes where it came from, topic, partition and key, so it takes the same way. Only with another key it
    goes to that one's home.

    Args:
        kept: the dead letter.
        edit: what to change.
        lanes: how many there are.

    Raises:
        ActionRefusedError: it can't be sent again, or would be refused again; with the reason.
    """
    letter = kept.letter
    source = letter.source
    if source is None:
        raise ActionRefusedError(f"{letter.dead_letter_id} was a timer's: there is no message to send again")
    if source.topic not in LANE_TOPICS or source.topic == Topic.REROUTED:
        raise ActionRefusedError(f"nobody knows which topic {letter.dead_letter_id} came from")
    if edit is not None and source.topic in OURS:
        raise ActionRefusedError(f"messages of {source.topic} are postpay's own: they can't be edited")
    key, partition, lane = letter.key, source.partition, kept.lane
    if edit is not None and edit.key is not None and edit.key.encode() != key:
        key = edit.key.encode()
        partition = lane = home_of(edit.key, lanes)
    value = letter.raw if edit is None else edited_body(letter, edit)
    record = RawRecord(source.topic, partition, -1, -1, key, value, _headers(letter))
    decoded = decode(record)
    if isinstance(decoded, Rejected):
        raise ActionRefusedError(f"it would be a dead letter again: {decoded.reason}: {decoded.detail}")
    return Resending(kept, record, decoded, edit is not None, lane)


def _headers(letter: DeadLetter) -> tuple[tuple[str, bytes], ...]:
    """As they came, without what re-routing added and a link to an earlier dead letter; then the link to this one."""
    left_out = {*headers.ORIGIN, headers.REDRIVE_OF}
    carried = [(name, value) for name, value in letter.headers if name not in left_out][: headers.MAX_READ - 1]
    return (*carried, (headers.REDRIVE_OF, letter.dead_letter_id.encode()))
