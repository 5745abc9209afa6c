"""Dead letters as the topic `dead-letter` tells of them.

Source: docs/messages.md, Dead letters.
"""

import hashlib
from base64 import b64encode
from typing import Any

from pydantic_core import to_json

from contracts import outputs as wire
from contracts.encode import cloud_event
from contracts.headers import traceparent_of
from contracts.instants import format_instant
from contracts.records import OutgoingMessage
from contracts.topics import Topic
from settlement.dead_letter import DeadLetter
from settlement.ids import derived_id

KIND = "dead_letter.recorded"

MAX_VALUE_BYTES = 64 * 1024
"""Larger values stay in Postgres; in base64 this is 87 KiB, far below any broker's message limit."""

MAX_KEY_BYTES = 4096


def encode_dead_letter(letter: DeadLetter) -> OutgoingMessage:
    """Write the dead letter of a record; its key is the record's.

    Raises:
        ValueError: it is a timer's. Nobody sent that, so nobody is told.
    """
    if letter.source is None:
        raise ValueError(f"expected the dead letter of a record, got {letter.dead_letter_id}")
    occurred_at = format_instant(letter.decided_at)
    event_id = derived_id(f"dead-letter/{letter.dead_letter_id}", 0)
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
        "detail": letter.told,
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
        cloud_event(event_id, KIND.encode(), occurred_at, traceparent_of(letter.headers)),
    )
