"""Turns of a worker's lanes: few settle at a time, for a process has one interpreter and every batch takes memory.

Lanes whose batches are small have one turn together and settle in company (storage/company.py). One fetch brings
something for many lanes, which ask for their turns in the same step then; so turns are given in the next.

A lane that messages wait in comes before one in which only timers are due: at a due day's midnight every lane has
thousands of them, and a purchase would wait until all other lanes had fired a batch of theirs. Some turns go to whoever
has waited longest all the same, so nobody waits for ever.

Source: docs/flow.md, Lanes.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

from storage.company import Company

IN_ORDER_EVERY = 4
"""Every so many turns one goes to who has waited longest, whatever for."""
IN_COMPANY_UP_TO = 500
"""Messages of all lanes of a company. Larger batches gain little by it, and wait for one another."""

Companies = Callable[[Mapping[int, int]], Company]
"""Begins a company, of lanes with so many messages each."""


@dataclass(eq=False, slots=True)
class _Turn:
    company: Company | None
    lanes: int
    """So many have it still."""


@dataclass(eq=False, slots=True)
class _Waiter:
    lane: int
    messages: Callable[[], int]
    may_join: bool
    turn: asyncio.Future[_Turn] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Turns:
    """So many at a time.

    Args:
        at_once: how many.
        companies: where lanes may settle in company.
    """

    def __init__(self, at_once: int, companies: Companies | None = None) -> None:
        self._free = at_once
        self._companies = companies
        self._waiting: list[_Waiter] = []
        self._given = 0
        self._gives_soon = False

    @contextlib.asynccontextmanager
    async def one(self, lane: int, messages: Callable[[], int], *, alone: bool) -> AsyncIterator[Company | None]:
        """Wait for a turn; it lasts as long as the block, which gets the company that the lane is in.

        Args:
            lane: its number.
            messages: how many wait in it; asked whenever a turn is given, so those that come meanwhile count as well.
            alone: no company for it.
        """
        waiter = _Waiter(lane, messages, not alone)
        turn = await self._begin(waiter)
        try:
            yield turn.company
        finally:
            self._end(waiter, turn)

    async def _begin(self, waiter: _Waiter) -> _Turn:
        self._waiting.append(waiter)
        self._give_soon()
        try:
            return await waiter.turn
        except asyncio.CancelledError:
            if not waiter.turn.cancelled():  # it was given its turn, and never began it
                self._end(waiter, waiter.turn.result())
            raise

    def _end(self, waiter: _Waiter, turn: _Turn) -> None:
        if turn.company is not None:
            turn.company.leave(waiter.lane)
        turn.lanes -= 1
        if not turn.lanes:
            self._free += 1
            self._give_soon()

    def _give_soon(self) -> None:
        if not self._gives_soon:
            self._gives_soon = True
            asyncio.get_running_loop().call_soon(self._give)

    def _give(self) -> None:
        self._gives_soon = False
        self._waiting = [each for each in self._waiting if not each.turn.done()]  # some are cancelled
        while self._free and self._waiting:
            self._free -= 1
            self._given += 1
            chosen = self._waiting[0]
            if self._given % IN_ORDER_EVERY:
                chosen = next((each for each in self._waiting if each.messages()), chosen)
            together = self._together(chosen)
            company = None
            if self._companies is not None and len(together) > 1:
                company = self._companies({each.lane: messages for each, messages in together.items()})
            turn = _Turn(company, len(together))
            for each in together:
                self._waiting.remove(each)
                each.turn.set_result(turn)

    def _together(self, chosen: _Waiter) -> dict[_Waiter, int]:
        """Who has the turn with the chosen one, and how many messages wait in each."""
        together: dict[_Waiter, int] = {}
        room = IN_COMPANY_UP_TO
        for each in (chosen, *self._waiting):
            messages = each.messages()
            if each.may_join and 0 < messages <= room and each not in together:
                together[each] = messages
                room -= messages
        is_joined = self._companies is not None and chosen in together
        return together if is_joined else {chosen: chosen.messages()}
