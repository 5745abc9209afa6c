"""Finds what no longer moves though there is work: first the worker is not ready, then the process ends.

Heartbeats to the group go on in a thread of their own, so a worker whose lanes hang keeps them for ever unless somebody
looks. What counts as standing still is said in workers/status.py (`WorkerStatus.still`), for the metric as well.

Source: docs/flow.md, Watchdog.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from workers import logs
from workers.status import Stillness, WorkerStatus

LOOK_S = 1.0
BROKER_ANSWER_S = 5.0
"""A broker that is well answers within milliseconds. At worst one that takes longer counts as away once more."""
ASK_AFTER = 0.5
"""After this share of the patience a broker is asked, where it may be the reason: before anything is told in vain."""
MOST_PATIENT = 2
"""After this many times the patience the process ends."""

LOG = logs.get(__name__)


class StuckError(Exception):
    """Something has not moved for too long; the process should end, and others take its lanes."""


class Watchdog:
    """Looks at the status once a second.

    Args:
        status: of the worker.
        patience_s: how long something may not move before the worker is not ready.
        broker_answers: whether any broker answers; without one, waiting for it is no fault of ours.
    """

    def __init__(
        self, status: WorkerStatus, patience_s: float, broker_answers: Callable[[float], Awaitable[bool]]
    ) -> None:
        self._status = status
        self._patience_s = patience_s
        self._broker_answers = broker_answers

    async def watch(self) -> None:
        """Look until something is stuck for good.

        Raises:
            StuckError: it is.
        """
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look(time.monotonic())

    async def look(self, now: float) -> None:
        """Look once.

        Raises:
            StuckError: something has not moved for twice the patience.
        """
        if self._may_be_the_broker(now) and not await self._broker_answers(BROKER_ANSWER_S):
            self._status.noted_no_broker(now)
        longest = max(self._status.still(now), key=lambda each: each.seconds, default=Stillness(0.0, ""))
        found = longest.what if longest.seconds > self._patience_s else ""
        if found and not self._status.stuck:
            LOG.error("not ready: something does not move", detail=found, seconds=round(longest.seconds, 1))
        self._status.stuck = found
        if longest.seconds > MOST_PATIENT * self._patience_s:
            msg = f"{found} for {longest.seconds:.0f} s"
            raise StuckError(msg)

    def _may_be_the_broker(self, now: float) -> bool:
        ask_after_s = ASK_AFTER * self._patience_s
        return any(each.waits_for_broker and each.seconds > ask_after_s for each in self._status.still(now))
