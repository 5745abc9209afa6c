"""Statements of one lane made ones of several: what lanes ask for at the same time goes to the server once.

A statement of one lane has the lane as its first parameter and arrays of equal length as the others. That of several
has one more array instead, which says of which lane each value is. Lookups, new rows and changes are all of one form,
so theirs are rewritten; the others stand beside those of one lane in sql/queries/.

Source: docs/storage.md, In company; docs/decisions/0035.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from storage import arrays
from storage.arrays import Literal

OF_LANE = "of_lane"
"""In what a rewritten lookup brings, the column that says of which lane a row is."""

_NAMED = re.compile(r"AS (\w+) \(")
_SELECT = re.compile(r"^SELECT ", re.MULTILINE)
_OF_LANE_AT_PLACE = re.compile(r"WHERE \w+\.lane = \$1 AND (?=\w+\.ctid)")
_PARAMETER = re.compile(r"\$(\d+)")

Write = Callable[[Sequence[Any]], Literal]
"""Writes values as an array (storage/arrays.py)."""
Answers = Callable[[Any], Mapping[int, Any]]
"""Sorts what the server answered by lanes; a lane that nothing was found of may be missing."""


@dataclass(frozen=True, slots=True)
class OfLanes:
    """One statement for several lanes.

    Args:
        statement: takes of `values` the lanes and an array each, then of each section the lanes and its arrays.
        sections: numbers of those parameters of the statement of one lane that are arrays of one length.
        answers: see there.
        values: numbers of the parameters that have one value for a lane, and how these are written as an array.
        nothing: what a lane is answered that is missing in the answers.
        method: of a connection, by which it is sent.
    """

    statement: str
    sections: Sequence[Sequence[int]]
    answers: Answers = lambda _: {}
    values: Mapping[int, Write] | None = None
    nothing: Any = None
    method: str = "fetch"

    def parameters(self, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Those of the statement.

        Args:
            calls: parameters of the statement of one lane, the lane first, as each lane would send it.
        """
        given: list[Any] = []
        lanes = [call[0] for call in calls]
        if self.values is not None:
            given.append(arrays.plain(lanes))
            given += [write([call[number - 1] for call in calls]) for number, write in self.values.items()]
        for section in self.sections:
            counts = [_count(call[section[0] - 1]) for call in calls]
            given.append(arrays.plain([lane for lane, count in zip(lanes, counts, strict=True) for _ in range(count)]))
            given += [_joined([call[number - 1] for call in calls]) for number in section]
        return given


def of_lanes(statement: str) -> str:
    """A statement with keys or rows in its first `unnest`, of several lanes: the lanes are its first parameter."""
    named = _NAMED.search(statement)
    unnested = statement.replace("unnest(", "unnest($1::text::integer[], ", 1)
    if named is None:  # INSERT … SELECT $1, new.* FROM unnest(…) AS new
        return unnested.replace("SELECT $1, new.*", "SELECT new.*")
    keys = named[1]
    # A row's place says all. With the lane beside it Postgres might read a lane's rows, while they seem to be few.
    unnested = _OF_LANE_AT_PLACE.sub("WHERE ", unnested)
    keyed = unnested.replace(named[0], f"AS {keys} (lane, ", 1).replace("lane = $1", f"lane = {keys}.lane")
    return _SELECT.sub(f"SELECT {keys}.lane AS {OF_LANE}, ", keyed, count=1)


def changing(statement: str) -> OfLanes:
    """The statement of several lanes that writes rows, and answers nothing."""
    return OfLanes(of_lanes(statement), [range(2, parameters(statement) + 2)], method="execute")


def looking_up(statement: str) -> OfLanes:
    """The statement of several lanes that looks rows up."""
    return OfLanes(of_lanes(statement), [range(2, parameters(statement) + 2)], by_lane, nothing=())


def by_lane(rows: Sequence[Any]) -> Mapping[int, Sequence[Any]]:
    """Rows by the lane that leads them."""
    found: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(row)
    return found


def parameters(statement: str) -> int:
    """How many a statement has beside the lane."""
    return max(map(int, _PARAMETER.findall(statement))) - 1


def renumbered(statement: str, by: int, *, above: int = 0) -> str:
    """The statement with higher numbers of its parameters, of those that are above one."""
    return _PARAMETER.sub(lambda found: f"${int(found[1]) + (by if int(found[1]) > above else 0)}", statement)


def _count(values: Any) -> int:
    return values.size if isinstance(values, Literal) else len(values)


def _joined(columns: Sequence[Any]) -> Any:
    if isinstance(columns[0], Literal):
        return arrays.joined(columns)
    return [value for column in columns for value in column]
