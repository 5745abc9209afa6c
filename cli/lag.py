"""`postpay lag`."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

import typer
from aiokafka.errors import KafkaError

from cli.connections import database, require_fitting, run
from cli.failures import EXIT_FOUND_WRONG, DatabaseUnreachableError
from cli.output import AsJson, people, print_document
from cli.progress import bar
from storage.database import Connection
from words.phrases import counted
from words.tables import table
from workers.kafka.clients import BrokerUnreachableError
from workers.ops.lag import Lag, LagReader, lag_reader
from workers.settings.model import Settings

app = typer.Typer(add_completion=False)

# Between two looks; each asks the broker for 80 offsets and the database for a few rows.
PAUSE_S = 0.5


@app.command(
    epilog=(
        "Examples:\n\n"
        "  postpay lag\n\n"
        "  postpay lag --json | jq '.records, .caught_up'\n\n"
        "  postpay produce history.jsonl && postpay lag --wait 120 && postpay audit"
    )
)
def lag(
    *,
    wait: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", min=0, help="Return as soon as all is settled and relayed, at most so long."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say how far settling is behind, per lane and topic, and sending behind settling.

    Counted are records that a worker could still get, timers due by the lane's time, and batches whose outputs are not
    sent. Records behind a transaction that their producer has not ended are told apart: nobody gets them before it
    ends, so not all is done. Parked inputs are settled: they wait by design. With --wait the exit code is 0 when
    everything is done and 1 at the time-out; without, it is 0.
    """
    settings = Settings.load()
    found = run(_measure(settings, wait))
    if as_json:
        print_document(_as_json(found))
    else:
        _say(found)
    raise typer.Exit(EXIT_FOUND_WRONG if wait is not None and not found.caught_up else 0)


async def _measure(settings: Settings, wait_s: float | None) -> Lag:
    """Measure until all is done or the time is up; a database or broker that is away meanwhile is waited for as well.

    Raises:
        DatabaseUnreachableError, BrokerUnreachableError, KafkaError: it was away the last time it was asked.
    """
    deadline = time.monotonic() + (wait_s or 0.0)
    with bar("waiting") as shown:
        while True:
            try:
                return await _measured_until(settings, deadline, lambda found: shown.tell(more=_sentence(found)))
            except (DatabaseUnreachableError, BrokerUnreachableError, KafkaError):
                if time.monotonic() >= deadline:
                    raise
            await asyncio.sleep(PAUSE_S)


async def _measured_until(settings: Settings, deadline: float, tell: Callable[[Lag], None]) -> Lag:
    async with database(settings) as connection:
        await require_fitting(settings, connection)
        async with lag_reader(settings) as reader:
            return await _caught_up(connection, reader, deadline, tell)


async def _caught_up(connection: Connection, reader: LagReader, deadline: float, tell: Callable[[Lag], None]) -> Lag:
    while True:
        found = await reader.measure(connection)
        if found.caught_up or time.monotonic() >= deadline:
            return found
        tell(found)
        await asyncio.sleep(PAUSE_S)


def _sentence(found: Lag) -> str:
    if found.caught_up:
        return "everything is settled and relayed"
    oldest = max([0.0, *(each.seconds for each in found.topics), *(each.seconds for each in found.lanes)])
    held_back = sum(each.open_transaction_records for each in found.topics)
    return (
        f"{counted(sum(each.records for each in found.topics), 'record')} and"
        f" {counted(sum(each.timers_due for each in found.lanes), 'due timer')} to settle,"
        f" {counted(sum(each.batches for each in found.lanes), 'batch', 'batches')} to relay,"
        f" the oldest {oldest:,.1f} s old"
        + (f"; {counted(held_back, 'record')} behind open transactions" if held_back else "")
    )


def _as_json(found: Lag) -> dict[str, Any]:
    return {
        "caught_up": found.caught_up,
        "records": sum(each.records for each in found.topics),
        "seconds": max((each.seconds for each in found.topics), default=0.0),
        "batches": sum(each.batches for each in found.lanes),
        "timers_due": sum(each.timers_due for each in found.lanes),
        "open_transaction_records": sum(each.open_transaction_records for each in found.topics),
        "settled": [asdict(each) for each in found.topics],
        "relayed": [asdict(each) for each in found.lanes],
    }


def _say(found: Lag) -> None:
    console = people()
    behind = [each for each in found.topics if each.records]
    if behind:
        rows = [(each.lane, each.topic, f"{each.records:,}", f"{each.seconds:,.1f}") for each in behind]
        console.print(table("To settle", ("#lane", "topic", "#records", "#seconds"), rows))
    held_back = [each for each in found.topics if each.open_transaction_records]
    if held_back:
        rows = [
            (each.lane, each.topic, f"{each.open_transaction_records:,}", f"{each.open_transaction_seconds:,.1f}")
            for each in held_back
        ]
        console.print(table("Behind open transactions", ("#lane", "topic", "#records", "#seconds"), rows))
    waiting = [each for each in found.lanes if each.batches or each.timers_due]
    if waiting:
        rows = [(each.lane, f"{each.batches:,}", f"{each.seconds:,.1f}", f"{each.timers_due:,}") for each in waiting]
        console.print(table("To relay, and timers due", ("#lane", "#batches", "#seconds", "#timers"), rows))
    console.print(_sentence(found))
