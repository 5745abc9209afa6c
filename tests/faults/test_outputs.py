"""Outputs that the broker does not take: said, measured, and sent once when it does."""

import asyncio
import json
from functools import partial

import pytest

from contracts.topics import Topic
from tests.faults import foreign
from tests.faults.looking import ended, is_ready, lines, metric, says_not_ready
from tests.platform import Messages, eventually, platform
from workers.kafka.homes import home_of

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(240)]

INTERRUPTED = "relay interrupted: it takes over again"
GOES_ON = "relay goes on"
BLOCKED_S = 12.0
"""Long enough for several tries in vain, whose lines and figures can be told from one."""


def not_allowed(bootstrap, name):
    return foreign.denied(bootstrap, "TOPIC", name, "WRITE")


def too_large(bootstrap, name):
    # The broker's own end of a transaction has 78 bytes; where that is refused, no transaction ever ends.
    return foreign.configured(bootstrap, name, "max.message.bytes", "100")


@pytest.mark.parametrize(
    ("refused", "topic", "error"),
    [
        (not_allowed, "notification", "TopicAuthorizationFailed"),
        (not_allowed, "lane-log", "TopicAuthorizationFailed"),
        (too_large, "notification", "MessageSizeTooLarge"),
    ],
    ids=["one topic may not be written", "the lane-log may not be written", "one topic takes nothing so large"],
)
async def test_outputs_that_are_refused_are_told_of_and_sent_once_in_the_end(
    refused, topic, error, guarded_stack, tmp_path
):
    async with platform(guarded_stack.bootstrap, guarded_stack.dsn, tmp_path, POSTPAY_OPS__REFRESH_S="0.5") as made:
        messages = Messages()
        await made.send([messages.line_opened("acc-1"), messages.purchase_placed("acc-1", "order-1")])
        worker = made.worker()
        await made.settled(2)
        await is_ready(worker)
        assert await metric(worker, "postpay_outbox_backlog_seconds") == 0
        name = made.prefix + topic
        async with refused(made.bootstrap, name):
            await made.send([messages.purchase_placed("acc-1", f"late-{number}") for number in range(3)])
            await says_not_ready(worker, "sends nothing", error, name)

            async def old() -> bool:
                return await metric(worker, "postpay_outbox_backlog_seconds") > BLOCKED_S

            await eventually(old, state=worker.readiness)
            assert await metric(worker, "postpay_relay_waiting") == 1
            assert await metric(worker, "postpay_ready") == 0
        await is_ready(worker)
        await made.settled(5)
        assert await metric(worker, "postpay_outbox_backlog_seconds") == 0
        assert (len(lines(worker, INTERRUPTED)), len(lines(worker, GOES_ON))) == (1, 1)
        await made.require_sound()
        await ended(worker)


async def test_a_lane_whose_outputs_are_refused_holds_up_no_other_of_its_worker(guarded_stack, tmp_path):
    async with platform(guarded_stack.bootstrap, guarded_stack.dsn, tmp_path, POSTPAY_OPS__REFRESH_S="0.5") as made:
        messages = Messages()
        await made.send([messages.line_opened("acc-1")])
        worker = made.worker()
        await made.settled(1)
        await is_ready(worker)
        refused = home_of("acc-1", 2)
        others = [name for name in (f"acc-{number}" for number in range(2, 100)) if home_of(name, 2) != refused][:20]
        async with foreign.denied(made.bootstrap, "TOPIC", f"{made.prefix}notification", "WRITE"):
            # Together, so that they may share a transaction. A credit line that is opened tells nobody.
            await made.send([messages.purchase_placed("acc-1", "order-1"), messages.line_opened(others[0])])
            await says_not_ready(worker, f"lane {refused} sends nothing", "TopicAuthorizationFailed")
            for number, name in enumerate(others[1:], start=2):
                await made.send([messages.line_opened(name)])
                await eventually(partial(opened_and_sent, made, 1 - refused, number), state=made.state)
            assert f"lane {1 - refused} sends nothing" not in await asyncio.to_thread(worker.readiness)
        await is_ready(worker)
        await made.settled(2 + len(others))
        assert {line["lane"] for line in lines(worker, INTERRUPTED)} == {refused}
        await made.require_sound()
        await ended(worker)


async def opened_and_sent(made, lane, opened):
    """Whether so many records of a lane are in batches that its lane-log has."""
    logs = [json.loads(record.value) for record in await made.read(Topic.LANE_LOG) if record.partition == lane]
    return sum(sum(log["outcomes"].values()) for log in logs if log["kind"] == "batch") == opened
