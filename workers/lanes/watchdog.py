"""Finds what no longer moves though there is work: first the worker is not ready, then the process ends.

Heartbeats to the group go on in a thread of their own, so a worker whose lanes hang keeps them for ever unless somebody
looks. A lane or relay that tries and fails because the database or the broker is away moves; one that does nothing at
all does not.

Source: docs/flow.md, Watchdog.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

from workers import logs
from workers.status import LaneState, LaneStatus, WorkerStatus

LOOK_S = 1.0
BROKER_ANSWER_S = 5.0
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
        broker_answers: whether any broker answers; without one, waiting for the group is no fault of ours.
    """

    def __init__(
        self, status: WorkerStatus, patience_s: float, broker_answers: Callable[[float], Awaitable[bool]]
    ) -> None:
        self._status = status
        self._patience_s = patience_s
        self._broker_answers = broker_answers
        self._unassigned_since: float | None = None

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
        longest_s, what = max(self._still(now), default=(0.0, ""))
        found = what if longest_s > self._patience_s else ""
        if found and not self._status.stuck:
            LOG.error("not ready: something does not move", detail=found, seconds=round(longest_s, 1))
        self._status.stuck = found
        if longest_s <= MOST_PATIENT * self._patience_s:
            return
        if not self._status.assigned and not await self._broker_answers(BROKER_ANSWER_S):
            self._unassigned_since = now
            return
        msg = f"{what} for {longest_s:.0f} s"
        raise StuckError(msg)

    def _still(self, now: float) -> Iterator[tuple[float, str]]:
        """What has work and for how long it has done nothing."""
        if not self._status.assigned:
            self._unassigned_since = self._unassigned_since or now
            yield now - self._unassigned_since, "no assignment from the group is in force"
            return
        self._unassigned_since = None
        yield now - self._status.fetched_at, "nothing has been fetched"
        for lane in self._status.lanes.values():
            if (lane.backlog or lane.waits_for_relay) and lane.state is not LaneState.STOPPED:
                yield now - lane.relayed_at, f"the relay of lane {lane.lane} has sent nothing of {lane.backlog} batches"
            elif _has_work(lane):
                yield now - lane.settled_at, f"lane {lane.lane} has settled nothing of {lane.inbox_records} records"


def _has_work(lane: LaneStatus) -> bool:
    return lane.inbox_records > 0 and lane.state in (LaneState.RUNNING, LaneState.CLAIMING)
