"""Records as the lines of a compressed file, and back, byte for byte.

JSON lines, compressed as one zstd frame: `zstd -dc FILE | jq` reads them. Bytes that are UTF-8 stand as strings, others
as {"base64": "…"}. Why not Parquet: docs/decisions/0017.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import cramjam
from pydantic_core import from_json

from contracts.records import RawRecord
from workers.replay.extent import HistoryError

ZSTD_LEVEL = 3


def compressed(lines: Sequence[bytes]) -> bytes:
    """A file's content."""
    return bytes(cramjam.zstd.compress(b"".join(lines), ZSTD_LEVEL))


def line(record: RawRecord) -> bytes:
    """One record as a line; which topic and partition it is of, the file's name tells."""
    document = {
        "offset": record.offset,
        "timestamp_ms": record.timestamp_ms,
        "key": shown(record.key),
        "value": shown(record.value),
        "headers": [[name, shown(value)] for name, value in record.headers],
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def records(content: bytes, topic: str, lane: int) -> Iterator[RawRecord]:
    """The records of a file's content, one after the other; only the lines are in memory at once.

    Raises:
        HistoryError: it is not what was written.
    """
    try:
        yield from records_in(bytes(cramjam.zstd.decompress(content)), topic, lane)
    except (cramjam.DecompressionError, ValueError, LookupError, TypeError) as error:
        msg = f"a file of {topic}[{lane}] holds what is no record ({error})"
        raise HistoryError(msg) from error


def records_in(lines: bytes, topic: str, lane: int) -> Iterator[RawRecord]:
    """The records that lines say."""
    begin = 0
    while begin < len(lines):
        end = lines.index(b"\n", begin)
        yield record_of(from_json(lines[begin:end]), topic, lane)
        begin = end + 1


def record_of(document: Any, topic: str, lane: int) -> RawRecord:
    """The record that a line's document says."""
    return RawRecord(
        topic,
        lane,
        document["offset"],
        document["timestamp_ms"],
        unshown(document["key"]),
        unshown(document["value"]),
        tuple([(name, unshown(value)) for name, value in document["headers"]]),
    )


def sha256(content: bytes) -> str:
    """The sum of a file's content."""
    return hashlib.sha256(content).hexdigest()


def shown(raw: bytes | None) -> Any:
    """Bytes as JSON has them."""
    if raw is None:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode()}


def unshown(document: Any) -> Any:
    """The bytes that JSON has so."""
    if isinstance(document, str):
        return document.encode()
    return None if document is None else base64.b64decode(document["base64"])
