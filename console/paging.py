"""Where a list leads from one of its pages."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from console import queries
from console.rendering import link


class Placed(Protocol):
    """A row that a list can go on after."""

    @property
    def place(self) -> tuple[Any, ...]:
        """Where it stands."""
        ...


def turns(
    path: str, chosen: Mapping[str, str], found: Sequence[Placed], rows: int, after: object
) -> dict[str, str | None]:
    """The addresses of the newest page, where this is another one, and of the next older, where there is one.

    Args:
        path: of the list.
        chosen: what it is looked through by.
        found: the rows of this page, and one more if there is one.
        rows: of a page.
        after: the place that this page begins after; None of the newest.
    """
    is_more = len(found) > rows
    return {
        "look_newest": None if after is None else link(path, **chosen),
        "look_older": link(path, **chosen, after=queries.token(found[rows - 1].place)) if is_more else None,
    }
