"""Where a replay command reads a history from: the options they share."""

import re
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.failures import Failure
from contracts.instants import DATE_PATTERN, EXPECTED, PATTERN, parse_date, parse_instant
from workers.replay.history import HistorySource

FromDirectory = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="DIR",
        exists=True,
        file_okay=False,
        help="Read this export of 'postpay history export' first, and the brokers for what came after it.",
    ),
]
Offline = Annotated[bool, typer.Option("--offline", help="With --from: read the export alone, and ask no broker.")]
Until = Annotated[
    str | None,
    typer.Option(
        "--until", metavar="TIME", help="End after the last batch of each lane whose lane time is not after this."
    ),
]


def source_of(directory: Path | None, *, offline: bool) -> HistorySource:
    """What the options say.

    Raises:
        Failure: offline without an export.
    """
    if offline and directory is None:
        raise Failure("--offline reads an export alone; name it with --from DIR")
    return HistorySource(directory, brokers=not offline)


def time_of(option: str, text: str, of_date: Callable[[date], datetime]) -> datetime:
    """The instant that an option names by a time with offset, or by a date.

    Args:
        option: its name, to be told.
        text: what was given.
        of_date: which instant of a date is meant.

    Raises:
        Failure: it is neither a time nor a date.
    """
    try:
        if re.match(DATE_PATTERN, text):
            return of_date(parse_date(text))
        if re.match(PATTERN, text):
            return parse_instant(text)
    except ValueError as error:
        raise Failure(f"{option}: expected {EXPECTED}, or a date; got {text!r} ({error})") from error
    raise Failure(f"{option}: expected {EXPECTED}, or a date; got {text!r}")


def instant_of(until: str | None) -> datetime | None:
    """The time an option names.

    Raises:
        Failure: it is none.
    """
    if until is None:
        return None
    try:
        instant = parse_instant(until)
    except ValueError as error:
        raise Failure(f"expected {EXPECTED}, got {until!r} ({error})") from error
    return instant
