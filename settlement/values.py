"""Values: frozen dataclasses that are made in a quarter of the time, for every message makes some twenty of them.

The standard library's frozen `__init__` sets each field through `object.__setattr__` (measured: 3.9 µs for the twenty
fields of an account, here 0.9 µs). So a value is filled while it is of a twin class that is not frozen, and only then
becomes what it is.
"""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: bool, slots: bool, order: bool = False) -> Callable[[type], type]:
        """Make a value class as `dataclasses.dataclass` does, which is the one that type checkers see.

        Args:
            frozen: true; written out for readers and type checkers.
            slots: likewise.
            order: whether values compare, field by field.
        """
        if not (frozen and slots):
            raise TypeError("a value is frozen and has slots; for anything else there is dataclasses.dataclass")
        return lambda kind: _value(kind, order=order)


def _value(kind: type, *, order: bool) -> Any:
    own = {name: content for name, content in vars(kind).items() if name not in {"__dict__", "__weakref__"}}
    twin: Any = dataclasses.dataclass(slots=True)(type(kind.__name__, kind.__bases__, own))
    value: Any = dataclasses.dataclass(frozen=True, slots=True, init=False, order=order)(kind)

    def make(cls: type, *args: Any, **kwargs: Any) -> Any:
        made = twin(*args, **kwargs)
        made.__class__ = cls
        return made

    value.__new__ = make
    value.__reduce__ = lambda self: (value, tuple([getattr(self, each.name) for each in dataclasses.fields(self)]))
    return value


__all__ = ["dataclass"]
