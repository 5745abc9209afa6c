"""Several lookups in one statement: what a small batch reads takes one round trip where each by itself takes one.

A large batch sends lookups one by one: their rows are read faster so, and round trips do not count. So it is on a
distributed database, which plans each of them for the node that has the lane.

Source: docs/storage.md, Loading; docs/decisions/0032.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from storage import arrays
from storage.arrays import Literal
from storage.database import Connection, Row, in_order
from storage.of_lanes import OF_LANE, OfLanes, of_lanes, parameters, renumbered

Found = Mapping[str, Sequence[tuple[Any, ...]]]
"""By the name of a lookup its rows, in the order of its columns."""


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
        return parameters(self.statement)

    async def rows(self, connection: Connection, lane: int, *keys: Literal) -> Sequence[tuple[Any, ...]]:
        """Send it by itself."""
        return list(in_order(await connection.fetch(self.statement, lane, *keys), self.columns))


class Together:
    """Lookups that are sent as one statement, which is the same whichever of them have something to look up.

    Args:
        lookups: by name.
    """

    def __init__(self, lookups: Mapping[str, Lookup]) -> None:
        self.names = lookups.keys()
        self._no_keys = {name: [arrays.EMPTY] * lookup.parameters for name, lookup in lookups.items()}
        sections, first, parts = [], 2, []
        for name, lookup in lookups.items():
            parts.append(_as_column(name, renumbered(lookup.statement, first - 2, above=1), lookup.columns))
            sections.append(range(first, first + lookup.parameters))
            first += lookup.parameters
        self.statement = "SELECT\n" + ",\n".join(parts)
        self._sections = sections
        self._lookups = lookups

    async def rows(self, connection: Connection, lane: int, keys: Mapping[str, Sequence[Literal]]) -> Found:
        """Send them; `keys` are the array literals of those that have something to look up, by name."""
        given: list[Literal] = []
        for name, no_keys in self._no_keys.items():
            given += keys.get(name, no_keys)
        found = await connection.fetchrow(self.statement, lane, *given)
        return {name: found[name] for name in keys}

    def of_lanes(self) -> OfLanes:
        """The statement of several lanes, where each lookup has lanes of its own."""
        first, parts = 1, []
        for name, lookup in self._lookups.items():
            statement = renumbered(of_lanes(lookup.statement), first - 1)
            parts.append(_as_column(name, statement, (OF_LANE, *lookup.columns)))
            first += lookup.parameters + 1
        return OfLanes(
            "SELECT\n" + ",\n".join(parts),
            self._sections,
            self._by_lane,
            nothing=dict.fromkeys(self.names, ()),
            method="fetchrow",
        )

    def _by_lane(self, row: Row) -> Mapping[int, Found]:
        found: dict[int, dict[str, list[tuple[Any, ...]]]] = defaultdict(lambda: {name: [] for name in self.names})
        for name in self.names:
            for lane, *columns in row[name]:
                found[lane][name].append(tuple(columns))
        return found


def _as_column(name: str, statement: str, columns: Sequence[str]) -> str:
    """A lookup as an array of rows."""
    listed = ", ".join(f"{name}.{column}" for column in columns)
    return f"ARRAY(SELECT ROW({listed}) FROM (\n{statement.rstrip(';')}\n) AS {name}) AS {name}"  # noqa: S608  names of ours
