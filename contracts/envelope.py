"""What holds for the bytes of every input, before and beside its fields.

pydantic's parser refuses bad UTF-8, lone surrogates and deep nesting, but takes NUL, duplicate keys and NaN. All of
them are looked for here: cheaply on what is well-formed (scans for single bytes, one count of keys), thoroughly on the
rest.

Source: docs/messages.md, Records.
"""

import json
import re
from typing import Any, NoReturn

from contracts.records import RefusalError
from settlement.dead_letter import DeadLetterReason

MAX_BYTES = 256 * 1024
MAX_DEPTH = 200
"""Of pydantic's parser; a test holds it to that."""

_WHITE_SPACE = b" \t\r\n"
_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_KEY_END = b'":'
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def check_bytes(value: bytes | None) -> bytes:
    """Return the value if it may be parsed.

    Raises:
        RefusalError: empty, too large, with a byte order mark, or with a NUL.
    """
    if not value:
        came = "no value (a tombstone)" if value is None else "a value of 0 bytes"
        raise RefusalError(DeadLetterReason.EMPTY, f"expected a JSON object, got {came}")
    if len(value) > MAX_BYTES:
        raise RefusalError(DeadLetterReason.TOO_LARGE, f"expected at most {MAX_BYTES} bytes, got {len(value)}")
    if value[0] == _BYTE_ORDER_MARK[0] and value.startswith(_BYTE_ORDER_MARK):
        raise RefusalError(
            DeadLetterReason.BYTE_ORDER_MARK, "expected JSON, got a byte order mark at byte 0: send without"
        )
    if 0 in value:
        raise RefusalError(DeadLetterReason.NUL, f"expected text without NUL, got a NUL byte at byte {value.index(0)}")
    # Nearly no message has a backslash at all, and a scan for one byte costs a tenth of one for six.
    if b"\\" in value and (found := _ESCAPED_NUL.search(value)):
        raise RefusalError(DeadLetterReason.NUL, f"expected text without NUL, got \\u0000 at byte {found.end() - 6}")
    return value


def check_keys(value: bytes, keys_read: int) -> None:
    """Refuse a parsed text that names a key twice in one object.

    Every key ends in a quote and a colon, with at most white space between. So once white space is dropped, their
    count is an upper bound of the keys (strings may hold the same two characters). As many keys read as that: none was
    named twice. Otherwise there are unknown fields, or a duplicate, and the text is read again.

    Args:
        value: a well-formed JSON text.
        keys_read: how many keys went into fields.

    Raises:
        RefusalError: duplicate_key; not_json for NaN and Infinity.
    """
    if value.translate(None, _WHITE_SPACE).count(_KEY_END) != keys_read:
        read_strictly(value)


def read_strictly(value: bytes) -> Any:
    """Parse a text that pydantic's parser took, and refuse what it let through.

    Raises:
        RefusalError: duplicate_key; not_json for NaN and Infinity.
    """
    return _STRICT.decode(value.decode())


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise RefusalError(
            DeadLetterReason.DUPLICATE_KEY, f"expected each key once in an object, got {twice[:64]!r} twice"
        )
    return fields


def _constant(name: str) -> NoReturn:
    raise RefusalError(DeadLetterReason.NOT_JSON, f"expected a JSON value, got {name}")


_STRICT = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
