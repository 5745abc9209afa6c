"""Dead letters redriven in bulk while the command and a worker are killed: each is applied once.

POSTPAY_TEST_LETTERS sets how many (default 1,000).
"""

import asyncio
import json
import os
import signal
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from contracts.topics import Topic
from operating.redriving import LETTERS_AT_ONCE as STEP
from tests.command import Command
from tests.platform import Messages, eventually, platform

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(900)]

LETTERS = int(os.environ.get("POSTPAY_TEST_LETTERS", "1000"))
ACCOUNTS = 50
BEGIN = datetime(2026, 1, 1, 12, tzinfo=UTC)
KILLED_AT_STEP = 2


def account(number: int) -> str:
    return f"acc-{number % ACCOUNTS}"


async def test_a_bulk_of_dead_letters_is_applied_once_each_whoever_is_killed(stack, tmp_path):
    day = 0
    messages = Messages(lambda: BEGIN + timedelta(days=day))
    async with platform(stack.bootstrap, stack.dsn, tmp_path, lanes=2, POSTPAY_CLOCK="event") as made:
        postpay = Command(made.environment)
        victim = made.worker()
        await made.send([messages.line_opened(f"acc-{number}") for number in range(ACCOUNTS)])
        await made.send([received(messages, number) for number in range(LETTERS)])
        await made.settled(ACCOUNTS + LETTERS)
        day = 5  # what waits for its order has waited too long
        async with made.producer() as producer:
            for lane in range(2):
                await (await made.put(producer, messages.clock_ticked(), lane))
        await made.send([messages.purchase_placed(account(number), f"order-{number}") for number in range(LETTERS)])
        settled = ACCOUNTS + 2 * LETTERS + 2
        await made.settled(settled, within_s=300)
        assert (await made.outcomes())["dead_lettered"] == LETTERS

        redrive = ("dead-letters", "redrive", "--reason", "unmatched", "--as", "on-call", "--json")
        killed = await asyncio.to_thread(postpay.process, *redrive, POSTPAY_FAULT=f"redrive_sent:{KILLED_AT_STEP}")
        assert killed.code == -signal.SIGKILL
        again = asyncio.create_task(asyncio.to_thread(postpay.process, *redrive))
        await eventually(lambda: some_more_are_sent(made), state=made.state)
        victim.kill()
        heir = made.worker()
        ran = await again
        statuses = Counter(json.loads(line)["status"] for line in ran.out.splitlines())
        assert (ran.code, statuses.total()) == (0, LETTERS)
        assert statuses["redriven_before"] == (KILLED_AT_STEP - 1) * STEP

        # Of the step whose end nobody knew, every record was sent twice.
        await made.settled(settled + LETTERS + STEP, within_s=300)
        rows = await made.fetch(
            "SELECT event_id FROM decision WHERE type = 'purchase.received' AND outcome = 'applied'"
        )
        assert len({row["event_id"] for row in rows}) == len(rows) == LETTERS
        assert await made.count("SELECT count(*) FROM purchase_order WHERE received_at IS NOT NULL") == LETTERS
        assert (await made.outcomes())["duplicate"] == STEP
        await made.require_sound()
        done = await made.fetch("SELECT outcome, count(*) FROM operator_log GROUP BY 1")
        assert dict(map(tuple, done)) == {"intended": LETTERS + STEP, "done": LETTERS}
        third = await asyncio.to_thread(postpay.process, *redrive)
        assert Counter(json.loads(line)["status"] for line in third.out.splitlines()) == {"redriven_before": LETTERS}
        assert await heir.stopped() == 0


def received(messages: Messages, number: int):
    name = account(number)
    return messages.message(Topic.PURCHASE, name, "purchase.received", account_id=name, order_id=f"order-{number}")


async def some_more_are_sent(made) -> bool:
    return await made.count("SELECT count(*) FROM operator_log WHERE outcome = 'done'") > (KILLED_AT_STEP - 1) * STEP
