"""One platform with a nasty history, settled by a release with defects and then by this one."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count, pairwise
from typing import Any

import asyncpg
import pytest

from contracts.topics import BROADCAST_TOPICS, Topic
from demo.history import History, tick
from demo.record import Record, record
from storage.audit import Check, audit
from storage.database import Connection, connect
from storage.stories.account import account_story
from storage.stories.merchant import merchant_story
from tests.command import Command
from tests.conftest import Server
from tests.platform import Platform, platform
from workers.kafka.homes import home_of
from workers.replay.history import RecordedHistory, fixed
from workers.replay.report import LaneReport
from workers.replay.verification import Job, verify_lane
from workers.settings.model import Settings

LANES = 2
DAYS, CHANGED_AFTER = 45, 25
SEEN_AFTER = (9, 17, CHANGED_AFTER, 36)
"""Days after which everybody looked at the books."""

DEFECTS = '''
"""A release of postpay with three defects."""

import contracts.decode
import settlement.decide
from settlement.messages import PurchaseReceived
from settlement.timers import TimerKind

decide, fire, event_hash = settlement.decide.decide, settlement.decide.fire, contracts.decode.event_hash


def broken_decide(state, message, *more):
    if isinstance(message.body, PurchaseReceived) and sum(message.body.order_id.encode()) % 4 == 0:
        raise KeyError(message.body.order_id)
    return decide(state, message, *more)


def broken_fire(state, timer, *more):
    if timer.kind is TimerKind.REMINDER and timer.party.id[-1] in "246":
        raise ZeroDivisionError
    return fire(state, timer, *more)


def broken_event_hash(topic, key, event_id, party):
    if topic == "purchase" and sum(event_id.encode()) % 11 == 0:
        raise RuntimeError(event_id)
    return event_hash(topic, key, event_id, party)


settlement.decide.decide, settlement.decide.fire = broken_decide, broken_fire
contracts.decode.event_hash = broken_event_hash
'''
"""Python runs a module named `sitecustomize` before anything else."""


@dataclass(frozen=True)
class Seen:
    """What commands showed at a time of the lanes: every account's and merchant's story, and what the audit found."""

    at: datetime
    batches: dict[int, int]
    stories: dict[str, Any]
    checks: list[Check]


@dataclass(frozen=True)
class Recorded:
    """A settled platform that nobody changes any more: to be verified, and its database to be copied and falsified."""

    platform: Platform
    history: RecordedHistory
    server: Server
    database_id: str
    seen: list[Seen]

    async def verify(self, lane: int = 0, database: str | None = None) -> LaneReport:
        """Verify one lane in this process, against its own database or a copy."""
        history = self.history if database is None else RecordedHistory(self.settings(database), self.history.extents)
        return await verify_lane(Job(self.database_id), history, lane, lambda *_: None)

    @asynccontextmanager
    async def copy(self) -> AsyncIterator[str]:
        """A copy of the database, for the time of a test."""
        async with self.server.database("replay", self.platform.database_name) as made:
            yield made.dsn

    def settings(self, dsn: str) -> Settings:
        own = self.platform.settings
        return own.model_copy(update={"postgres": own.postgres.model_copy(update={"dsn": dsn})})


@pytest.fixture(scope="session")
async def settled(stack, server, tmp_path_factory) -> AsyncIterator[Recorded]:
    logs = tmp_path_factory.mktemp("replay")
    (logs / "sitecustomize.py").write_text(DEFECTS)
    environment = {
        "POSTPAY_CLOCK": "event",
        "POSTPAY_WORKER__TIMERS_PER_BATCH": "5",
        "POSTPAY_WORKER__BATCH_MAX_MESSAGES": "7",
    }
    async with platform(stack.bootstrap, stack.dsn, logs, lanes=LANES, **environment) as made:
        history = History(accounts=60, merchants=4, days=DAYS, seed=3)
        days = [[*history.day(day), tick(history.midnight_after(day))] for day in range(DAYS)]
        days[-1] += list(mishaps(history.midnight_after(DAYS - 2)))
        seen = []
        for first, end in pairwise((0, *SEEN_AFTER, DAYS)):
            with_defects = {"PYTHONPATH": str(logs)} if end <= CHANGED_AFTER else {}
            seen.append(await work(made, days[first:end], **with_defects))
        (row,) = await made.fetch("SELECT database_id FROM identity")
        yield Recorded(made, await fixed(made.settings), server, str(row["database_id"]), seen)


def mishaps(day: datetime) -> Iterator[Record]:
    """Of an account of each lane: a conflict, duplicates of both kinds, a refusal with what follows, one that waits."""
    for lane in range(LANES):
        account = next(f"acc-mishap-{no}" for no in count() if home_of(f"acc-mishap-{no}", LANES) == lane)

        def at(minute: int) -> datetime:
            return day + timedelta(hours=1, minutes=minute)

        def told(topic: Topic, event_id: str, kind: str, minute: int, *, key: str = account, **fields: Any) -> Record:
            return record(topic, key, event_id, kind, at(minute), **fields)

        def placed(event_id: str, minute: int, order_id: str, amount_minor: int) -> Record:
            plan = {"kind": "deferred", "days": 30}
            more = {"merchant_id": "shop-0001", "amount_minor": amount_minor, "currency": "CNY", "plan": plan}
            return told(Topic.PURCHASE, event_id, "purchase.placed", minute, order_id=order_id, **more)

        opened = {"programme": "kuaishou", "limit_minor": 500_000, "currency": "CNY", "score": 700}
        yield told(Topic.CREDIT_LINE, "mishap-opened", "credit_line.opened", 0, **opened)
        yield placed("mishap-placed", 1, "mishap-1", 10_000)
        yield placed("mishap-placed", 2, "mishap-1", 10_000)
        yield placed("mishap-placed", 3, "mishap-1", 20_000)
        yield placed("mishap-again", 4, "mishap-1", 10_000)
        yield placed("mishap-too-much", 5, "mishap-2", 900_000)
        yield told(Topic.PURCHASE, "mishap-refused", "purchase.received", 6, order_id="mishap-2")
        yield told(Topic.PURCHASE, "mishap-waits", "purchase.received", 7, order_id="mishap-3")


async def work(made: Platform, days: list[list[Record]], **environment: str) -> Seen:
    """Have days settled by one worker and look; a tick after that, so that later batches have a later time."""
    await send(made, [each for day in days for each in sorted(day, key=lambda record: record.delivered_at)])
    worker = made.worker(**environment)
    await caught_up(made)
    seen = await look(made)
    await send(made, [tick(seen.at + timedelta(seconds=1))])
    await caught_up(made)
    assert await worker.stopped() == 0, worker.tail()
    return seen


async def look(made: Platform) -> Seen:
    connection = await connect(made.settings.postgres.dsn, application_name="test")
    try:
        lanes = await connection.fetch("SELECT lane, batch_seq, lane_time FROM lane")
        batches = {row["lane"]: row["batch_seq"] for row in lanes}
        at = max(row["lane_time"] for row in lanes)
        return Seen(at, batches, await stories(connection), await audit(connection))
    finally:
        await connection.close()


async def stories(connection: Connection) -> dict[str, Any]:
    """Every party's story, as `show --json` tells it."""
    told: dict[str, Any] = {}
    for query, story in (
        ("SELECT account_id FROM account", account_story),
        ("SELECT merchant_id FROM merchant", merchant_story),
    ):
        for row in await connection.fetch(query):
            told[row[0]] = (await story(connection, row[0])).document()
    return told


async def send(made: Platform, records: Iterable[Record]) -> None:
    lanes = range(made.settings.lanes)
    async with made.producer() as producer:
        for each in records:
            home = home_of((each.key or b"").decode(errors="replace"), len(lanes))
            partitions = lanes if each.topic in BROADCAST_TOPICS else [len(lanes) - 1 - home if each.crc32 else home]
            for partition in partitions:
                topic = made.prefix + each.topic
                await producer.send(topic, each.value, key=each.key, partition=partition)


async def caught_up(made: Platform) -> None:
    """Wait until all is settled and relayed, as `postpay lag --wait` does."""
    ran = await asyncio.to_thread(Command(made.environment), "lag", "--wait", "50")
    assert ran.code == 0, ran.out + await made.state()


async def falsify(dsn: str, *statements: str) -> None:
    """Change a database as its owner could: no trigger is in the way."""
    connection = await asyncpg.connect(dsn, server_settings={"search_path": "postpay"})
    try:
        await connection.execute("SET session_replication_role = replica")
        for statement in statements:
            changed = await connection.execute(statement)
            assert not changed.endswith(" 0"), f"nothing was changed by {statement}"
    finally:
        await connection.close()
