"""A steady load whose every effect can be counted afterwards, and faults that strike meanwhile."""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from tests.platform import Message, Messages, Platform, Worker

ACCOUNTS = 200
SLICE = 50
REPEATED = 0.1
"""Share of purchases sent a second time, as a retrying producer does."""


class Load:
    """Purchases of many accounts, some of them sent twice, until told to end."""

    def __init__(self, made: Platform, chance: random.Random, pause_s: float = 0.05) -> None:
        self._made = made
        self._chance = chance
        self._pause_s = pause_s
        self._messages = Messages()
        self.sent = 0
        self.orders = 0
        self.repeated = 0

    async def begin(self) -> None:
        """Open the accounts."""
        await self._send([self._messages.line_opened(f"acc-{number}") for number in range(ACCOUNTS)])

    async def run(self, seconds: float) -> None:
        """Send for so long."""
        ended = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, ended.set)
        await self.run_until(ended)

    async def run_until(self, ended: asyncio.Event) -> None:
        """Send until told to end."""
        async with self._made.producer() as producer:
            while not ended.is_set():
                some = self._some_purchases()
                await asyncio.gather(*[await self._made.put(producer, message) for message in some])
                self.sent += len(some)
                await asyncio.sleep(self._pause_s)

    def _some_purchases(self) -> list[Message]:
        some = []
        for _ in range(SLICE):
            account = f"acc-{self._chance.randrange(ACCOUNTS)}"
            some.append(self._messages.purchase_placed(account, f"order-{self.orders}"))
            self.orders += 1
        repeated = [message for message in some if self._chance.random() < REPEATED]
        self.repeated += len(repeated)
        return [*some, *repeated]

    async def _send(self, messages: Sequence[Message]) -> None:
        await self._made.send(messages)
        self.sent += len(messages)

    async def require_each_effect_once(self) -> None:
        """Count effects, not offsets: every order there once, every repeat a duplicate, every output sent once."""
        expected = Counter(applied=ACCOUNTS + self.orders, duplicate=self.repeated)
        assert await self._made.outcomes() == expected
        assert await self._made.count("SELECT count(*) FROM purchase_order") == self.orders
        held = await self._made.count("SELECT sum(held_minor)::bigint FROM account")
        assert held == 1000 * self.orders
        await self._made.require_sound()


class Crew:
    """Workers that are struck at random and replaced when they die."""

    def __init__(self, made: Platform, size: int, chance: random.Random) -> None:
        self._made = made
        self._chance = chance
        self.workers = [made.worker() for _ in range(size)]
        self.struck: list[str] = []

    async def strike(self) -> None:
        """Kill, freeze or stop one of them; a dead one is replaced at once."""
        place = self._chance.randrange(len(self.workers))
        blow = self._chance.choice([self._kill, self._kill, self._freeze, self._stop])
        self.struck.append(f"{blow.__name__.strip('_')} {place}")
        await blow(place, self.workers[place])

    async def _kill(self, place: int, worker: Worker) -> None:
        worker.kill()
        self.workers[place] = self._made.worker()

    async def _freeze(self, place: int, worker: Worker) -> None:
        """Longer than the group waits for a sign of life: it wakes up as a zombie that believes it owns its lanes."""
        worker.send(signal.SIGSTOP)
        await asyncio.sleep(self._chance.uniform(1, 9))
        worker.send(signal.SIGCONT)

    async def _stop(self, place: int, worker: Worker) -> None:
        code = await worker.stopped()
        assert code == 0, f"ended with {code}:\n{worker.tail()}"
        self.workers[place] = self._made.worker()


async def strike_under_load(
    load: Load,
    strike: Callable[[], Awaitable[None]],
    seconds: float,
    chance: random.Random,
    every_s: tuple[float, float],
) -> None:
    """Let faults strike while the load goes on."""
    loading = asyncio.create_task(load.run(seconds))
    while not loading.done():
        await asyncio.wait([loading], timeout=chance.uniform(*every_s))
        if not loading.done():
            await strike()
    await loading
