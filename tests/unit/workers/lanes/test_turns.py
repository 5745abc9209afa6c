"""Which lane may settle next."""

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

    async def wants(self, name: str) -> None:
        self.tasks[name] = asyncio.create_task(self._settle(name))
        await asyncio.sleep(0)  # it begins to wait

    async def _settle(self, name: str) -> None:
        async with self.turns.one(lambda: name in self.with_messages):
            self.had.append(name)
            await self.done.wait()

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
    for name in "abc":
        await lanes.wants(name)
    lanes.done.set()
    await asyncio.sleep(0)  # a ends its turn, and b is given it
    lanes.tasks["b"].cancel()
    assert await lanes.end() == ["a", "c"]
