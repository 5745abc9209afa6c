"""Turns of a worker's lanes: few settle at a time, for a process has one interpreter and every batch takes memory.

A lane that messages wait in comes before one in which only timers are due: at a due day's midnight every lane has
thousands of them, and a purchase would wait until all other lanes had fired a batch of theirs. Some turns go to whoever
has waited longest all the same, so nobody waits for ever.

Source: docs/flow.md, Lanes.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

IN_ORDER_EVERY = 4
"""Every so many turns one goes to who has waited longest, whatever for."""


@dataclass(eq=False, slots=True)
class _Waiter:
    has_messages: Callable[[], bool]
    turn: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Turns:
    """So many at a time.

    Args:
        at_once: how many.
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: list[_Waiter] = []
        self._given = 0

    @contextlib.asynccontextmanager
    async def one(self, has_messages: Callable[[], bool]) -> AsyncIterator[None]:
        """Wait for a turn; it lasts as long as the block.

        Args:
            has_messages: asked whenever a turn is given, so messages that come meanwhile count as well.
        """
        await self._begin(has_messages)
        try:
            yield
        finally:
            self._free += 1
            self._give()

    async def _begin(self, has_messages: Callable[[], bool]) -> None:
        waiter = _Waiter(has_messages)
        self._waiting.append(waiter)
        self._give()
        try:
            await waiter.turn
        except asyncio.CancelledError:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            else:  # it was given its turn, and never began it
                self._free += 1
                self._give()
            raise

    def _give(self) -> None:
        while self._free and self._waiting:
            self._free -= 1
            self._given += 1
            chosen = self._waiting[0]
            if self._given % IN_ORDER_EVERY:
                chosen = next((each for each in self._waiting if each.has_messages()), chosen)
            self._waiting.remove(chosen)
            chosen.turn.set_result(None)
