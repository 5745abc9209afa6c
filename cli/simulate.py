"""`postpay replay simulate`."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.connections import database, run
from cli.failures import EXIT_FOUND_WRONG, Failure
from cli.output import AsJson, people, print_document
from cli.progress import reading_bar
from cli.source import FromDirectory, Offline, Until, instant_of, source_of
from cli.terms import parsed
from settlement.terms import TermsError
from storage.recorded import SQL
from words.document import plain
from words.page import page
from words.simulation import tell
from workers.replay.history import HistorySource, RecordedHistory, fixed
from workers.replay.simulation.report import SimulationReport
from workers.replay.simulation.simulate import simulate as simulated
from workers.replay.simulation.terms import OtherTerms
from workers.settings.model import Settings

EPILOG = (
    "Examples:\n\n"
    "  postpay terms show --json | jq '.documents[0].terms' > terms.json   # change what is to be asked about\n\n"
    "  postpay replay simulate --terms terms.json --html report.html\n\n"
    "  postpay replay simulate --terms terms.json --from-date 2026-04-01 --account a-1\n\n"
    "How to read the report, and what it can't know: docs/replay.md, Asking about other terms"
)


def simulate(
    *,
    terms: Annotated[
        Path,
        typer.Option(metavar="FILE", dir_okay=False, help="The other terms, as for 'postpay terms publish'."),
    ],
    from_date: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="The business date from which they count; before it the recorded terms do."
        ),
    ] = None,
    account: Annotated[
        str | None, typer.Option(metavar="ID", help="Tell this account's two stories, step by step.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Write the report as one page with charts.")
    ] = None,
    until: Until = None,
    directory: FromDirectory = None,
    offline: Offline = False,
    recorded_terms: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            help="The terms that the history began with. Without this the database is asked for them.",
        ),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Lanes at a time; by default one for each processor."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Decide the history once more by other terms, and tell what would have been different.

    Every message is decided twice: by the terms that were in force, and by those in FILE. What people did is taken as
    it was; what banks answered follows what was asked for. The report says how to read it. Nothing is written or sent,
    and workers may go on meanwhile. With the recorded terms themselves the report tells of no difference.
    """
    settings = Settings.load()
    other = OtherTerms(parsed(terms).document, None if from_date is None else from_date.date())
    first = None if recorded_terms is None else parsed(recorded_terms).document
    source = source_of(directory, offline=offline)
    try:
        report = run(_simulate(settings, source, instant_of(until), other, first, account, processes))
    except TermsError as error:
        raise Failure(f"{terms}: {error}", EXIT_FOUND_WRONG) from error
    document = json.loads(json.dumps(report.document(), default=plain))
    if html is not None:
        _write(html, page(document))
    if as_json:
        print_document(document)
    else:
        people().print(*tell(document), sep="\n")


async def _simulate(
    settings: Settings,
    source: HistorySource,
    until: datetime | None,
    other: OtherTerms,
    first: Mapping[str, Any] | None,
    account: str | None,
    processes: int | None,
) -> SimulationReport:
    has_database = first is None
    if first is None:
        first = await _first_terms(settings)
    history: RecordedHistory = await fixed(settings, source, until=until)
    offsets = 2 * sum(extent.offsets for extent in history.extents.values())
    with reading_bar("simulating", offsets) as told:
        return await simulated(history, other, first, told, database=has_database, account=account, processes=processes)


async def _first_terms(settings: Settings) -> Mapping[str, Any]:
    async with database(settings) as connection:
        rows = await connection.fetch(SQL["terms"])
    found: Mapping[str, Any] = json.loads(rows[0]["document"])
    return found


def _write(file: Path, content: str) -> None:
    try:
        file.write_text(content, encoding="utf-8")
    except OSError as error:
        raise Failure(f"expected a file to write the page to, got {file} ({error.strerror})") from error
