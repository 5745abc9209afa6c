"""Verifying while a worker settles, and after one that was killed between its COMMIT and its outputs."""

import asyncio
import contextlib

import pytest

from contracts.topics import Topic
from tests.command import Command
from tests.integration.replay.conftest import caught_up
from tests.platform import Messages, eventually, platform
from workers.kafka.homes import home_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
async def made(stack, tmp_path):
    async with platform(stack.bootstrap, stack.dsn, tmp_path) as platform_:
        yield platform_


async def verified(made):
    return await asyncio.to_thread(Command(made.environment).process, "replay", "verify", "--json")


async def test_what_a_worker_settles_meanwhile_is_followed_to_one_moment_of_each_lane(made):
    messages = Messages()
    accounts = [f"acc-{number}" for number in range(20)]
    await made.send([messages.line_opened(account) for account in accounts])
    worker = made.worker()
    ended = asyncio.Event()

    async def shop() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            await made.send([messages.purchase_placed(account, f"o-{number}") for account in accounts])
            await asyncio.sleep(0.1)  # or most of the test would be settling

    shopping = asyncio.create_task(shop())
    try:
        seen = []
        while len(seen) < 3:
            ran = await verified(made)
            assert ran.code == 0, ran.out + ran.err
            assert ran.json["complete"], ran.out
            seen.append(ran.json["messages"])
        assert seen == sorted(set(seen)), "nothing was settled meanwhile"
    finally:
        ended.set()
        with contextlib.suppress(asyncio.CancelledError):
            await shopping
    await caught_up(made)
    assert await worker.stopped() == 0


async def test_batches_that_are_not_in_the_lane_log_yet_are_taken_from_the_outbox(made):
    messages = Messages()
    await made.send([messages.line_opened(f"acc-{number}") for number in range(9)])
    worker = made.worker(POSTPAY_FAULT="after_commit")
    await worker.ended()
    settled = await made.fetch("SELECT lane, batch_seq FROM lane WHERE batch_seq > 0")
    assert settled and not await made.relayed()
    ran = await verified(made)
    assert ran.code == 0, ran.out + ran.err
    assert (ran.json["complete"], ran.json["batches"]) == (True, sum(row["batch_seq"] for row in settled))
    assert ran.json["messages"] > 0
    again = made.worker()
    await eventually(made.relayed, state=made.state)
    assert await again.stopped() == 0


async def test_what_somebody_else_puts_on_an_output_topic_is_named(made):
    messages = Messages()
    await made.send([messages.line_opened("acc-1"), messages.purchase_placed("acc-1", "o-1")])
    worker = made.worker()
    await made.settled(2)
    lane = home_of("acc-1", 2)
    assert (await verified(made)).json["outputs"] == 1
    (notice,) = [record for record in await made.read(Topic.NOTIFICATION) if record.partition == lane]
    async with made.producer() as producer:
        forged = {"value": notice.value, "key": notice.key, "headers": list(notice.headers), "partition": lane}
        sent = await producer.send_and_wait(made.prefix + Topic.NOTIFICATION, **forged)
    found = (await verified(made)).json["lanes"][lane]["difference"]
    assert (found["where"], found["decided"]) == (f"output on notification[{lane}] offset {sent.offset}", "nothing")
    await made.send([messages.purchase_placed("acc-1", "o-2")])
    await made.settled(3)
    found = (await verified(made)).json["lanes"][lane]["difference"]
    assert (found["where"], found["column"]) == (f"output on notification[{lane}] offset {sent.offset}", "value")
    assert await worker.stopped() == 0
