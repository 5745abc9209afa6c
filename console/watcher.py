"""Looks at database, broker and workers now and then, so that pages need not wait for them."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import aiohttp
import asyncpg

from console import alarms
from console.watch import LagSample, Minute, Watch, WorkerSeen
from contracts.topics import Topic
from operating.auditing import runs
from storage import activity, figures
from storage.activity import LanePlace, MinuteCount
from storage.database import Connection, borrowed, first_line
from workers import logs
from workers.lanes.working_days import working_days
from workers.ops.lag import Lag, LagReader, lag_reader
from workers.settings.model import Settings

LOOK_TIMEOUT_S = 15.0
"""At worst database or broker are said to be away though they are only slow, and looked at again."""
WORKER_TIMEOUT_S = 2.0
AUDITS = 3
"""Looked through for the last one that has ended."""
REMEMBERED = timedelta(hours=6)

LOG = logs.get(__name__)


class Watcher:
    """Looks every `POSTPAY_OPS__REFRESH_S`.

    Args:
        settings: of the console.
        reader: the auditor's pool.
        watch: where it writes what it sees.
    """

    def __init__(self, settings: Settings, reader: asyncpg.Pool, watch: Watch) -> None:
        self._settings = settings
        self._reader = reader
        self._watch = watch
        self._lag: LagReader | None = None
        self._places: list[LanePlace] = []
        watch.is_wall_clock = settings.clock == "wall"

    async def keep_looking(self) -> None:
        """Look, then wait, for ever."""
        self._watch.calendar_end_on = (await asyncio.to_thread(working_days)).end_on
        while True:
            try:
                async with AsyncExitStack() as stack:
                    await self._look_at_broker(stack)
                    while not self._watch.broker_detail:
                        await self.look()
                        await asyncio.sleep(self._settings.ops.refresh_s)
            except Exception as error:  # noqa: BLE001  whatever it is must not end the looking; the page tells it
                LOG.warning("the console could not look", error=first_line(error))
            await self.look()
            await asyncio.sleep(self._settings.ops.refresh_s)

    async def _look_at_broker(self, stack: AsyncExitStack) -> None:
        self._lag = None
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S):
                self._lag = await stack.enter_async_context(lag_reader(self._settings))
            self._watch.broker_detail = ""
        except Exception as error:  # noqa: BLE001  the same
            self._watch.broker_detail = first_line(error) or type(error).__name__

    async def look(self) -> None:
        """Look once."""
        await asyncio.gather(self._look_at_lanes(), self._look_at_workers())
        self._watch.looked_at = datetime.now(UTC)
        alarms.note(self._watch)

    async def _look_at_lanes(self) -> None:
        watch = self._watch
        try:
            async with borrowed(self._reader) as connection:
                async with asyncio.timeout(LOOK_TIMEOUT_S):
                    watch.figures = await figures.operations(connection)
                    await self._look_at_activity(connection)
                    ended = [each for each in await runs(connection, AUDITS) if each.ended is not None]
                    watch.books_balance = ended[0].found["ok"] if ended else None
                watch.database_detail = ""
                if self._lag is not None:
                    watch.lag = await self._measured(self._lag, connection)
        except Exception as error:  # noqa: BLE001  the same
            watch.database_detail = first_line(error) or type(error).__name__
        if watch.broker_detail:
            watch.lag = None
        self._remember()

    async def _measured(self, lag: LagReader, connection: Connection) -> Lag | None:
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S):
                return await lag.measure(connection)
        except (asyncpg.PostgresError, asyncpg.InterfaceError):
            raise
        except Exception as error:  # noqa: BLE001  the same
            self._watch.broker_detail = first_line(error) or type(error).__name__
            return None

    async def _look_at_activity(self, connection: Connection) -> None:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            places = await activity.places(connection)
            begins = self._places or [each.before for each in places]
            counts = [count for place in begins for count in await activity.since(connection, place)]
            now = self._watch.now
            if now is not None:
                self._watch.trouble = await activity.trouble(connection, now - alarms.NEW)
        self._places = places
        self._count(counts)

    def _count(self, counts: list[MinuteCount]) -> None:
        minutes = self._watch.minutes
        for each in counts:
            minute = minutes.setdefault(each.minute, Minute())
            minute.records[each.what] = minute.records.get(each.what, 0) + each.records
            minute.outputs += each.outputs
        oldest = datetime.now(UTC) - REMEMBERED
        for past in [each for each in minutes if each < oldest]:
            del minutes[past]

    def _remember(self) -> None:
        watch = self._watch
        if watch.lag is None or watch.database_detail:
            return
        now = datetime.now(UTC)
        watch.samples.append(
            LagSample(
                at=now,
                seconds=max((each.seconds for each in watch.lag.topics), default=0.0),
                records=sum(each.records for each in watch.lag.topics),
                batches=sum(each.batches for each in watch.lag.lanes),
                settled=sum(offset for each in watch.figures for offset in each.positions.values()),
                rerouted=sum(each.positions.get(Topic.REROUTED, 0) for each in watch.figures),
            )
        )
        while watch.samples[0].at < now - REMEMBERED:
            watch.samples.popleft()

    async def _look_at_workers(self) -> None:
        addresses = self._settings.console.workers
        if addresses is None:
            return
        timeout = aiohttp.ClientTimeout(total=WORKER_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as client:
            self._watch.workers = await asyncio.gather(*(_ask(client, each) for each in addresses.split(",")))


async def _ask(client: aiohttp.ClientSession, address: str) -> WorkerSeen:
    try:
        async with client.get(f"http://{address}/readyz") as answer:
            said = await answer.json()
        return WorkerSeen(address, said["ready"], tuple(said["not_ready"]), said["lanes"])
    except (OSError, TimeoutError, aiohttp.ClientError, ValueError, KeyError) as error:
        return WorkerSeen(address, False, (first_line(error) or type(error).__name__,), {})
