"""A postpay of its own for a test: database, topics, group, and worker processes that can be killed.

Everything is real. Several share one stack, told apart by database and topic prefix.
"""

import asyncio
import contextlib
import json
import os
import signal
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from cli.embedded import with_database
from cli.processes import STOP_TIMEOUT_S, WorkerProcess
from contracts.topics import OUTPUT_TOPICS, Topic
from settlement.terms import TermsBook
from storage.audit import audit
from storage.migrations import migrate
from tests.forking import ForkedWorker
from workers.kafka import topics
from workers.kafka.homes import home_of
from workers.settings.model import Settings
from workers.worker import DEFECT

DEADLINE_S = 60.0


@dataclass
class Platform:
    """One postpay: its settings, and what a test does with it."""

    settings: Settings
    environment: dict[str, str]
    logs: Path
    workers: list["Worker"] = field(default_factory=list)

    @property
    def prefix(self) -> str:
        return self.settings.topics.prefix

    @property
    def bootstrap(self) -> str:
        return self.settings.kafka.bootstrap

    @property
    def database_name(self) -> str:
        return urlsplit(self.settings.postgres.dsn).path[1:]

    def worker(self, **environment: str) -> "Worker":
        """Start a worker process; more settings by their names."""
        worker = Worker.start(f"worker-{len(self.workers)}", self.logs, {**self.environment, **environment})
        self.workers.append(worker)
        return worker

    @contextlib.asynccontextmanager
    async def database(self) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(self.settings.postgres.dsn, server_settings={"search_path": "postpay"})
        try:
            yield connection
        finally:
            await connection.close()

    async def fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        async with self.database() as connection:
            return await connection.fetch(query, *arguments)

    async def count(self, query: str, *arguments: Any) -> int:
        return (await self.fetch(query, *arguments))[0][0]

    async def outcomes(self) -> Counter[str]:
        """Inputs by outcome; what is parked still included."""
        rows = await self.fetch(
            "SELECT outcome, count(*) FROM decision WHERE kind = 'input' GROUP BY 1"
            " UNION ALL SELECT outcome, count(*) FROM receipt GROUP BY 1"
            " UNION ALL SELECT 'dead_lettered', count(*) FROM dead_letter"
            " UNION ALL SELECT 'parked', count(*) FROM parked"
        )
        counts: Counter[str] = Counter()
        for outcome, number in rows:
            counts[outcome] += number
        return +counts

    @contextlib.asynccontextmanager
    async def producer(self, **more: Any) -> AsyncIterator[AIOKafkaProducer]:
        # Idempotent: a batch sent again because its answer was lost must not be two inputs to a test that counts them.
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, max_batch_size=64 * 1024, enable_idempotence=True, **more
        )
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()

    async def send(self, messages: Iterable["Message"], **more: Any) -> None:
        """Send messages, each to its home lane, in order, and wait until the broker has them."""
        async with self.producer(**more) as producer:
            await asyncio.gather(*[await self.put(producer, message) for message in messages])

    async def put(self, producer: AIOKafkaProducer, message: "Message", partition: int | None = None) -> Any:
        lane = home_of(message.key, self.settings.lanes) if partition is None else partition
        return await producer.send(
            self.prefix + message.topic,
            message.value,
            key=message.key.encode(),
            partition=lane,
            headers=message.headers,
        )

    async def read(self, *names: Topic, await_open: bool = False) -> list[Any]:
        """Everything committed in these topics, up to their present ends; by topic, partition and offset.

        With `await_open` that counts transactions which are open now, or committed and not yet shown as such in every
        partition: it waits until they have ended.
        """
        partitions = [TopicPartition(self.prefix + name, lane) for name in names for lane in range(self.settings.lanes)]
        async with self._consumer("read_committed") as consumer:
            ends = await (self._log_ends(partitions) if await_open else consumer.end_offsets(partitions))
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            records: list[Any] = []
            deadline = time.monotonic() + DEADLINE_S
            waiting = {tp for tp in partitions if ends[tp] > 0}
            while waiting:
                assert time.monotonic() < deadline, f"could not read {waiting} up to {ends}"
                fetched = await consumer.getmany(*waiting, timeout_ms=200)
                records += [record for part in fetched.values() for record in part]
                waiting = {tp for tp in waiting if await consumer.position(tp) < ends[tp]}
            return sorted(records, key=lambda record: (record.topic, record.partition, record.offset))

    async def _log_ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Where partitions end, what is open included."""
        async with self._consumer("read_uncommitted") as consumer:
            return await consumer.end_offsets(partitions)

    @contextlib.asynccontextmanager
    async def _consumer(self, isolation_level: str) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap,
            isolation_level=isolation_level,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.stop()

    async def outputs(self, *names: Topic, await_open: bool = False) -> list[dict[str, Any]]:
        """Output messages of these topics, or of all but the lane-log."""
        wanted = names or tuple(name for name in OUTPUT_TOPICS if name is not Topic.LANE_LOG)
        return [json.loads(record.value) for record in await self.read(*wanted, await_open=await_open)]

    async def settled(self, records: int, *, within_s: float = DEADLINE_S) -> None:
        """Wait until so many input records have got their outcome and everything settled is relayed."""
        await eventually(lambda: self._has_settled(records), within_s, self.state)

    async def _has_settled(self, records: int) -> bool:
        if await self.count("SELECT coalesce(sum(settled_records), 0) FROM lane_offset") < records:
            return False
        return await self.relayed()

    async def relayed(self) -> bool:
        """Whether the last batch of every lane is in the lane-log."""
        settled = {row["lane"]: row["batch_seq"] for row in await self.fetch("SELECT lane, batch_seq FROM lane")}
        logged = dict.fromkeys(settled, 0)
        for record in await self.read(Topic.LANE_LOG):
            document = json.loads(record.value)
            if document["kind"] == "batch":
                logged[record.partition] = max(logged[record.partition], document["batch_seq"])
        return settled == logged

    async def state(self) -> str:
        lanes = await self.fetch("SELECT lane, epoch, owner, batch_seq FROM lane ORDER BY 1")
        offsets = await self.fetch("SELECT lane, topic, next_offset, settled_records FROM lane_offset ORDER BY 1, 2")
        tails = "\n".join(f"--- {worker.log.name}\n{worker.tail()}" for worker in self.workers)
        return f"{[dict(row) for row in lanes]}\n{[tuple(row) for row in offsets]}\n{tails}"

    async def require_sound(self) -> None:
        """All invariants the database can show, and every output exactly once in the topics."""
        async with self.database() as connection:
            checks = await audit(connection)
        wrong = [f"{check.name}: {check.detail}" for check in checks if not check.ok]
        assert wrong == []
        await self.require_outputs_once()
        await self.require_whole_lane_logs()

    async def require_outputs_once(self) -> None:
        """Each output of each decision is in Kafka once; nothing else is."""
        # A transaction shows in one partition before it does in another, by seconds where each looks for its leader.
        sent = Counter(document["event_id"] for document in await self.outputs(await_open=True))
        assert [event_id for event_id, times in sent.items() if times > 1] == [], "an output was sent twice"
        decided = await self.fetch("SELECT outputs FROM decision")
        expected = Counter(name.rpartition(" ")[2] for row in decided for name in row[0].splitlines())
        letters = await self.count("SELECT count(*) FROM dead_letter")
        outputs = {event_id for event_id in sent if event_id in expected}
        assert len(outputs) == len(expected), f"{len(expected) - len(outputs)} outputs were never sent"
        assert len(sent) == len(expected) + letters, "outputs that nobody decided"

    async def require_whole_lane_logs(self) -> None:
        """Batches 1, 2, 3 … of each lane, each once, with the database's hashes."""
        rows = await self.fetch("SELECT lane, batch_seq, chain_hash FROM batch ORDER BY 1, 2")
        expected = [(row["lane"], row["batch_seq"], row["chain_hash"].hex()) for row in rows]
        logged = []
        for record in await self.read(Topic.LANE_LOG):
            document = json.loads(record.value)
            if document["kind"] == "batch":
                logged.append((record.partition, document["batch_seq"], document["chain_hash"]))
        assert sorted(logged, key=lambda each: each[0]) == expected

    def require_no_defect(self) -> None:
        """No worker has found something that should not be, such as a state of a lane that does not follow."""
        assert [worker.tail() for worker in self.workers if DEFECT in worker.log.read_text(errors="replace")] == []

    async def stop(self) -> None:
        for worker in self.workers:
            worker.kill()


class Worker(WorkerProcess):
    """A worker that a test waits for beside other work."""

    @staticmethod
    def _started(directory: Path, environment: Mapping[str, str], log: Path) -> Any:
        if environment.keys() & {"POSTPAY_FAULT", "PYTHONPATH"}:  # they count while it imports
            return WorkerProcess._started(directory, environment, log)
        return ForkedWorker(directory, environment, log)

    async def ended(self, within_s: float = DEADLINE_S) -> int:
        """Wait for its end; the exit code, negative for a signal."""
        await eventually(lambda: not self.is_running, within_s, lambda: f"still running:\n{self.tail()}")
        return self.exit_code

    async def stopped(self) -> int:
        """End it as an operator would; the exit code."""
        await self.says("worker runs")  # before that a signal may end Python itself, with nothing claimed yet
        self.send(signal.SIGTERM)
        return await self.ended(STOP_TIMEOUT_S)

    async def says(self, text: str, within_s: float = DEADLINE_S) -> None:
        """Wait until its log has this."""
        await eventually(lambda: text in self.log.read_text(), within_s, lambda: f"no {text!r} in:\n{self.tail()}")


@dataclass
class Message:
    """An input message."""

    topic: Topic
    key: str
    value: bytes
    headers: Sequence[tuple[str, bytes]] = ()


class Messages:
    """Builds input messages with valid defaults; event ids are numbered."""

    def __init__(self, clock: Callable[[], datetime] | None = None, name: str = "e") -> None:
        self._clock = clock or (lambda: datetime.now(UTC))
        self._name = name
        self._number = 0

    def message(self, topic: Topic, key: str, kind: str, **fields: Any) -> Message:
        self._number += 1
        body = {
            "event_id": f"{self._name}-{self._number}",
            "type": kind,
            "occurred_at": self._clock().isoformat(),
        } | fields
        return Message(topic, key, json.dumps(body).encode())

    def line_opened(self, account_id: str, **fields: Any) -> Message:
        body = {"account_id": account_id, "programme": "kuaishou", "limit_minor": 10**9, "currency": "CNY"}
        return self.message(Topic.CREDIT_LINE, account_id, "credit_line.opened", **(body | fields))

    def purchase_placed(self, account_id: str, order_id: str, **fields: Any) -> Message:
        body = {
            "account_id": account_id,
            "order_id": order_id,
            "merchant_id": "merchant-1",
            "amount_minor": 1000,
            "currency": "CNY",
            "plan": {"kind": "deferred", "days": 30},
        }
        return self.message(Topic.PURCHASE, account_id, "purchase.placed", **(body | fields))

    def clock_ticked(self, **fields: Any) -> Message:
        return self.message(Topic.CLOCK, "tick", "clock.ticked", **fields)


@contextlib.asynccontextmanager
async def platform(
    bootstrap: str, dsn: str, logs: Path, *, lanes: int = 2, **environment: str
) -> AsyncIterator[Platform]:
    """Make a database and topics, and remove the database at the end; workers are killed then.

    Args:
        bootstrap: of the broker.
        dsn: of any database of the server, as a user who may create others.
        logs: folder for the workers' logs.
        lanes: partitions.
        environment: settings by their names.
    """
    name = f"t{uuid.uuid4().hex[:10]}"
    await _execute(dsn, f'CREATE DATABASE "{name}"')
    own_dsn = with_database(dsn, name)
    try:
        await migrate(own_dsn, lanes=lanes, terms=TermsBook.builtin().document)
        async with platform_on(bootstrap, own_dsn, name, logs, lanes=lanes, **environment) as made:
            yield made
    finally:
        await _execute(dsn, f'DROP DATABASE "{name}" WITH (FORCE)')


@contextlib.asynccontextmanager
async def platform_on(
    bootstrap: str, dsn: str, name: str, logs: Path, *, lanes: int, **environment: str
) -> AsyncIterator[Platform]:
    """The same on a database that is migrated; `name` is that of the group, and leads the topics'."""
    settings_environment = {
        "POSTPAY_KAFKA__BOOTSTRAP": bootstrap,
        "POSTPAY_POSTGRES__DSN": dsn,
        "POSTPAY_TOPICS__PREFIX": f"{name}-",
        "POSTPAY_GROUP": name,
        "POSTPAY_LANES": str(lanes),
        "POSTPAY_WORKER__SESSION_TIMEOUT_S": "6",
        **environment,
    }
    made = Platform(_settings(settings_environment), settings_environment, logs)
    try:
        await topics.create(made.settings)
        await eventually(lambda: _agrees(made.settings))
        yield made
        made.require_no_defect()
    finally:
        await made.stop()


async def _execute(dsn: str, command: str) -> None:
    server = await asyncpg.connect(dsn)
    try:
        await server.execute(command)
    finally:
        await server.close()


async def _agrees(settings: Settings) -> bool:
    return await topics.check(settings) == []


def _settings(environment: dict[str, str]) -> Settings:
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        return Settings.load()
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


async def eventually(
    condition: Callable[[], Any], within_s: float = DEADLINE_S, state: Callable[[], Any] | None = None
) -> None:
    """Wait until a condition, a coroutine function or a plain one, is true.

    Raises:
        AssertionError: it was not in time; with what `state` says.
    """
    deadline = time.monotonic() + within_s
    while True:
        result = condition()
        if await result if asyncio.iscoroutine(result) else result:
            return
        if time.monotonic() > deadline:
            shown = state() if state is not None else ""
            raise AssertionError(f"not in {within_s:g} s: {await shown if asyncio.iscoroutine(shown) else shown}")
        await asyncio.sleep(0.05)
