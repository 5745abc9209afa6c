"""*Now*: whether all is settled, or what is wrong."""

from collections.abc import Mapping
from typing import Any

from console.routes import Asked, Page


async def read(asked: Asked) -> Mapping[str, Any] | None:
    """What an operator sees first."""
    watch = asked.watch
    return {"looked_at": watch.looked_at, "lanes": watch.figures}


PAGE = Page("now", "/", read, is_live=True)
