"""The ops endpoints: `/livez`, `/readyz`, `/metrics`, on an address of their own, in the worker's process and loop.

`/livez` answers as long as the event loop turns, and asks nobody: a database that is away is no reason to restart. What
the other two say about database and broker was found by one task that looks now and then, so a scrape costs them
nothing and is never slow.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import asyncpg
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from storage import figures
from storage.database import Connection, borrowed
from storage.errors import first_line, is_refused_login, is_transient
from storage.migrations import NotMigratedError, require_migrated
from workers import logs
from workers.kafka.clients import BrokerRefusesError, administering
from workers.kafka.joining import members
from workers.ops.metrics import Outside, registry, unready
from workers.settings.model import Settings, SettingsError
from workers.status import WorkerStatus

LOOK_TIMEOUT_S = 5.0
"""Of one look at the database or the broker: under a load that takes longer, the figures are worth less than the load.
At worst they are said to be away though they are only slow, and `/readyz` says no."""

SHUTDOWN_TIMEOUT_S = 0.5
"""Of requests under way when the worker ends; each takes milliseconds. At worst whoever asked gets no answer."""

LOG = logs.get(__name__)


class Measuring(Protocol):
    """What brings the status' lags up to date (workers/lanes/assignment.py); memory only."""

    def measure(self) -> None:
        """Do so."""


@asynccontextmanager
async def serving(
    settings: Settings, status: WorkerStatus, lanes: Measuring, pool: asyncpg.Pool
) -> AsyncIterator[None]:
    """Serve the endpoints while the worker runs.

    Raises:
        SettingsError: the port is taken, or the address is not this machine's.
    """
    outside = Outside()
    runner = web.AppRunner(
        Endpoints(settings, status, lanes, outside).application(), access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S
    )
    await runner.setup()
    try:
        port = await _listen(settings, runner)
        LOG.info("ops endpoints", host=settings.ops.host, port=port)
        looking = asyncio.create_task(Lookout(settings, status, lanes, pool, outside).keep_looking(), name="lookout")
        try:
            yield
        finally:
            looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await looking
    finally:
        await runner.cleanup()


async def _listen(settings: Settings, runner: web.AppRunner) -> int:
    site = web.TCPSite(runner, settings.ops.host, settings.ops.port)
    try:
        await site.start()
    except OSError as error:
        raise SettingsError(
            f"POSTPAY_OPS__PORT: expected an address that is free, got {settings.ops.host}:{settings.ops.port}"
            f" ({error.strerror}); another worker may have it"
        ) from error
    port: int = runner.addresses[0][1]
    return port


class Endpoints:
    """The three endpoints; nothing else is answered.

    Args:
        settings: of the worker.
        status: what the engine says.
        lanes: bring the lags in it up to date.
        outside: what the lookout says.
    """

    def __init__(self, settings: Settings, status: WorkerStatus, lanes: Measuring, outside: Outside) -> None:
        self._status = status
        self._lanes = lanes
        self._outside = outside
        self._metrics = registry(settings, status, outside)

    def application(self) -> web.Application:
        """The routes."""
        application = web.Application()
        application.add_routes(
            [
                web.get("/livez", self.livez),
                web.get("/readyz", self.readyz),
                web.get("/metrics", self.metrics),
            ]
        )
        return application

    async def livez(self, _request: web.Request) -> web.Response:
        """Say that the process and its event loop live."""
        return web.json_response({"alive": True})

    async def readyz(self, _request: web.Request) -> web.Response:
        """Say what is not ready; 200 when nothing, else 503."""
        reasons = unready(self._status, self._outside)
        lanes = {str(lane.lane): lane.state.value for lane in self._status.lanes.values()}
        body = {"ready": not reasons, "not_ready": reasons, "lanes": lanes}
        return web.json_response(body, status=503 if reasons else 200)

    async def metrics(self, _request: web.Request) -> web.Response:
        """Give the figures in Prometheus' text format."""
        self._lanes.measure()
        return web.Response(body=generate_latest(self._metrics), headers={"Content-Type": CONTENT_TYPE_LATEST})


class Lookout:
    """Looks at database and broker every `refresh_s`, for `/readyz` and the gauges that only they know.

    Args:
        settings: of the worker.
        status: what the engine says.
        lanes: bring the lags in it up to date, so that they say what lasts too long, scraped or not.
        pool: the worker's own, so that a pool that is used up shows.
        outside: what is found.
    """

    def __init__(
        self, settings: Settings, status: WorkerStatus, lanes: Measuring, pool: asyncpg.Pool, outside: Outside
    ) -> None:
        self._settings = settings
        self._lanes = lanes
        self._status = status
        self._pool = pool
        self._outside = outside
        self._states = logs.ChangeOfState(LOG)

    async def keep_looking(self) -> None:
        """Look, then wait, for ever."""
        while True:
            self._lanes.measure()
            await asyncio.gather(self._look_at_database(), self._look_at_broker())
            await asyncio.sleep(self._settings.ops.refresh_s)

    async def _look_at_database(self) -> None:
        outside = self._outside
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S), borrowed(self._pool) as connection:
                outside.migrated, outside.database_detail = await _migrated(connection)
                outside.database_up = True
                if outside.migrated:
                    outside.figures = {each.lane: each for each in await figures.operations(connection)}
        except Exception as error:  # noqa: BLE001  whatever it is must not end the looking; it is told and looked at again
            outside.database_up, outside.database_detail = False, first_line(error)
            if is_transient(error):
                away = "the database refuses the log-in" if is_refused_login(error) else "the database does not answer"
                self._states.enter("database", away, error=first_line(error))
            else:
                self._states.enter("figures", "figures can't be read", level="error", error=first_line(error))
        else:
            self._states.leave("database", "the database answers again")
            self._states.leave("figures", "figures can be read again")

    async def _look_at_broker(self) -> None:
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S), administering(self._settings.kafka) as admin:
                await admin.describe_cluster()
                in_group = "" if self._status.assigned else await members(admin, self._settings.group)
        except Exception as error:  # noqa: BLE001  the same
            self._outside.broker_up, self._outside.broker_detail = False, first_line(error)
            self._status.broker_away = True
            away = "the broker refuses the log-in" if isinstance(error, BrokerRefusesError) else "no broker answers"
            self._states.enter("broker", away, error=first_line(error))
        else:
            self._outside.broker_up, self._outside.broker_detail = True, ""
            self._status.broker_away = False
            self._states.leave("broker", "a broker answers again")
            self._outside.group_members = in_group


async def _migrated(connection: Connection) -> tuple[bool, str]:
    try:
        await require_migrated(connection)
    except NotMigratedError as error:
        return False, str(error)
    return True, ""
