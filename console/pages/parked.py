"""*Parked*: messages that wait for what they name, in groups, and until when each waits."""

from collections.abc import Mapping
from typing import Any

from console import queries
from console.facets import facets
from console.paging import turns
from console.queries import FILTERS, ROWS
from console.routes import Asked, Page
from storage import parked
from storage.outcome_search import RecordEnd

PATH = "/parked"


async def read(asked: Asked) -> Mapping[str, Any]:
    """Those that agree with what is asked for, the newest first, and all of these in groups.

    `reason` is what is waited for, whole or its kind; `older_than` how long it has waited at least.
    """
    query = asked.query
    wanted, older_than = queries.outcome_filter(query), queries.span(query, "older_than")
    after = queries.place(query, RecordEnd)
    found = await parked.waiting_inputs(asked.connection, wanted, older_than=older_than, limit=ROWS + 1, after=after)
    groups = await parked.parked_groups(asked.connection, wanted, older_than=older_than)
    chosen = queries.given(query, (*FILTERS, "older_than"))
    return {
        "given": chosen,
        "facets": facets(groups, PATH, chosen),
        "rows": [{**each.document(), "kind": each.row.waits_for.partition(":")[0]} for each in found[:ROWS]],
        **turns(PATH, chosen, found, ROWS, after),
    }


PAGE = Page("parked", PATH, read)
