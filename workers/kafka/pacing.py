"""When aiokafka fetches: at a distance that we set, and without the pause that it makes itself."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka import AIOKafkaConsumer

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


def without_pauses(consumer: AIOKafkaConsumer) -> None:
    """Let a started consumer fetch for one partition while it holds what it fetched for others.

    Of its own it pauses for 0.1 s, so that others are waited for.
    """
    consumer._fetcher._prefetch_backoff = 0  # noqa: SLF001  as in transport.py; pinned by test_transport_pins
