"""Lanes with few messages have one turn together."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest

from tests.unit.workers.lanes.surroundings import Gathering
from workers.lanes.turns import IN_COMPANY_UP_TO, Turns

LARGE = IN_COMPANY_UP_TO + 1


class Lanes:
    """Lanes that ask for turns, all in one step."""

    def __init__(self, at_once: int = 1) -> None:
        self.companies: list[Gathering] = []
        self.turns = Turns(at_once, self._gather)
        self.settling: dict[int, Gathering | None] = {}
        self.may_end: dict[int, asyncio.Event] = {}
        self.tasks: dict[int, asyncio.Task] = {}

    def _gather(self, messages: Mapping[int, int]) -> Gathering:
        self.companies.append(Gathering(messages))
        return self.companies[-1]

    async def want(self, messages: Mapping[int, int], *, alone: bool = False) -> None:
        """Have lanes with so many messages each ask for a turn, and see what comes of it."""
        for lane, waiting in messages.items():
            self.may_end[lane] = asyncio.Event()
            self.tasks[lane] = asyncio.create_task(self._settle(lane, waiting, alone=alone))
        await self.steps()

    async def _settle(self, lane: int, messages: int, *, alone: bool) -> None:
        async with self.turns.one(lane, lambda: messages, alone=alone) as company:
            self.settling[lane] = company
            await self.may_end[lane].wait()
        del self.settling[lane]

    async def end(self, *lanes: int) -> None:
        for lane in lanes:
            self.may_end[lane].set()
        await self.steps()

    async def steps(self) -> None:
        """Let whatever can go on do so."""
        for _ in range(10):
            await asyncio.sleep(0)

    @property
    def in_company(self) -> list[dict[int, int]]:
        return [each.messages for each in self.companies]


@pytest.fixture
async def lanes() -> AsyncIterator[Lanes]:
    made = Lanes()
    yield made
    for task in made.tasks.values():
        task.cancel()
    await asyncio.gather(*made.tasks.values(), return_exceptions=True)


async def test_lanes_that_ask_in_the_same_step_have_one_turn(lanes):
    await lanes.want({0: 1, 3: 2, 5: 1})
    assert lanes.in_company == [{0: 1, 3: 2, 5: 1}]
    assert set(lanes.settling) == {0, 3, 5}
    assert set(lanes.settling.values()) == set(lanes.companies)


async def test_what_comes_meanwhile_goes_together_with_the_next_turn(lanes):
    await lanes.want({0: 1, 1: 1})
    await lanes.want({2: 1, 3: 4, 4: 1})
    assert set(lanes.settling) == {0, 1}
    await lanes.end(0, 1)
    assert lanes.in_company == [{0: 1, 1: 1}, {2: 1, 3: 4, 4: 1}]


async def test_the_turn_is_over_when_the_last_of_a_company_has_gone(lanes):
    await lanes.want({0: 1, 1: 1})
    await lanes.want({2: 1})
    await lanes.end(0)
    assert set(lanes.settling) == {1}
    await lanes.end(1)
    assert set(lanes.settling) == {2}
    assert lanes.companies[0].left == [0, 1]


async def test_a_lane_by_itself_is_no_company(lanes):
    await lanes.want({0: 1})
    assert lanes.settling == {0: None}


async def test_a_lane_with_many_messages_settles_alone(lanes):
    await lanes.want({0: LARGE, 1: 1, 2: 1})
    assert lanes.settling == {0: None}
    await lanes.end(0)
    assert lanes.in_company == [{1: 1, 2: 1}]


async def test_a_company_has_so_many_messages_and_no_more(lanes):
    half = IN_COMPANY_UP_TO // 2
    await lanes.want({0: half, 1: half, 2: 1})
    assert lanes.in_company == [{0: half, 1: half}]


async def test_a_lane_in_which_only_timers_are_due_joins_nobody(lanes):
    await lanes.want({0: 1, 1: 0, 2: 0})
    assert lanes.settling == {0: None}


async def test_a_lane_that_wants_to_be_alone_is(lanes):
    await lanes.want({0: 1, 1: 1}, alone=True)
    assert lanes.settling == {0: None}
    await lanes.want({2: 1, 3: 1})
    await lanes.end(0)
    await lanes.end(1)
    assert lanes.in_company == [{2: 1, 3: 1}]


async def test_a_lane_given_up_before_it_begins_leaves_the_company(lanes):
    await lanes.want({9: LARGE})
    await lanes.want({0: 1, 1: 1})
    lanes.may_end[9].set()
    while not lanes.companies:
        await asyncio.sleep(0)
    lanes.tasks[0].cancel()
    await lanes.steps()
    assert set(lanes.settling) == {1}
    assert lanes.companies[0].left == [0]
    await lanes.end(1)
    await lanes.want({2: 1})
    assert set(lanes.settling) == {2}, "the turn is free again"


async def test_where_lanes_may_not_go_in_company_none_does(lanes):
    lanes.turns = Turns(1)
    await lanes.want({0: 1, 1: 1})
    assert lanes.settling == {0: None}
