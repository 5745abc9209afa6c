"""Postgres array literals, to hand whole columns of values to a statement as `$n::text::bigint[]`.

asyncpg can encode lists itself, but asks an abstract base class about every element, which took a third of a batch's
client time (measured: 0.26 µs a number and 0.42 µs a text, against 0.06 to 0.17 and 0.04 µs here).
"""

import json
from collections.abc import Sequence
from datetime import date, datetime


def texts(values: Sequence[str | None]) -> str:
    """Texts, or None for NULL. What needs escaping is rare, and noticed by the number of quotes."""
    try:
        joined = '","'.join(values)  # type: ignore[arg-type]  # None raises, and is looked after
    except TypeError:
        return "{" + ",".join("NULL" if value is None else _quoted(value) for value in values) + "}"
    if not values:
        return "{}"
    if "\\" in joined or joined.count('"') != 2 * (len(values) - 1):
        return "{" + ",".join(map(_quoted, values)) + "}"  # type: ignore[arg-type]
    return '{"' + joined + '"}'


def plain(values: Sequence[int | bool | None]) -> str:
    """Numbers or truth values, or None for NULL."""
    return "{" + str(list(values))[1:-1].replace("None", "NULL") + "}"


def instants(values: Sequence[datetime | date | None]) -> str:
    """Instants with their offset, or dates, or None for NULL."""
    return "{" + ",".join(["NULL" if value is None else f'"{value.isoformat()}"' for value in values]) + "}"


def blobs(values: Sequence[bytes | None]) -> str:
    """Short byte strings such as hashes, or None for NULL."""
    return "{" + ",".join(["NULL" if value is None else f'"\\\\x{value.hex()}"' for value in values]) + "}"


def documents(values: Sequence[Sequence[str]]) -> str:
    """Lists of texts, as JSON arrays."""
    return texts([document(value) for value in values])


def document(value: Sequence[str]) -> str:
    """A list of texts as a JSON array. Most are empty, or hold ids with nothing to escape."""
    if not value:
        return "[]"
    joined = '", "'.join(value)
    if joined.isprintable() and "\\" not in joined and joined.count('"') == 2 * (len(value) - 1):
        return f'["{joined}"]'
    return json.dumps(value, ensure_ascii=False)


def undocumented(text: str) -> tuple[str, ...]:
    """The texts of a JSON array as Postgres writes it: what holds a quote holds a backslash before it."""
    if text == "[]":
        return ()
    if "\\" not in text:
        return tuple(text[2:-2].split('", "'))
    return tuple(json.loads(text))


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
