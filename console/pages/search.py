"""*Search*: one box for every id."""

from collections.abc import Mapping
from typing import Any

from console.routes import Asked, Page
from storage import search

LONGEST = 200


async def read(asked: Asked) -> Mapping[str, Any]:
    """What has the id `q`; nothing is looked for by a part of an id."""
    wanted = asked.query.get("q", "").strip()[:LONGEST]
    found = await search.named(asked.connection, wanted) if wanted and "\0" not in wanted else []
    return {"q": wanted, "found": found}


PAGE = Page("search", "/search", read)
