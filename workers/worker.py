"""The worker process: start, run until told to stop, end.

It runs until SIGTERM or SIGINT, then finishes the batch in flight, relays it, leaves the group and exits 0. It exits 1
when something of its own has broken or no longer moves, and 2 when it can't begin at all.
"""

import asyncio
import contextlib
import ctypes
import itertools
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

import asyncpg
import uvloop

from contracts.topics import LANE_TOPICS
from storage import identity, outbox
from storage.company import Company
from storage.database import borrowed, first_line, is_transient, open_pool
from storage.identity import Identity, IdentityMismatchError
from storage.migrations import NotMigratedError, require_migrated
from workers import logs, tracing
from workers.collecting import collect_seldom
from workers.kafka import topics
from workers.kafka.app import LaneApp
from workers.lanes.assignment import Assignment
from workers.lanes.backoff import Backoff, is_passing
from workers.lanes.claims import Claimer
from workers.lanes.lanelog import LaneLogReader
from workers.lanes.sender import OutputSender
from workers.lanes.surroundings import Surroundings
from workers.lanes.turns import Companies, Turns
from workers.lanes.watchdog import StuckError, Watchdog
from workers.lanes.working_days import working_days
from workers.replay.sent import sent_batches
from workers.settings.model import Settings, SettingsError
from workers.status import WorkerStatus

EXIT_DONE, EXIT_BROKEN, EXIT_MISUSE = 0, 1, 2
START_PATIENCE_S = 30.0
"""A database or broker that is only starting, as in a fresh compose project, is waited for this long. At worst the
worker ends with 2, and whoever runs it starts it again."""
LEAVE_TIMEOUT_S = 4.0
"""Of leaving the group: a broker that answers needs a moment. At worst the group takes the worker for gone only after
its session, and the lanes wait as long."""
CLOSE_TIMEOUT_S = 1.0
"""Of connections to the database: at worst it ends the sessions by itself."""
TRACES_TIMEOUT_S = 3.0
"""Of sending the last spans, beside leaving the group: at worst a collector that is away does not get them."""
ENDING_S = 12.5
"""What an end takes at most after the batches in flight: lanes given up, the group left, clients closed. It comes off
POSTPAY_WORKER__STOP_TIMEOUT_S; of a shorter one, half. With servers that answer it takes a moment."""
UPKEEP_INTERVAL_S = 600.0
"""Tomorrow's partition must be there at midnight, and is made a day ahead: one of many tries must succeed in time."""

MAPPED_FROM_BYTES = 768 * 1024
"""Blocks from this size are mapped each by itself, and go back to the system when they are freed.

glibc raises its own threshold to 32 MiB by the blocks that were freed, such as a fetch; then messages of 1 MiB lie on
the heap, and whatever lies behind them keeps their memory: 300 to 325 MiB with such a message in every partition of
eight lanes, 270 with this. From 128 KiB it would cost 6 % of the worker's time (measured).
"""
M_MMAP_THRESHOLD = -3  # malloc.h

DEFECT = "defect: something is not as it should be; the worker goes on, please tell the maintainers"

LOG = logs.get(__name__)
ResultT = TypeVar("ResultT")


class RefusedError(Exception):
    """The worker can't begin; the message says why and what to do."""


def run(settings: Settings, serve_ops: "ServeOps | None" = None) -> int:
    """Run a worker until it is told to stop; return the exit code.

    Args:
        settings: of this worker.
        serve_ops: serves `/livez`, `/readyz` and `/metrics` from the status while the worker runs.
    """
    logs.configure(settings.log)
    collect_seldom()
    _map_large_blocks()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(Worker(settings, serve_ops).run())


def _map_large_blocks() -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # glibc's alone
        mallopt(M_MMAP_THRESHOLD, MAPPED_FROM_BYTES)


ServeOps = Callable[["WorkerStatus", "Assignment", asyncpg.Pool], contextlib.AbstractAsyncContextManager[None]]


class Worker:
    """One worker process.

    Args:
        settings: of this worker.
        serve_ops: see `run`.
    """

    def __init__(self, settings: Settings, serve_ops: ServeOps | None = None) -> None:
        self.settings = settings
        self.status = WorkerStatus(group=settings.group)
        self.assignment = Assignment(self.status)
        self.stop = asyncio.Event()
        self._serve_ops = serve_ops
        self._serving = False
        """Lanes may be claimed; until then there is nothing to finish, and a stop is a stop."""
        self._owner = f"{socket.gethostname()}/{os.getpid()}"
        self._tracing = tracing.configured(self._owner)

    async def run(self) -> int:
        """Run until stopped; return the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told_to_stop, number)
        running = asyncio.create_task(self._run(), name="worker")
        stopped = asyncio.create_task(self.stop.wait(), name="stop before the start")
        try:
            await asyncio.wait([running, stopped], return_when=asyncio.FIRST_COMPLETED)
            if not running.done() and not self._serving:
                running.cancel()
                await asyncio.wait([running])
                return EXIT_DONE
            return await running
        except (RefusedError, SettingsError) as refused:
            LOG.error("worker can't begin", error=str(refused))  # noqa: TRY400  the message says all
            return EXIT_MISUSE
        finally:
            stopped.cancel()

    async def _run(self) -> int:
        async with self._pool() as pool:
            known = await self._begin(pool)
            self._serving = True
            return await self._serve(pool, known)

    def _told_to_stop(self, number: signal.Signals) -> None:
        LOG.info("stopping: the batch in flight is finished and sent first", signal=signal.Signals(number).name)
        self.stop.set()

    @asynccontextmanager
    async def _pool(self) -> AsyncIterator[asyncpg.Pool]:
        pool = await _patiently(
            "the database",
            lambda: open_pool(
                self.settings.postgres.dsn,
                application_name=f"postpay worker {self._owner}",
                max_size=self.settings.worker.pool_size,
                password=self.settings.postgres.read_password,
                keep_plans=True,
            ),
        )
        try:
            yield pool
        finally:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await pool.close()
            pool.terminate()

    async def _begin(self, pool: asyncpg.Pool) -> Identity:
        """Refuse a database or cluster that doesn't fit, before anything is claimed.

        Raises:
            RefusedError: it doesn't.
        """
        cluster = await _patiently("the broker", lambda: topics.cluster_id(self.settings))
        wrong = await _patiently("the broker", lambda: topics.check(self.settings))
        if wrong:
            raise RefusedError("topics are not as they must be: " + "; ".join(topics.in_short(self.settings, wrong)))
        known = await _patiently("the database", lambda: self._bound(pool, cluster))
        if known.lanes != self.settings.lanes:
            msg = f"POSTPAY_LANES: expected {known.lanes}, as the database was created with; got {self.settings.lanes}"
            raise RefusedError(msg)
        return known

    async def _bound(self, pool: asyncpg.Pool, cluster: str) -> Identity:
        """Tie the database to cluster, prefix and group, or find that it is.

        Raises:
            RefusedError: it is not migrated, or belongs to others.
        """
        try:
            async with borrowed(pool) as connection, connection.transaction():
                await require_migrated(connection)
                return await identity.bind(connection, cluster, self.settings.topics.prefix, self.settings.group)
        except (NotMigratedError, IdentityMismatchError) as refused:
            place = self.settings.postgres.place
            raise RefusedError(f"{refused}; the database is {place} (POSTPAY_POSTGRES__DSN)") from refused

    async def _companies(self, pool: asyncpg.Pool) -> Companies | None:
        """What begins companies of lanes, where sessions keep plans: not on a distributed database."""
        async with borrowed(pool) as connection:
            return partial(Company, pool) if connection.plans_are_kept else None

    async def _serve(self, pool: asyncpg.Pool, known: Identity) -> int:
        self.status.calendar_end_on = (await asyncio.to_thread(working_days)).end_on
        companies = await _patiently("the database", lambda: self._companies(pool))
        kafka, prefix = self.settings.kafka, self.settings.topics.prefix
        claimer = Claimer(pool, kafka, prefix, map(str, LANE_TOPICS), owner=self._owner, status=self.status)
        reader = LaneLogReader(kafka, prefix, str(known.database_id))
        sender = OutputSender(self.settings, str(known.database_id), self.status)
        app = LaneApp(self.settings, [prefix + topic for topic in LANE_TOPICS], self.assignment)
        around = Surroundings(
            settings=self.settings,
            identity=known,
            pool=pool,
            partitions=lambda: app.lane_consumer,
            claimer=claimer,
            reader=reader,
            sender=sender,
            sent_batches=sent_batches(self.settings),
            status=self.status,
            owner=self._owner,
            next_token=self.assignment.next_token,
            states=logs.ChangeOfState(LOG),
            turns=Turns(self.settings.worker.lanes_at_once, companies),
            tracing=self._tracing,
            on_defect=lambda defect: LOG.error(DEFECT, exc_info=defect),
        )
        self.assignment.attach(around, app.lane_consumer)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(lambda: asyncio.gather(claimer.close(), reader.close(), sender.close()))
            if self._serve_ops is not None:
                await stack.enter_async_context(self._serve_ops(self.status, self.assignment, pool))
            code = await self._until_the_end(app, pool)
            await asyncio.gather(self._leave(app), asyncio.to_thread(self._tracing.close, TRACES_TIMEOUT_S))
        return code

    async def _start(self, app: LaneApp) -> None:
        """Start the consumer, which takes until the first assignment; then there is nothing to watch here."""
        await app.start()
        LOG.info("worker runs", worker=self._owner, lanes=self.settings.lanes, clock=self.settings.clock)
        await asyncio.Event().wait()

    async def _until_the_end(self, app: LaneApp, pool: asyncpg.Pool) -> int:
        watchdog = Watchdog(self.status, self.settings.worker.watchdog_s, app.lane_consumer.broker_answers)
        stopped = asyncio.create_task(self.stop.wait(), name="stop")
        crashed = asyncio.create_task(app.wait_for_crash(), name="crash")
        watching = asyncio.create_task(watchdog.watch(), name="watchdog")
        others: list[asyncio.Task[None]] = [
            asyncio.create_task(self._start(app), name="start"),
            asyncio.create_task(self.assignment.keep_hinting(), name="hints"),
            asyncio.create_task(_upkeep(pool), name="upkeep"),
        ]
        try:
            await asyncio.wait([stopped, crashed, watching, *others], return_when=asyncio.FIRST_COMPLETED)
            if crashed.done():
                LOG.error("the consumer has crashed", exc_info=crashed.result())
                return EXIT_BROKEN
            for ended in (watching, *others):
                if ended.done():
                    ended.result()
            stop_timeout_s = self.settings.worker.stop_timeout_s
            await self.assignment.finish(max(stop_timeout_s - ENDING_S, stop_timeout_s / 2))
        except StuckError as stuck:
            LOG.error("ending: something does not move", detail=str(stuck))  # noqa: TRY400  not a fault of this code line
            return EXIT_BROKEN
        finally:
            stopped.cancel()
            for task in (crashed, watching, *others):
                task.cancel()
        return EXIT_DONE

    async def _leave(self, app: LaneApp) -> None:
        """Leave the group; a broker that is away doesn't keep us."""
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await app.stop()
        except TimeoutError:
            LOG.warning("left without the group's consent: the broker didn't answer")


async def _upkeep(pool: asyncpg.Pool) -> None:
    """Empty what is old of the outbox, at once and then now and then; what is away is left for the next time."""
    for _ in itertools.count():
        try:
            async with borrowed(pool) as connection:
                await outbox.maintain(connection)
        except Exception as error:
            if not is_transient(error):
                raise
        await asyncio.sleep(UPKEEP_INTERVAL_S)


async def _patiently(what: str, attempt: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """Try for a while.

    Raises:
        RefusedError: in vain; says what the last try said.
    """
    backoff, states = Backoff(), logs.ChangeOfState(LOG)
    deadline = asyncio.get_running_loop().time() + START_PATIENCE_S
    while True:
        try:
            result = await attempt()
        except RefusedError:
            raise
        except Exception as error:
            if not is_passing(error) or asyncio.get_running_loop().time() > deadline:
                raise RefusedError(f"{what} can't be used: {first_line(error)}") from error
            states.enter(what, f"waiting for {what}", error=first_line(error))
            await backoff.wait()
        else:
            return result
