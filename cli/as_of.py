"""`--as-of TIME` of the commands that show what there is: what there was then."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import typer

from cli.connections import database
from cli.failures import Failure
from cli.progress import reading_bar
from cli.source import source_of, time_of
from settlement.dates import days_after, midnight
from settlement.party import Party
from storage.database import Connection
from words.phrases import moment
from workers.replay.as_of import AsOf, UnknownTimeError, show_past
from workers.settings.model import Settings

AsOfTime = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="TIME",
        help=(
            "What was there at this time, decided again from the topics up to it (brokers, or --from DIR). A time with"
            " offset, or a date: its end in Asia/Shanghai."
        ),
    ),
]
ProvenFolder = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint",
        metavar="DIR",
        exists=True,
        file_okay=False,
        help="With --as-of: begin with what 'postpay replay verify --checkpoint DIR' has kept from before.",
    ),
]


@dataclass(frozen=True, slots=True)
class Past:
    """Which time is asked for, and what it is decided again from; `at` None: what there is now."""

    at: datetime | None
    directory: Path | None
    offline: bool
    checkpoints: Path | None


def past_of(as_of: str | None, directory: Path | None, checkpoints: Path | None, *, offline: bool) -> Past:
    """What the options say.

    Raises:
        Failure: it is no time, or one of the other options is given without it.
    """
    if as_of is None and (directory or offline or checkpoints):
        raise Failure(
            "--from, --offline and --checkpoint say what the past is decided again from; name it with --as-of"
        )
    return Past(None if as_of is None else time_of("--as-of", as_of, _end_of), directory, offline, checkpoints)


def _end_of(day: date) -> datetime:
    return midnight(days_after(day, 1)) - timedelta.resolution


@asynccontextmanager
async def books(
    settings: Settings, past: Past, party: Party | None = None
) -> AsyncIterator[tuple[Connection, AsOf | None]]:
    """A session that sees the books as they are, or as they were; and where the lanes stood then.

    Args:
        settings: of the workers.
        past: which time.
        party: the only one that is looked at; None: everything is.

    Raises:
        Failure: nothing is known of that time, or the user may not look at it.
    """
    async with database(settings) as connection:
        if past.at is None:
            yield connection, None
            return
        source = source_of(past.directory, offline=past.offline)
        try:
            shown = await show_past(
                connection, settings, source, past.at, reading_bar, party=party, checkpoints=past.checkpoints
            )
        except UnknownTimeError as error:
            raise Failure(f"--as-of: {error}") from error
        except asyncpg.InsufficientPrivilegeError as error:
            raise Failure(
                f"--as-of: {error}; what was there is put into temporary tables: GRANT TEMPORARY ON DATABASE … TO"
                " whoever looks at it"
            ) from error
        yield connection, shown


def document(shown: AsOf | None) -> Mapping[str, Any]:
    """What `--json` adds where the past was asked for."""
    if shown is None:
        return {}
    lanes = [{"lane": lane, "batch_seq": end.batch_seq, "lane_time": end.lane_time} for lane, end in shown.ends.items()]
    return {"as_of": {"at": shown.at, "lanes": lanes}}


def sentence(shown: AsOf) -> str:
    """What is shown, in words."""
    if len(shown.ends) == 1:
        (end,) = shown.ends.values()
        return f"As of {moment(shown.at)}, after batch {end.batch_seq:,} of lane {end.lane} ({moment(end.lane_time)}):"
    return f"As of {moment(shown.at)}, after the last batch of each lane by then:"
