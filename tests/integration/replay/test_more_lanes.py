"""Lanes that were split: what was decided stays, and everything goes on."""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.topics import Topic
from demo.history import History, tick
from demo.record import Record, record
from storage import branching
from storage.operator_log import Action
from tests.command import Command, Ran
from tests.integration.replay.conftest import caught_up, send, work
from tests.platform import Platform, platform, platform_on
from workers.kafka.homes import home_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]

BEFORE, AFTER = 4, 8
DAYS, SPLIT_AFTER = 37, 34
"""The first orders were due a few days before the split."""


@dataclass(frozen=True)
class Books:
    """A platform with a history of some weeks."""

    platform: Platform
    days: list[list[Record]]

    async def command(self, *arguments: str, **settings: str) -> Ran:
        return await asyncio.to_thread(Command(self.platform.environment).process, *arguments, **settings)

    async def split(self, into: int = AFTER, **settings: str) -> Ran:
        return await self.command("lane", "split", str(into), "--reason", "growth", "--json", **settings)

    async def refused(self, complaint: str, into: int = AFTER, code: int = 1) -> None:
        ran = await self.split(into)
        assert (ran.code, ran.out) == (code, "")
        assert complaint in ran.complaint

    def shown(self) -> dict[str, Any]:
        """What buyers and shops are told of themselves, but for the lane they are on."""
        show = Command(self.platform.environment)
        ran = {party: show(kind, "show", party, "--json") for kind, party in self.parties()}
        assert {each.code for each in ran.values()} == {0}
        return {party: {**each.json, "lane": None} for party, each in ran.items()}

    def parties(self) -> Iterator[tuple[str, str]]:
        for kind, topic in (("account", Topic.CREDIT_LINE), ("merchant", Topic.MERCHANT)):
            keys = {(each.key or b"").decode() for day in self.days[:SPLIT_AFTER] for each in day if each.topic == topic}
            yield from ((kind, key) for key in sorted(keys))


@pytest.fixture
async def books(stack, tmp_path):
    environment = {"POSTPAY_CLOCK": "event", "POSTPAY_WORKER__BATCH_MAX_MESSAGES": "7"}
    async with platform(stack.bootstrap, stack.dsn, tmp_path, lanes=BEFORE, **environment) as made:
        history = History(accounts=24, merchants=4, days=DAYS, seed=5)
        days = [[*history.day(day), tick(history.midnight_after(day))] for day in range(DAYS)]
        at = history.midnight_after(SPLIT_AFTER - 2) + timedelta(hours=1)
        waits = [
            record(Topic.PURCHASE, f"acc-{n:06}", "waits", "purchase.received", at, order_id="never") for n in range(1, 9)
        ]
        days[SPLIT_AFTER - 1] += waits
        victim = made.worker(POSTPAY_FAULT="in_kafka_transaction:20")
        await work(made, tmp_path, days[:SPLIT_AFTER])
        assert not victim.is_running
        yield Books(made, days)


async def test_after_a_split_every_party_is_as_it_was_and_goes_on(books, stack, tmp_path):
    made = books.platform
    assert (await numbers(made))["parked"] > 0
    assert await made.count("SELECT count(*) FROM debit WHERE status = 'requested'") > 0
    sent = await made.outputs()

    await books.refused("expected a multiple of the 4 lanes there are", 6)
    await books.refused("the database has 4 lanes already", BEFORE)
    late = [each for each in books.days[0] if each.topic == Topic.PURCHASE][:1]
    await send(made, late)  # sent again: a duplicate, but nobody has seen it yet
    await books.refused("not everything is settled: 1 records of purchase on lane")
    worker = made.worker()
    await caught_up(made)
    await books.refused("workers hold lanes", code=2)
    assert await worker.stopped() == 0
    shown, rows = await asyncio.to_thread(books.shown), await numbers(made)

    for point in ("split_filled", "split_partitions_added", "split_logged"):
        assert (await books.split(POSTPAY_FAULT=point)).code == -9
        assert await made.count("SELECT lanes FROM identity") == BEFORE
    ran = await books.split()
    assert ran.code == 0, ran.err
    assert (ran.json["lanes_before"], ran.json["lanes"]) == (BEFORE, AFTER)
    await books.refused("the settings name 4 lanes", 2 * AFTER)

    async with platform_on(
        stack.bootstrap,
        made.settings.postgres.dsn,
        made.settings.group,
        tmp_path,
        lanes=AFTER,
        **{name: value for name, value in made.environment.items() if name not in OF_PLATFORM},
    ) as more:
        await more.require_sound()
        assert await asyncio.to_thread(replace(books, platform=more).shown) == shown
        assert await more.outputs() == sent
        assert await numbers(more) == rows
        (entered,) = await more.fetch("SELECT action, after FROM operator_log")
        assert entered["action"] == Action.SPLIT_LANES
        assert ran.json["kept_as"] in entered["after"]

        stale = [each for each in books.days[SPLIT_AFTER] if each.topic == Topic.PURCHASE]
        moved = [each for each in stale if home_of(each.key.decode(), AFTER) >= BEFORE]
        assert moved, "no purchase of a party that has moved"
        await send(made, moved)  # by a producer that has not heard of the new partitions
        rest = [each for each in books.days[SPLIT_AFTER] if each not in moved]
        victims = [more.worker(POSTPAY_FAULT=point) for point in ("after_commit:3", "in_kafka_transaction:9")]
        await work(more, tmp_path, [rest, *books.days[SPLIT_AFTER + 1 :]])
        assert not any(each.is_running for each in victims)
        await more.require_sound()
        assert await more.count("SELECT sum(settled_records)::bigint FROM lane_offset WHERE topic = 'rerouted'") > 0
        assert len(await more.outputs()) > len(sent)


OF_PLATFORM = {
    "POSTPAY_KAFKA__BOOTSTRAP", "POSTPAY_POSTGRES__DSN", "POSTPAY_TOPICS__PREFIX", "POSTPAY_GROUP", "POSTPAY_LANES",
}


async def numbers(made: Platform) -> dict[str, int]:
    tables = [*branching.BY_PARTY, *branching.BY_KEY]
    return {table: await made.count(f"SELECT count(*) FROM {table}") for table in tables}
