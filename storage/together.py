"""Several lookups in one statement: what a small batch reads takes one round trip where each by itself takes one.

A large batch sends lookups one by one: their rows are read faster so, and round trips do not count. So it is on a
distributed database, which plans each of them for the node that has the lane.

Source: docs/storage.md, Loading; docs/decisions/0032.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from storage.database import Connection, in_order

Found = Mapping[str, Sequence[tuple[Any, ...]]]
"""By the name of a lookup its rows, in the order of its columns."""

_PARAMETER = re.compile(r"\$(\d+)")
_LANE = "$1"
_NO_KEYS = "{}"


@dataclass(frozen=True, slots=True)
class Lookup:
    """A statement that reads rows of a lane by keys.

    Args:
        statement: the lane is its first parameter, array literals the others (storage/arrays.py).
        columns: those that are wanted, in the order in which they are wanted.
    """

    statement: str
    columns: tuple[str, ...]

    @property
    def parameters(self) -> int:
        """How many it has beside the lane."""
        return max(map(int, _PARAMETER.findall(self.statement))) - 1

    async def rows(self, connection: Connection, lane: int, *keys: str) -> Sequence[tuple[Any, ...]]:
        """Send it by itself."""
        return list(in_order(await connection.fetch(self.statement, lane, *keys), self.columns))


class Together:
    """Lookups that are sent as one statement, which is the same whichever of them have something to look up.

    Args:
        lookups: by name.
    """

    def __init__(self, lookups: Mapping[str, Lookup]) -> None:
        self.names = lookups.keys()
        self._no_keys = {name: [_NO_KEYS] * lookup.parameters for name, lookup in lookups.items()}
        first, parts = 2, []
        for name, lookup in lookups.items():
            parts.append(_as_column(name, lookup, first))
            first += lookup.parameters
        self.statement = "SELECT\n" + ",\n".join(parts)

    async def rows(self, connection: Connection, lane: int, keys: Mapping[str, Sequence[str]]) -> Found:
        """Send them; `keys` are the array literals of those that have something to look up, by name."""
        given: list[str] = []
        for name, no_keys in self._no_keys.items():
            given += keys.get(name, no_keys)
        found = await connection.fetchrow(self.statement, lane, *given)
        return {name: found[name] for name in keys}


def _as_column(name: str, lookup: Lookup, first: int) -> str:
    """The lookup as an array of rows, its parameters numbered from `first` on."""
    numbered = _PARAMETER.sub(
        lambda found: found[0] if found[0] == _LANE else f"${int(found[1]) + first - 2}", lookup.statement.rstrip(";")
    )
    columns = ", ".join(f"{name}.{column}" for column in lookup.columns)
    return f"ARRAY(SELECT ROW({columns}) FROM (\n{numbered}\n) AS {name}) AS {name}"  # noqa: S608  names of ours
