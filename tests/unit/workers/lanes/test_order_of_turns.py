"""Which lane may settle next; that each does so in a turn of its own is in test_turns."""

import asyncio

import pytest

from workers.lanes.turns import IN_ORDER_EVERY, Turns


class Lanes:
    """Lanes that want turns, one after the other; tells the order in which they got them."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.with_messages: set[str] = set()
        self.had: list[str] = []
        self.done = asyncio.Event()
        self.tasks: dict[str, asyncio.Task] = {}

    async def wants(self, name: str, *, then_given_up: str | None = None) -> None:
        """Have a lane want a turn; at the end of it another is given up, in the same step."""
        asks = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._settle(name, asks, then_given_up))
        await asks.wait()  # and it has gone on until it waits

    async def _settle(self, name: str, asks: asyncio.Event, then_given_up: str | None) -> None:
        asks.set()
        async with self.turns.one(0, lambda: int(name in self.with_messages), alone=True):
            self.had.append(name)
            await self.done.wait()
        if then_given_up is not None:  # when the next turn has been given, and before it begins
            asyncio.get_running_loop().call_soon(self.tasks[then_given_up].cancel)

    async def end(self) -> list[str]:
        self.done.set()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        return self.had


@pytest.fixture
async def lanes() -> Lanes:
    return Lanes(Turns(1))


async def test_so_many_have_a_turn_at_a_time():
    lanes = Lanes(Turns(2))
    for name in "abc":
        await lanes.wants(name)
    assert lanes.had == ["a", "b"]
    assert await lanes.end() == ["a", "b", "c"]


async def test_a_lane_with_messages_comes_before_one_with_timers_alone(lanes):
    for name in "abcd":
        await lanes.wants(name)
    lanes.with_messages |= {"c"}  # they have come while it waited
    assert await lanes.end() == ["a", "c", "b", "d"]


async def test_lanes_with_messages_have_their_turns_in_the_order_they_came(lanes):
    lanes.with_messages |= set("abcd")
    for name in "abcd":
        await lanes.wants(name)
    assert await lanes.end() == [*"abcd"]


async def test_who_has_waited_longest_does_not_wait_for_ever(lanes):
    await lanes.wants("first")
    await lanes.wants("timers")
    busy = [f"busy {number}" for number in range(2 * IN_ORDER_EVERY)]
    lanes.with_messages |= set(busy)
    for name in busy:
        await lanes.wants(name)
    assert (await lanes.end()).index("timers") == IN_ORDER_EVERY - 1


async def test_a_lane_that_is_given_up_while_it_waits_takes_no_turn(lanes):
    for name in "abc":
        await lanes.wants(name)
    lanes.tasks["b"].cancel()
    assert await lanes.end() == ["a", "c"]


async def test_a_turn_that_was_given_and_not_begun_goes_to_the_next(lanes):
    await lanes.wants("a", then_given_up="b")  # which is given its turn when a's ends
    for name in "bc":
        await lanes.wants(name)
    assert await lanes.end() == ["a", "c"]
