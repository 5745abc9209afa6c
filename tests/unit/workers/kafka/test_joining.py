"""What keeps a member from its group's coordinator is told, and its end."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.errors import GroupCoordinatorNotAvailableError, InconsistentGroupProtocolError

from workers.kafka import joining
from workers.kafka.joining import keep_joining


class Told:
    """What the worker hears."""

    def __init__(self):
        self.refused, self.found, self.ended = [], 0, []

    def on_found(self):
        self.found += 1


async def kept(coordination, lookup):
    """A consumer as keep_joining sees it, and what was told of it."""
    rejoins = []
    coordinator = SimpleNamespace(
        _closing=asyncio.get_running_loop().create_future(),
        _coordination_task=asyncio.create_task(coordination()),
        request_rejoin=lambda: rejoins.append(True),
    )
    consumer = SimpleNamespace(_coordinator=coordinator, _client=SimpleNamespace(coordinator_lookup=lookup))
    told = Told()
    keep_joining(consumer, told.refused.append, told.on_found, told.ended.append)
    return consumer, told, rejoins


async def for_ever():
    await asyncio.Event().wait()


async def test_a_coordinator_that_is_not_available_is_told_of_and_its_return_once():
    answers = [GroupCoordinatorNotAvailableError(), GroupCoordinatorNotAvailableError(), 7, 7]

    async def lookup(*_):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    consumer, told, _ = await kept(for_ever, lookup)
    for _ in range(2):
        with pytest.raises(GroupCoordinatorNotAvailableError):
            await consumer._client.coordinator_lookup(0, "group")
    assert [await consumer._client.coordinator_lookup(0, "group") for _ in range(2)] == [7, 7]
    assert (len(told.refused), told.found) == (2, 1)


async def test_after_a_refusal_it_joins_anew_and_waits_no_longer_than_its_end(monkeypatch):
    monkeypatch.setattr(joining, "JOIN_AGAIN_S", 60)
    consumer, told, rejoins = await kept(for_ever, None)
    consumer._coordinator._closing.set_result(None)
    refused = InconsistentGroupProtocolError()
    await asyncio.wait_for(consumer._coordinator._push_error_to_user(refused), 5)
    assert (told.refused, rejoins) == ([refused], [True])


async def test_what_ends_the_coordination_is_told():
    broken = AssertionError("invalid assignment protocol")

    async def breaks():
        raise broken

    consumer, told, _ = await kept(breaks, None)
    with pytest.raises(AssertionError):
        await consumer._coordinator._coordination_task
    await asyncio.sleep(0)
    assert told.ended == [broken]
