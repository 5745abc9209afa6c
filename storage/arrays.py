"""Postgres array literals, to hand whole columns of values to a statement as `$n::text::bigint[]`.

asyncpg can encode lists itself, but asks an abstract base class about every element, which took a third of a batch's
client time (measured: 0.26 µs a number and 0.42 µs a text, against 0.06 to 0.17 and 0.04 µs here).
"""

import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Self


class Literal(str):
    """An array literal that knows how many values it has."""

    __slots__ = ("size",)

    size: int

    def __new__(cls, text: str, size: int) -> Self:
        """Braces included."""
        literal = super().__new__(cls, text)
        literal.size = size
        return literal


EMPTY = Literal("{}", 0)


def joined(literals: Iterable[Literal]) -> Literal:
    """The values of several, one after the other."""
    filled = [each for each in literals if each.size]
    return Literal("{" + ",".join([each[1:-1] for each in filled]) + "}", sum([each.size for each in filled]))


def texts(values: Sequence[str | None]) -> Literal:
    """Texts, or None for NULL. What needs escaping is rare, and noticed by the number of quotes."""
    if not values:
        return EMPTY
    try:
        content = '","'.join(values)  # type: ignore[arg-type]  # None raises, and is looked after
    except TypeError:
        quoted = ",".join(["NULL" if value is None else _quoted(value) for value in values])
        return Literal("{" + quoted + "}", len(values))
    if "\\" in content or content.count('"') != 2 * (len(values) - 1):
        return Literal("{" + ",".join(map(_quoted, values)) + "}", len(values))  # type: ignore[arg-type]
    return Literal('{"' + content + '"}', len(values))


def plain(values: Sequence[int | bool | None]) -> Literal:
    """Numbers or truth values, or None for NULL."""
    return Literal("{" + str(list(values))[1:-1].replace("None", "NULL") + "}", len(values))


def instants(values: Sequence[datetime | date | None]) -> Literal:
    """Instants with their offset, or dates, or None for NULL."""
    quoted = ",".join(["NULL" if value is None else f'"{value.isoformat()}"' for value in values])
    return Literal("{" + quoted + "}", len(values))


def blobs(values: Sequence[bytes | None]) -> Literal:
    """Short byte strings such as hashes, or None for NULL."""
    quoted = ",".join(["NULL" if value is None else f'"\\\\x{value.hex()}"' for value in values])
    return Literal("{" + quoted + "}", len(values))


def documents(values: Sequence[Sequence[str]]) -> Literal:
    """Lists of texts, as JSON arrays."""
    return texts([document(value) for value in values])


def document(value: Sequence[str]) -> str:
    """A list of texts as a JSON array. Most are empty, or hold ids with nothing to escape."""
    if not value:
        return "[]"
    content = '", "'.join(value)
    if content.isprintable() and "\\" not in content and content.count('"') == 2 * (len(value) - 1):
        return f'["{content}"]'
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
