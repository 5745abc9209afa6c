"""SIGTERM ends a worker in time, with 0, whatever it is doing; what it left is settled and sent once by the next."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from devstack.stack import Stack
from tests.faults import foreign
from tests.faults.load import Load
from tests.faults.looking import ended, is_ready, says_not_ready
from tests.platform import Platform, Worker, eventually, platform

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(300)]


@asynccontextmanager
async def paused(node) -> AsyncIterator[None]:
    node.pause()
    try:
        yield
    finally:
        node.resume()


@asynccontextmanager
async def before_the_database_answers(made: Platform, load: Load, stack: Stack) -> AsyncIterator[Worker]:
    async with paused(stack.postgres):
        worker = made.worker()
        await worker.says("waiting for the database")
        yield worker


@asynccontextmanager
async def before_the_broker_answers(made, load, stack):
    async with paused(stack.kafka):
        worker = made.worker()
        await worker.says("waiting for the broker")
        yield worker


@asynccontextmanager
async def opening_its_consumer_at_a_broker_that_went_away(made, load, stack):
    async with made.database() as connection:
        async with connection.transaction():
            await connection.execute("LOCK TABLE identity")
            worker = made.worker()
            await worker.says("waiting for the database")  # so the broker has answered
            stack.kafka.pause()
        try:
            await says_not_ready(worker, "no broker answers", made.settings.group)
            yield worker
        finally:
            stack.kafka.resume()


@asynccontextmanager
async def joining(made, load, stack):
    async with foreign.member(made.bootstrap, made.settings.group, [f"{made.prefix}purchase"]):
        worker = made.worker()
        await says_not_ready(worker, "InconsistentGroupProtocol")
        yield worker


@asynccontextmanager
async def claiming_a_lane_whose_row_is_locked(made, load, stack):
    async with made.database() as connection, connection.transaction():
        await connection.execute("SELECT FROM lane FOR UPDATE")
        worker = made.worker()
        await says_not_ready(worker, "is claiming")
        yield worker


@asynccontextmanager
async def claiming_while_the_broker_is_paused(made, load, stack):
    async with made.database() as connection:
        async with connection.transaction():
            await connection.execute("SELECT FROM lane FOR UPDATE")
            worker = made.worker()
            await says_not_ready(worker, "is claiming")
            stack.kafka.pause()
        try:
            await says_not_ready(worker, "is claiming", "no broker answers")
            yield worker
        finally:
            stack.kafka.resume()


@asynccontextmanager
async def waiting_for_the_database(made, load, stack):
    worker, loading = await at_work(made, load)
    async with paused(stack.postgres):
        await says_not_ready(worker, "the database does not answer")
        yield worker
    await loading


@asynccontextmanager
async def waiting_for_the_broker(made, load, stack):
    worker, loading = await at_work(made, load)
    async with paused(stack.kafka):
        await says_not_ready(worker, "no broker answers")
        yield worker
    await loading


@asynccontextmanager
async def with_a_stopped_lane(made, load, stack):
    wrong = "UPDATE lane_offset SET next_offset = next_offset + $1 WHERE topic = 'credit-line'"
    settled = made.worker()
    await made.settled(load.sent)
    await ended(settled)
    await made.fetch(wrong, 1000)
    worker = made.worker()
    await says_not_ready(worker, "is stopped")
    yield worker
    await made.fetch(wrong, -1000)


@asynccontextmanager
async def with_outputs_refused(made, load, stack):
    worker = made.worker()
    await is_ready(worker)
    async with foreign.denied(made.bootstrap, "TOPIC", f"{made.prefix}notification", "WRITE"):
        await load.run(2)
        await says_not_ready(worker, "sends nothing")
        yield worker


@asynccontextmanager
async def with_many_messages_in_flight(made, load, stack):
    worker, loading = await at_work(made, load)
    yield worker
    await loading


async def at_work(made: Platform, load: Load) -> tuple[Worker, asyncio.Task[None]]:
    """A worker that settles a load, which goes on for a while."""
    worker = made.worker()
    await is_ready(worker)
    loading = asyncio.create_task(load.run(5))

    async def some_settled() -> bool:
        return await made.count("SELECT count(*) FROM purchase_order") > 0

    await eventually(some_settled, state=made.state)
    return worker, loading


STATES = [
    before_the_database_answers,
    before_the_broker_answers,
    opening_its_consumer_at_a_broker_that_went_away,
    joining,
    claiming_a_lane_whose_row_is_locked,
    claiming_while_the_broker_is_paused,
    waiting_for_the_database,
    waiting_for_the_broker,
    with_a_stopped_lane,
    with_outputs_refused,
    with_many_messages_in_flight,
]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
async def test_a_worker_ends_in_time(state, guarded_stack, tmp_path):
    async with platform(guarded_stack.bootstrap, guarded_stack.dsn, tmp_path, POSTPAY_OPS__REFRESH_S="0.5") as made:
        load = Load(made, random.Random(7))
        await load.begin()
        async with state(made, load, guarded_stack) as worker:
            await ended(worker)
        after = made.worker()
        await is_ready(after)
        await made.settled(load.sent)
        await load.require_each_effect_once()
        await ended(after)
