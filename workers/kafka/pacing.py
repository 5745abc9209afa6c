"""When aiokafka fetches: when what it brought was taken, at a distance that we set, without the pause of its own."""
# ruff: noqa: SLF001  as in transport.py; pinned by test_transport_pins

import asyncio
import time
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import Fetcher

PACE_S = 0.0025
"""The next fetch waits this long for each partition that the last one brought: one that brought little is followed at
once, one that brought much by a larger one. A fetch and a batch cost much the same, whatever is in them."""
LONGEST_PACE_S = 0.02
"""It waits no longer than this, however many there were; and for this long from one fetch to the next where nothing
was brought, such as by a broker that leads none of it any more and says so at once."""
TAKEN_S = 0.02
"""How much longer for what was brought to be taken. At worst the main loop is busy, and a partition is left out of one
fetch, which the broker may hold for FETCH_WAIT_MS (workers/kafka/transport.py)."""


class PacedFetches:
    """Lets a consumer's fetcher ask a broker for more only when what that broker brought last has been taken.

    aiokafka asks at once, and leaves out partitions of which it still has something: a record that follows the one just
    read would wait for the end of that fetch, which the broker holds while nothing comes of all others.

    What is sought meanwhile is safe: the next request is made afterwards, and aiokafka drops an answer that is not from
    where its partition then stands.
    """

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self._fetch = fetcher._proc_fetch_request
        self._taken = asyncio.Event()
        fetcher._proc_fetch_request = self._paced

    def taken(self) -> None:
        """Tell that nothing lies there any more that is wanted."""
        self._taken.set()

    async def _paced(self, assignment: Any, node_id: int, request: Any) -> bool:
        """Fetch in place of aiokafka's own; whether somebody is to be told that it brought something."""
        held = set(self._fetcher._records)
        began = time.monotonic()
        brought_any = await self._fetch(assignment, node_id, request)
        brought = self._fetcher._records.keys() - held
        try:
            if not brought_any:
                await asyncio.sleep(began + LONGEST_PACE_S - time.monotonic())
                return False
            self._taken.clear()
            for waiter in list(self._fetcher._fetch_waiters):
                self._fetcher._notify(waiter)
            await asyncio.sleep(min(PACE_S * len(brought), LONGEST_PACE_S))
            async with asyncio.timeout(TAKEN_S):
                await self._taken.wait()
        except asyncio.CancelledError:
            return False  # as aiokafka's own does: it awaits what it has cancelled
        except TimeoutError:
            return True
        return False


def without_pauses(consumer: AIOKafkaConsumer) -> None:
    """Let a started consumer fetch for one partition while it holds what it fetched for others.

    Of its own it pauses for 0.1 s, so that others are waited for.
    """
    consumer._fetcher._prefetch_backoff = 0
