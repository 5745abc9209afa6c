"""In what two messages differ, field by field."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from contracts.message import ENVELOPE

ABSENT = None
"""A field that is not given counts as one that is null, as it does for messages."""


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """One field, by its path (`plan.days`, `lines.0.amount_minor`), and what each of the two has there."""

    path: str
    first: Any
    came: Any


def differences(first: bytes, came: bytes) -> list[FieldDifference]:
    """What a message says otherwise than the first one; fields that are no business content are left out.

    Raises:
        ValueError: one of them is no JSON object.
    """
    one, other = dict(_fields(_content(first))), dict(_fields(_content(came)))
    paths = sorted(one.keys() | other.keys())
    return [
        FieldDifference(path, one.get(path, ABSENT), other.get(path, ABSENT))
        for path in paths
        if _differ(one.get(path, ABSENT), other.get(path, ABSENT))
    ]


def _content(raw: bytes) -> dict[str, Any]:
    parsed = json.loads(raw)
    if not isinstance(parsed, dict):
        raise ValueError("expected a JSON object")  # noqa: TRY004  it is what was read, not what was given
    return {name: value for name, value in parsed.items() if name not in ENVELOPE}


def _fields(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and (value or not path):
        children: Any = value.items()
    elif isinstance(value, list) and value:
        children = enumerate(value)
    else:
        yield path, value
        return
    for name, child in children:
        yield from _fields(child, f"{path}.{name}" if path else str(name))


def _differ(first: Any, came: Any) -> bool:
    return type(first) is not type(came) or first != came
