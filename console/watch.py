"""What the console sees of database, broker and workers: looked at now and then, so that pages need not wait for it."""

import asyncio
import time
from collections import deque
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import asyncpg

from storage import figures
from storage.database import borrowed, first_line
from storage.figures import LaneFigures
from workers import logs
from workers.ops.lag import Lag, LagReader, lag_reader
from workers.settings.model import Settings

LOOK_TIMEOUT_S = 15.0
WORKER_TIMEOUT_S = 2.0
REMEMBERED_S = 6 * 3600.0

LOG = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class WorkerSeen:
    """What a worker said of itself on /readyz; `lanes` are its lanes' states by number, as texts."""

    address: str
    answers: bool
    is_ready: bool
    reasons: tuple[str, ...]
    lanes: dict[str, str]


@dataclass(frozen=True, slots=True)
class LagSample:
    """How far everything was behind at one instant, the worst lane of all."""

    at: datetime
    records: int
    seconds: float
    batches: int


@dataclass(slots=True)
class Watch:
    """The last look, and what earlier ones saw. `database_detail` and `broker_detail` are empty while all is well."""

    looked_at: datetime | None = None
    figures: list[LaneFigures] = field(default_factory=list)
    lag: Lag | None = None
    workers: list[WorkerSeen] = field(default_factory=list)
    database_detail: str = "not asked yet"
    broker_detail: str = "not asked yet"
    samples: deque[LagSample] = field(default_factory=deque)


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

    async def keep_looking(self) -> None:
        """Look, then wait, for ever."""
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

    async def _look_at_lanes(self) -> None:
        watch = self._watch
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S), borrowed(self._reader) as connection:
                watch.figures = await figures.operations(connection)
                watch.database_detail = ""
                if self._lag is not None:
                    watch.lag = await self._measured(self._lag, connection)
        except Exception as error:  # noqa: BLE001  the same
            watch.database_detail = first_line(error) or type(error).__name__
        if watch.broker_detail:
            watch.lag = None
        self._remember()

    async def _measured(self, lag: LagReader, connection: Any) -> Lag | None:
        try:
            return await lag.measure(connection)
        except (asyncpg.PostgresError, asyncpg.InterfaceError):
            raise
        except Exception as error:  # noqa: BLE001  the same
            self._watch.broker_detail = first_line(error) or type(error).__name__
            return None

    def _remember(self) -> None:
        watch = self._watch
        if watch.lag is None:
            return
        now = datetime.now(UTC)
        watch.samples.append(
            LagSample(
                at=now,
                records=sum(each.records for each in watch.lag.topics),
                seconds=max((each.seconds for each in watch.lag.topics), default=0.0),
                batches=sum(each.batches for each in watch.lag.lanes),
            )
        )
        while (now - watch.samples[0].at).total_seconds() > REMEMBERED_S:
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
        return WorkerSeen(address, True, said["ready"], tuple(said["not_ready"]), said["lanes"])
    except (OSError, TimeoutError, aiohttp.ClientError, ValueError, KeyError) as error:
        return WorkerSeen(address, False, False, (first_line(error) or type(error).__name__,), {})


def age_s(at: datetime | None) -> float | None:
    """How long ago an instant was by this host's clock."""
    return None if at is None else max(0.0, time.time() - at.timestamp())
