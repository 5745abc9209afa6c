"""*Conflicts*: known ids that came again with other content, in groups and one by one with what differs."""

from collections.abc import Mapping
from typing import Any

from console import queries
from console.facets import facets
from console.paging import turns
from console.queries import FILTERS, ROWS
from console.routes import Asked, Page
from operating.conflicts import contradiction
from storage import conflicts
from storage.conflicts import ConflictReason
from storage.outcome_search import RecordEnd

PATH = "/conflicts"


async def read(asked: Asked) -> Mapping[str, Any]:
    """Those that agree with what is asked for, the newest first, and all of these in groups."""
    query = asked.query
    queries.choice(query, "reason", [*ConflictReason])
    wanted, after = queries.outcome_filter(query), queries.place(query, RecordEnd)
    found = await conflicts.conflicts(asked.connection, wanted, limit=ROWS + 1, after=after)
    chosen = queries.given(query, FILTERS)
    return {
        "given": chosen,
        "facets": facets(await conflicts.conflict_groups(asked.connection, wanted), PATH, chosen),
        "rows": [_row(each.document()) for each in found[:ROWS]],
        **turns(PATH, chosen, found, ROWS, after),
    }


async def read_conflict(asked: Asked) -> Mapping[str, Any] | None:
    """One by its `id`: both messages, and in which fields they differ."""
    found = await conflicts.conflict(asked.connection, queries.text(asked.query, "id") or "")
    if found is None:
        return None
    return _row((await contradiction(asked.connection, found)).document())


def _row(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "reason_code": document.pop("reason")}


PAGE = Page("conflicts", PATH, read)
CONFLICT = Page("contradiction", "/conflict", read_conflict)
