"""Outputs that the broker does not take: said, measured, and sent once when it does."""

import pytest

from tests.faults import foreign
from tests.faults.looking import ended, is_ready, lines, metric, says_not_ready
from tests.platform import Messages, eventually, platform

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
