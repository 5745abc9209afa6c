"""Kafka records as JSON lines: what `consume` prints and `produce` reads.

Bytes that are not the JSON, or the text, they should be stand as `{"base64": "…"}`, so every record can be written down
and sent again; JSON comes back with the same content, though not with the same white space.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import ConsumerRecord

from contracts.topics import LANE_TOPICS, Topic

# What `consume` prints besides; read over, so that its lines can be produced again.
_FROM_CONSUME = frozenset({"partition", "offset"})
_FIELDS = frozenset({"topic", "key", "value", "headers"})


class LineError(Exception):
    """A line is no record; the message says what was expected and what came."""


@dataclass(frozen=True, slots=True)
class ProducedRecord:
    """A record to send; `topic` is without prefix."""

    topic: Topic
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


def parse_line(line: bytes) -> ProducedRecord:
    """Read one line of `produce`.

    Raises:
        LineError: it is no record.
    """
    try:
        parsed = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LineError(f"expected one JSON object, got {_short(line)} ({error})") from error
    if not isinstance(parsed, dict):
        raise LineError(f"expected one JSON object, got {_short(line)}")
    unknown = sorted(parsed.keys() - _FIELDS - _FROM_CONSUME)
    if unknown:
        raise LineError(f'expected only "topic", "key", "value" and "headers", got "{unknown[0]}"')
    missing = sorted({"topic", "key", "value"} - parsed.keys())
    if missing:
        raise LineError(f'expected "{missing[0]}", which may be null for keys and values, got a line without it')
    return ProducedRecord(
        topic=_topic(parsed["topic"]),
        key=_key(parsed["key"]),
        value=_value(parsed["value"]),
        headers=_headers(parsed.get("headers") or {}),
    )


def as_line(record: ConsumerRecord, prefix: str) -> dict[str, Any]:
    """Write one record down as `consume` prints it, its topic without the prefix."""
    return {
        "topic": record.topic.removeprefix(prefix),
        "partition": record.partition,
        "offset": record.offset,
        "key": None if record.key is None else _text(record.key),
        "headers": _shown_headers(record.headers),
        "value": None if record.value is None else _document(record.value),
    }


def _topic(name: object) -> Topic:
    if isinstance(name, str) and name in LANE_TOPICS:
        return Topic(name)
    known = ", ".join(LANE_TOPICS)
    if isinstance(name, str) and name in frozenset(Topic):
        raise LineError(f"expected a topic that postpay reads ({known}), got {name!r}, which only postpay writes")
    raise LineError(f"expected a topic without prefix ({known}), got {name!r}")


def _key(key: object) -> bytes | None:
    match key:
        case None:
            return None
        case str():
            return _encoded(key)
        case {"base64": text} if isinstance(key, dict) and len(key) == 1:
            return _raw(text)
    raise LineError(f'expected "key" to be a string, null or {{"base64": …}}, got {_short(key)}')


def _value(value: object) -> bytes | None:
    match value:
        case None:
            return None
        case {"base64": text} if isinstance(value, dict) and len(value) == 1:
            return _raw(text)
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        # A lone surrogate has no UTF-8; it goes out as the escape it came as.
        return json.dumps(value, separators=(",", ":")).encode()


def _headers(headers: object) -> list[tuple[str, bytes | None]]:
    """Read an object, or, where a name comes twice, a list of pairs."""
    pairs = list(headers.items()) if isinstance(headers, dict) else headers
    if not isinstance(pairs, list) or not all(
        isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[0], str)  # noqa: PLR2004  a pair
        for pair in pairs
    ):
        raise LineError('expected "headers" to be an object of strings, or a list of [name, value]')
    return [(name, _key(value)) for name, value in pairs]


def _raw(text: object) -> bytes:
    try:
        return base64.b64decode(text if isinstance(text, str) else "\0", validate=True)
    except (binascii.Error, ValueError) as error:
        raise LineError(f'expected base64 after "base64", got {_short(text)}') from error


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise LineError(f"expected text, got a lone surrogate in {_short(text)}") from error


def _short(what: object) -> str:
    text = what.decode(errors="replace").strip() if isinstance(what, bytes) else json.dumps(what, default=str)
    return text if len(text) <= 60 else text[:57] + "…"  # noqa: PLR2004  fits a line


def _text(raw: bytes) -> Any:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return _base64(raw)


def _document(raw: bytes) -> Any:
    """The JSON in the bytes; the bytes themselves where there is none, or where it would not read back the same."""
    try:
        value = json.loads(raw.decode(), object_pairs_hook=_without_repeats)
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return _base64(raw)
    ambiguous = value is None or (isinstance(value, dict) and value.keys() == {"base64"})
    return _base64(raw) if ambiguous else value


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    together = dict(pairs)
    if len(together) < len(pairs):
        raise ValueError("a key comes twice")
    return together


def _base64(raw: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(raw).decode()}


def _shown_headers(headers: Sequence[tuple[str, bytes | None]]) -> Any:
    pairs = [(name, None if value is None else _text(value)) for name, value in headers]
    return dict(pairs) if len({name for name, _ in headers}) == len(headers) else pairs
