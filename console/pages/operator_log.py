"""*Operator log*: what people changed, who, when and why, before and after."""

from collections.abc import Mapping
from typing import Any

from console import queries
from console.queries import ROWS
from console.rendering import link
from console.routes import Asked, Page
from storage import operator_log
from storage.operator_log import Action, LogFilter

PATH = "/operator-log"
FILTERS = ("action", "subject", "by", "since", "until")


async def read(asked: Asked) -> Mapping[str, Any]:
    """Entries that agree with what is asked for, the newest first; those below `below` on later pages."""
    query = asked.query
    wanted = LogFilter(
        action=queries.choice(query, "action", [*Action]),
        subject=queries.text(query, "subject"),
        operator=queries.text(query, "by"),
        since=queries.instant(query, "since"),
        until=queries.instant(query, "until"),
    )
    below = queries.whole(query, "below")
    found = await operator_log.entries(asked.connection, wanted, ROWS + 1, below)
    chosen = queries.given(query, FILTERS)
    return {
        "given": chosen,
        "actions": [{"action": each.value} for each in Action],
        "rows": found[:ROWS],
        "look_newest": None if below is None else link(PATH, **chosen),
        "look_older": link(PATH, **chosen, below=found[ROWS - 1].entry) if len(found) > ROWS else None,
    }


PAGE = Page("operator_log", PATH, read)
