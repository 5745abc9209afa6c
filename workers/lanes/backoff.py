"""What failed for a passing reason, and how long to wait before trying it again."""

import asyncio

from storage.database import is_transient
from workers.kafka.clients import is_broker_away

FIRST_WAIT_S = 0.1
"""A deadlock or a broken connection is over at once."""
LONGEST_WAIT_S = 5.0
"""Servers that are away for long are asked seldom. At worst a lane goes on this late after they are back."""
GROWTH = 2.0


def is_passing(error: BaseException) -> bool:
    """Tell whether trying again later can help: the database or the broker is away, or busy with somebody else."""
    return is_transient(error) or is_broker_away(error)


class Backoff:
    """Waits longer after each failure in a row.

    Not stamina: that retries one call, and here the state (lane, producer) is rebuilt between attempts.
    """

    def __init__(self) -> None:
        self._next_s = FIRST_WAIT_S

    async def wait(self) -> None:
        """Wait, and longer next time."""
        wait_s, self._next_s = self._next_s, min(self._next_s * GROWTH, LONGEST_WAIT_S)
        await asyncio.sleep(wait_s)

    def reset(self) -> None:
        """It worked: begin with the shortest wait."""
        self._next_s = FIRST_WAIT_S
