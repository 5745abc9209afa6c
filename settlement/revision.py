"""New versions of values: what `dataclasses.replace` does, in half the time. Every decision makes some."""

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

ValueT = TypeVar("ValueT")


def revised(value: ValueT, **changes: Any) -> ValueT:
    """Return a copy of a dataclass value with other values for some fields.

    Raises:
        KeyError: there is no such field.
    """
    positions, get = _shape(type(value))  # type: ignore[arg-type]  # every class is hashable
    contents = list(get(value))
    for name, content in changes.items():
        contents[positions[name]] = content
    return type(value)(*contents)


@cache
def _shape(kind: type) -> tuple[dict[str, int], Callable[[object], tuple[Any, ...]]]:
    names = [each.name for each in fields(kind)]
    return {name: position for position, name in enumerate(names)}, attrgetter(*names)
