"""Fetches that keep their distance, put around aiokafka's own."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

FetchRequest = Callable[[Any, int, Any], Awaitable[bool]]
"""aiokafka's fetch: an assignment, a broker's id, the request; whether it brought something."""


def paced(fetch: FetchRequest, pace_s: float) -> FetchRequest:
    """Let fetches from one broker begin at least `pace_s` apart.

    What is sought meanwhile is safe: aiokafka drops an answer that is not from where its partition then stands.
    """
    begun: dict[int, float] = {}

    async def at_pace(assignment: Any, node_id: int, request: Any) -> bool:
        now = time.monotonic()
        wait_s = begun.get(node_id, -pace_s) + pace_s - now
        begun[node_id] = now + max(0.0, wait_s)
        if wait_s > 0:
            try:
                await asyncio.sleep(wait_s)
            except asyncio.CancelledError:
                return False  # as aiokafka's own does: it awaits what it has cancelled
        return await fetch(assignment, node_id, request)

    return at_pace
