"""Dead letters: what is told of an input that can't be understood or settled.

Source: docs/messages.md, Dead letters.
"""

import hashlib
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic_core import to_json

from contracts import outputs as wire
from contracts.encode import cloud_event
from contracts.instants import format_instant
from contracts.records import OutgoingMessage, Rejected
from contracts.topics import Topic
from settlement.ids import derived_id
from settlement.messages import Input, Source

KIND = "dead_letter.recorded"

MAX_VALUE_BYTES = 64 * 1024
"""Larger values stay in Postgres; in base64 this is 87 KiB, far below any broker's message limit."""

MAX_KEY_BYTES = 4096

MAX_DETAIL = 2000


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record to tell of. `reason` is a `RejectReason`'s value; `detail` holds no private data."""

    source: Source
    reason: str
    detail: str
    decided_at: datetime
    key: bytes | None
    raw: bytes | None
    event_id: str | None
    traceparent: str | None

    @property
    def letter_id(self) -> str:
        """The event_id of the dead letter: one per record."""
        return derived_id(f"dead-letter/{self.source.topic}/{self.source.partition}/{self.source.offset}", 0)


def of_rejected(rejected: Rejected, decided_at: datetime) -> DeadLetter:
    """The dead letter of a record that was not understood."""
    return DeadLetter(
        rejected.source,
        rejected.reason.value,
        rejected.detail,
        decided_at,
        rejected.key,
        rejected.raw,
        rejected.event_id,
        rejected.traceparent,
    )


def of_input(message: Input, reason: str, detail: str, decided_at: datetime, key: bytes | None = None) -> DeadLetter:
    """The dead letter of an input that was understood but could not be settled.

    Args:
        message: the input.
        reason: a `RejectReason`'s value.
        detail: what happened; a traceback stays in Postgres.
        decided_at: lane time.
        key: the record's key, for inputs of no party; otherwise it is the party's id.
    """
    own_key = key if message.party is None else message.party.id.encode()
    return DeadLetter(
        message.source, reason, detail, decided_at, own_key, message.raw, message.event_id, message.traceparent
    )


def encode_dead_letter(letter: DeadLetter) -> OutgoingMessage:
    """Write a dead letter; its key is the record's."""
    occurred_at = format_instant(letter.decided_at)
    event_id = letter.letter_id
    raw = letter.raw or b""
    key = None if letter.key is None else letter.key[:MAX_KEY_BYTES]
    message: dict[str, Any] = {
        "event_id": event_id,
        "type": KIND,
        "occurred_at": occurred_at,
        "causation_id": letter.event_id or event_id,
        "version": wire.VERSION,
        "topic": letter.source.topic,
        "partition": letter.source.partition,
        "offset": letter.source.offset,
        "reason": letter.reason,
        "detail": letter.detail[:MAX_DETAIL],
        "value_bytes": len(raw),
    }
    if letter.event_id is not None:
        message["input_event_id"] = letter.event_id
    if key is not None:
        message["key_base64"] = b64encode(key).decode()
    if letter.raw is not None:
        message["value_sha256"] = hashlib.sha256(raw).hexdigest()
        if len(raw) <= MAX_VALUE_BYTES:
            message["value_base64"] = b64encode(raw).decode()
    return OutgoingMessage(
        Topic.DEAD_LETTER.value,
        key,
        to_json(message),
        cloud_event(event_id, KIND.encode(), occurred_at, letter.traceparent),
    )
