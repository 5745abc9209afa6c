"""From a Kafka record to an input of the core, or to the reason why it can't be one.

Source: docs/messages.md.
"""

import functools
import operator
import re
from collections.abc import Callable
from hashlib import blake2b
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from contracts import headers, instants
from contracts.catalogue import MESSAGES
from contracts.envelope import check_bytes, check_keys, read_strictly
from contracts.fields import ID_PATTERN
from contracts.findings import refusal_of, shown
from contracts.message import Message
from contracts.records import RawRecord, RefusalError, Rejected
from contracts.topics import LANE_TOPICS, Topic
from settlement.dead_letter import DeadLetterReason, defect
from settlement.messages import Input, Source
from settlement.party import Party


def decode(record: RawRecord) -> Input | Rejected:
    """Understand one record of a lane topic. Never raises.

    A record of `rerouted` is understood as the one it carries: topic, partition and offset of the result's `source`
    are those of the origin, so `source.topic` differs from `record.topic` exactly for these.
    """
    origin = record
    try:
        if record.topic == Topic.REROUTED:
            origin = _unwrap(record)
        return _understand(origin)
    except RefusalError as refusal:
        return _rejected(origin, refusal.reason, refusal.detail)
    except Exception as error:  # noqa: BLE001 - a defect here must cost one message, not the lane
        return _rejected(origin, DeadLetterReason.INTERNAL_ERROR, defect(error))


def restore(source: Source, key: bytes | None, raw: bytes, traceparent: str | None) -> Input:
    """Give the input again that was decoded before from this raw value, for instance of a parked record.

    Raises:
        ValueError: it would be refused now; contracts only ever widen, so this is a defect.
    """
    trace = ((headers.TRACEPARENT, traceparent.encode()),) if traceparent else ()
    decoded = decode(RawRecord(source.topic, source.partition, source.offset, 0, key, raw, trace))
    match decoded:
        case Input():
            return decoded
        case Rejected():
            raise ValueError(f"{source} was accepted once and is refused now: {decoded.reason}: {decoded.detail}")


def _understand(record: RawRecord) -> Input:
    topic, partition, offset, _, key, value, record_headers = record
    raw = check_bytes(value)
    validate = _VALIDATORS[topic]
    try:
        message = validate(raw)
    except ValidationError as error:
        raise refusal_of(error, raw, Topic(topic)) from None
    check_keys(raw, message.keys_read())
    try:
        occurred_at = instants.parse_instant(message.occurred_at)
    except ValueError as error:
        raise RefusalError(
            DeadLetterReason.WRONG_FIELD,
            f"occurred_at: expected {instants.EXPECTED}, got {shown(message.occurred_at)} ({error})",
        ) from None
    body = message.body()
    party = message.party()
    if party is not None and key != party.id.encode():
        raise _key_mismatch(topic, key, party)
    event_id = message.event_id
    return Input(
        Source(topic, partition, offset),
        party,
        event_id,
        message.type,  # type: ignore[attr-defined]  # every message class has its own
        occurred_at,
        event_hash(topic, key, event_id, party),
        message.fingerprint(),
        body,
        raw,
        headers.traceparent_of(record_headers) if record_headers else None,
    )


def event_hash(topic: str, key: bytes | None, event_id: str, party: Party | None) -> bytes:
    """16 bytes that name an event: an event_id counts within its topic and key.

    An account and a merchant may bear one id. Where both have messages on one topic, the kind of party counts too.
    """
    owner = key or b""
    if topic == Topic.PAYOUT_RESULT and party is not None:
        owner = b"%b\0%b" % (party.kind.encode(), owner)
    return blake2b(b"%b\0%b\0%b" % (topic.encode(), owner, event_id.encode()), digest_size=16).digest()


def _key_mismatch(topic: str, key: bytes | None, party: Party) -> RefusalError:
    came = "no key" if key is None else shown(key.decode(errors="replace"))
    name = "payee_id" if topic == Topic.PAYOUT_RESULT else f"{party.kind}_id"
    expected = f"the body's {name} {shown(party.id)} as the record's key"
    return RefusalError(DeadLetterReason.KEY_MISMATCH, f"key: expected {expected}, got {came}")


def _unwrap(record: RawRecord) -> RawRecord:
    """Return the record that was re-routed, under its origin.

    Raises:
        RefusalError: bad_origin.
    """
    found = {
        name: value.decode("ascii", "replace")
        for name, value in reversed(record.headers[: headers.MAX_READ])
        if name in headers.ORIGIN and isinstance(value, bytes)
    }
    topic = found.get(headers.ORIGIN_TOPIC, "")
    numbers = [found.get(name, "") for name in headers.ORIGIN[1:]]
    if topic not in LANE_TOPICS or topic == Topic.REROUTED or not all(map(_NUMBER.fullmatch, numbers)):
        expected = ", ".join(headers.ORIGIN)
        raise RefusalError(DeadLetterReason.BAD_ORIGIN, f"headers: expected {expected}, got {shown(str(found))}")
    partition, offset, timestamp_ms = map(int, numbers)
    return record._replace(topic=topic, partition=partition, offset=offset, timestamp_ms=timestamp_ms)


def _rejected(record: RawRecord, reason: DeadLetterReason, detail: str) -> Rejected:
    told = _told(record.value) if record.value and reason in _READABLE else {}
    event_id, kind, occurred_at = told.get("event_id"), told.get("type"), told.get("occurred_at")
    instant = None
    if isinstance(occurred_at, str) and _INSTANT.fullmatch(occurred_at):
        try:
            instant = instants.parse_instant(occurred_at)
        except ValueError:
            instant = None
    return Rejected(
        Source(record.topic, record.partition, record.offset),
        reason,
        detail,
        record.key,
        record.value,
        event_id if isinstance(event_id, str) and _is_id(event_id) else None,
        kind if isinstance(kind, str) and _is_id(kind) else None,
        instant,
        tuple(record.headers[: headers.MAX_READ]),
    )


def _told(value: bytes) -> dict[str, Any]:
    try:
        body = read_strictly(value)
    except (RefusalError, ValueError):  # such as a duplicate key, found by nobody because the type was wrong already
        return {}
    return body if isinstance(body, dict) else {}


def _is_id(text: str) -> bool:
    return len(text) <= 128 and _ID.fullmatch(text) is not None  # noqa: PLR2004 - as `fields.Id`


def _validator(messages: tuple[type[Message], ...]) -> Callable[[bytes], Message]:
    """Validate one topic's messages; with several, `type` tells which it is."""
    union: Any = functools.reduce(operator.or_, messages)
    if len(messages) > 1:
        union = Annotated[union, Field(discriminator="type")]
    adapter: TypeAdapter[Message] = TypeAdapter(union)
    return adapter.validator.validate_json


_VALIDATORS = {topic.value: _validator(messages) for topic, messages in MESSAGES.items()}

_READABLE = frozenset(
    {
        DeadLetterReason.UNKNOWN_TYPE,
        DeadLetterReason.BAD_VERSION,
        DeadLetterReason.MISSING_FIELD,
        DeadLetterReason.WRONG_FIELD,
        DeadLetterReason.KEY_MISMATCH,
    }
)
"""Reasons that leave the text itself beyond doubt, so that its event_id and the like can be told."""

_ID = re.compile(ID_PATTERN)
_INSTANT = re.compile(instants.PATTERN)
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
