"""A runbook, or another of the documents that pages refer to."""

from collections.abc import Mapping
from typing import Any

from console.documents import documents
from console.routes import Asked, Page


async def read(asked: Asked) -> Mapping[str, Any] | None:
    """The text of the document `name`."""
    file = documents().get(asked.query.get("name", ""))
    if file is None:
        return None
    return {"name": file.stem, "markdown": file.read_text(encoding="utf-8")}


PAGE = Page("reading", "/document", read)
