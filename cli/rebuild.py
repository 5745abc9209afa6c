"""`postpay replay rebuild`."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.acting import AsOperator, acting
from cli.connections import reaching, run
from cli.failures import Failure
from cli.output import AsJson, print_document
from cli.progress import reading_bar
from cli.source import FromDirectory, source_of
from settlement.terms import TermsBook, TermsError
from words.phrases import counted
from workers.replay.rebuild import Rebuilt
from workers.replay.rebuild import rebuild as rebuilt
from workers.settings.model import Settings

EPILOG = (
    "Examples:\n\n"
    "  postpay replay rebuild\n\n"
    "  postpay replay rebuild --from /backup/history\n\n"
    "Step by step, after a database was lost or is doubted: docs/runbooks/database-lost.md"
)


def rebuild(
    *,
    directory: FromDirectory = None,
    terms: Annotated[
        Path | None,
        typer.Option(
            "--terms",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="The terms that lanes began with, where no old schema has them and this release brings others.",
        ),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Lanes at a time; by default one for each processor."),
    ] = None,
    accepted: Annotated[
        list[str] | None,
        typer.Option("--accept", metavar="CHECK", help="An invariant that need not hold, by name; may be given again."),
    ] = None,
    as_operator: AsOperator = None,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Why, for the operator log; default: this release's version.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the database anew from topics and lane-log, beside the old one, and put it in use; workers must be stopped.

    Every batch is decided again and must come to the hash that the lane-log has of it. All invariants of `postpay
    audit` must hold. Only then does the new schema take the old one's place, in one transaction; the old one is kept as
    postpay_DATE_TIME, and the operator log says who did it. Until that moment nothing is changed: it may be killed and
    started again. Nothing is sent.

    A database that was lost: create an empty one, and run this instead of `postpay migrate`. The database user is the
    one that migrates; for the brokers it needs the rights of a worker.
    """
    settings = Settings.load()
    source = source_of(directory, offline=False)
    because = acting(settings, as_operator, reason or f"postpay {version('postpay')}")
    with reaching(settings.postgres):
        result = run(
            rebuilt(
                settings,
                source,
                reading_bar,
                terms=_terms(terms),
                processes=processes,
                accepted=accepted or (),
                because=because,
            )
        )
    if as_json:
        print_document(result.document())
    else:
        _say(result)


def _terms(file: Path | None) -> dict[str, Any] | None:
    """The document in a file.

    Raises:
        Failure: it is none.
    """
    if file is None:
        return None
    try:
        return TermsBook.parse(json.loads(file.read_text(encoding="utf-8"))).document
    except (ValueError, TermsError) as error:
        raise Failure(f"--terms: {file} holds no terms ({error})") from error


def _say(result: Rebuilt) -> None:
    for lane in result.lanes:
        batches = f"batches 1 to {lane.batch_seq:,}" if lane.batch_seq else "no batches"
        figures = [
            counted(lane.messages, "message"),
            counted(lane.decisions, "decision"),
            counted(lane.postings, "posting"),
        ]
        typer.echo(f"rebuilt  lane {lane.lane}, {batches}: {', '.join(figures)}; chain hash {lane.chain_hash[:16]}…")
    if result.unsent:
        typer.echo(
            f"{counted(result.unsent, 'batch', 'batches')} of the old schema were never sent: what they settled is"
            " settled anew when workers run"
        )
    kept = "there was no old one" if result.kept_as is None else f"the old schema is kept as {result.kept_as}"
    messages = result.total("messages")
    rate = messages / max(result.seconds, 0.001)
    typer.echo(
        f"database {result.database_id} is in use, {result.invariants} invariants hold; {kept}: {messages:,} messages"
        f" in {result.seconds:,.1f} s, {rate:,.0f}/s"
    )
