"""The demo itself: lets a quarter pass, kills a worker half-way, looks at what came of it, makes the database anew."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from heapq import merge
from pathlib import Path

from rich.console import Console

from cli.embedded import environment_of, settings_of
from cli.failures import Failure
from cli.processes import Fleet, WorkerProcess, stop_left_over
from demo import page
from demo.afterwards import afterwards, books
from demo.answers import HEARD_TOPICS, Answers
from demo.history import History, tick
from demo.orders import shop_id
from demo.pace import Pace
from demo.page import ServedPage
from demo.reader import TopicReader, count_delivered, programmes
from demo.record import Record
from demo.report import SHOWN_AT_MOST, Report
from demo.sender import Sender
from demo.story import account_in_words, eventful_account, eventful_merchant, merchant_in_words
from devstack import stack as devstack
from devstack.stack import Stack
from settlement.dead_letter import DeadLetterReason
from settlement.terms import TermsBook
from storage import dead_letters, figures
from storage.audit import audit
from storage.database import Connection, connect
from storage.migrations import migrate
from storage.outcome_search import OutcomeFilter
from words.phrases import counted
from workers.kafka import topics
from workers.kafka.clients import producing
from workers.ops.lag import LagReader, lag_reader
from workers.replay.history import fixed
from workers.replay.verify import verify
from workers.settings.model import Settings

WORKERS = 2
PAGE = "simulation.html"
"""In the demo's folder: the report of other terms."""
SETTLED_WITHIN_S = 90.0
"""One day's messages, a worker's death included: the group notices it after its session time-out."""
LOOK_EVERY_S = 0.03


@dataclass(frozen=True, slots=True)
class Size:
    """How much is told."""

    accounts: int = 5_000
    merchants: int = 200
    days: int = 91
    seed: int = 20260401


class Demo:
    """One run in one folder, which is its own.

    Args:
        size: how much is told.
        directory: of the stack, the logs and the list of workers; what an earlier run left in it goes.
        console: where people watch.
    """

    def __init__(self, size: Size, directory: Path, console: Console) -> None:
        self.size = size
        self.directory = directory
        self.workers: list[WorkerProcess] = []
        """Those that run."""
        self._console = console
        self._settings: dict[str, str] = {}

    @asynccontextmanager
    async def running(self, *, keep: bool) -> AsyncIterator[Report]:
        """Run it and give the report while everything still runs; then stop all, unless it is to be kept.

        Raises:
            Failure: a worker ended by itself, or a day was not settled in time.
            DevstackError: Kafka or Postgres did not start.
        """
        began = time.monotonic()
        kept = False
        await asyncio.to_thread(stop_left_over, self._worker_directory)
        await asyncio.to_thread(page.stop_left_over, self._page_directory)
        fleet: Fleet | None = None
        try:
            self._say("starting Kafka and Postgres")
            stack = await asyncio.to_thread(devstack.up, self.directory, fresh=True)
            settings = settings_of(stack, clock="event")
            fleet = Fleet(self._worker_directory, environment_of(settings))
            self._settings = environment_of(settings)
            report = await self._run(stack, settings, fleet, began)
            if keep:
                await self._start(fleet)
            self.workers = [*fleet.running]
            yield report
            kept = keep
        finally:
            if not kept:
                if fleet is not None:
                    await asyncio.to_thread(fleet.stop)
                await asyncio.to_thread(devstack.down, self.directory)

    async def _run(self, stack: Stack, settings: Settings, fleet: Fleet, began: float) -> Report:
        await migrate(settings.postgres.dsn, lanes=settings.lanes, terms=TermsBook.builtin().document)
        await topics.create(settings)
        self._say(f"Kafka at {stack.bootstrap}, Postgres migrated; starting {counted(WORKERS, 'worker')}")
        starting = asyncio.create_task(self._start(fleet))
        history = await asyncio.to_thread(
            History,
            accounts=self.size.accounts,
            merchants=self.size.merchants,
            days=self.size.days,
            seed=self.size.seed,
        )
        await starting
        answers = Answers(self.size.seed)
        connection = await connect(settings.postgres.dsn, application_name="postpay-demo")
        try:
            sent = await self._live(history, answers, settings, fleet, connection)
            report = await self._report(settings, fleet, connection, answers, sent)
            before = await books(connection)
        finally:
            await connection.close()
        self._say("stopping the workers")
        await asyncio.to_thread(fleet.stop)
        done = await afterwards(settings, before, self.directory / PAGE, self._say)
        return replace(report, afterwards=done, seconds=time.monotonic() - began)

    async def _start(self, fleet: Fleet) -> None:
        workers = [fleet.start() for _ in range(WORKERS)]
        await asyncio.gather(*(asyncio.to_thread(worker.await_ready) for worker in workers))

    async def _live(
        self, history: History, answers: Answers, settings: Settings, fleet: Fleet, connection: Connection
    ) -> int:
        """Let the days pass; returns how many records were sent."""
        async with (
            producing(settings.kafka, linger_ms=5) as producer,
            lag_reader(settings) as lag,
            TopicReader(settings, HEARD_TOPICS) as said,
        ):
            sender = Sender(producer, settings)
            await sender.send([tick(history.quarter.start)])  # or what is taken over would move time on by weeks
            await self._settled(lag, connection, fleet)
            with Pace(self._console, history.quarter) as pace:
                for day in range(self.size.days):
                    midnight = history.midnight_after(day)
                    await sender.send(merge(history.day(day), answers.due(midnight), key=_delivery))
                    if day == self.size.days // 2:
                        await self._strike(fleet, lag, connection, pace.note)
                    await sender.send([tick(midnight)])
                    await self._settled(lag, connection, fleet)
                    async for record in said.up_to_now():
                        answers.hear(record.topic.removeprefix(settings.topics.prefix), record.value or b"")
                    pace.passed(day, sender.sent)
            return sender.sent

    async def _strike(self, fleet: Fleet, lag: LagReader, connection: Connection, note: Callable[[str], None]) -> None:
        """Kill a worker in the middle of its work, start another."""
        victim = fleet.running[0]
        await asyncio.to_thread(fleet.kill, victim)
        behind = sum(each.records for each in (await lag.measure(connection)).topics)
        heir = fleet.start()
        note(
            f"{victim.name} (process {victim.pid}) killed by SIGKILL with {counted(behind, 'record')}"
            f" to settle; {heir.name} (process {heir.pid}) started"
        )

    async def _settled(self, lag: LagReader, connection: Connection, fleet: Fleet) -> None:
        """Wait as `postpay lag --wait` does."""
        deadline = time.monotonic() + SETTLED_WITHIN_S
        while not (found := await lag.measure(connection)).caught_up:
            for worker in fleet.running:
                if not worker.is_running:
                    raise Failure(f"{worker.name} has ended by itself; see {worker.log}", 1)
            if time.monotonic() > deadline:
                said = "; ".join([f"{each.name}: {await asyncio.to_thread(each.readiness)}" for each in fleet.running])
                left = counted(sum(each.records for each in found.topics), "record")
                raise Failure(f"{left} not settled after {SETTLED_WITHIN_S:g} s; {said}; {self._worker_directory}", 1)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _report(
        self,
        settings: Settings,
        fleet: Fleet,
        connection: Connection,
        answers: Answers,
        sent: int,
    ) -> Report:
        self._say("the quarter is over; reading everything back and auditing the books")
        account = await eventful_account(connection, (each for each, _ in answers.recipients.overdue.most_common()))
        merchant = await eventful_merchant(connection, map(shop_id, range(1, self.size.merchants + 1)))
        chosen = [*([account.account_id] if account else []), *([merchant.merchant_id] if merchant else [])]
        delivered = await count_delivered(settings, await programmes(settings), chosen)
        checks = await audit(connection)
        self._say("deciding the whole quarter again from the topics, to compare it with the database")
        verified = await verify(await fixed(settings), connection, lambda *_: None)
        return Report(
            sent=sent,
            outcomes=await figures.outcome_counts(connection),
            delivered=delivered,
            totals=await figures.ledger_totals(connection),
            checks=checks,
            verified=verified,
            defects=await dead_letters.dead_letters(
                connection, OutcomeFilter(reason=DeadLetterReason.INTERNAL_ERROR), limit=SHOWN_AT_MOST
            ),
            workers=fleet.started,
            account=None if account is None else await account_in_words(connection, account, delivered.followed),
            merchant=None if merchant is None else await merchant_in_words(connection, merchant, delivered.followed),
        )

    def serve_page(self) -> ServedPage:
        """Serve the operators' page of what runs, in the background.

        Raises:
            WorkerFailedError: it did not start.
        """
        return page.serve(self._page_directory, self._settings, self.workers)

    @property
    def _page_directory(self) -> Path:
        return self.directory / "console"

    @property
    def _worker_directory(self) -> Path:
        return self.directory / "workers"

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False)


def _delivery(each: Record) -> datetime:
    return each.delivered_at
