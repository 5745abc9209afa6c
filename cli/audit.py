"""`postpay audit`."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from cli.acting import AsOperator, acting
from cli.as_of import AsOfTime, Past, ProvenFolder, books, past_of, sentence
from cli.as_of import document as past_document
from cli.connections import database, run
from cli.failures import EXIT_FOUND_WRONG, Failure
from cli.output import AsJson, print_document
from cli.source import FromDirectory, Offline
from operating.auditing import audit_on_record
from storage.audit import Check
from storage.audit import audit as all_checks
from storage.operator_log import Because
from workers.replay.as_of import AsOf
from workers.settings.model import Settings

app = typer.Typer(add_completion=False)


@app.command(
    epilog=(
        "Examples:\n\n"
        "  postpay audit --json | jq '.checks[] | select(.ok | not)'\n\n"
        "  postpay audit --record --reason 'end of month'\n\n"
        "  postpay audit --as-of 2026-04-30\n\n"
        "What is compared as of a time: docs/replay.md, As of a time"
    )
)
def audit(
    *,
    as_of: AsOfTime = None,
    directory: FromDirectory = None,
    offline: Offline = False,
    checkpoints: ProvenFolder = None,
    record: Annotated[bool, typer.Option("--record", help="Enter in the operator log what each check found.")] = False,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the operator log.")] = "audit",
    as_operator: AsOperator = None,
    as_json: AsJson = False,
) -> None:
    """Check every invariant of the books; exit code 1 when one does not hold.

    Balances against postings, debits against credits, limits, obligations, outcomes of all input, money in flight to
    merchants, the hash chain. Workers may go on meanwhile: each lane is read in one snapshot. With --record the run is
    on record, and the operators' page shows it.

    With --as-of: the same of the books as they were then. What was there then is decided again from the topics, and
    compared with the postings, decisions and outcomes that the database has from up to then.
    """
    settings = Settings.load()
    past = past_of(as_of, directory, checkpoints, offline=offline)
    if record and past.at is not None:
        raise Failure("--record puts on record what there is now; give it without --as-of")
    because = acting(settings, as_operator, reason) if record else None
    if because is None:
        checks, shown = run(_checks(settings, past))
        more = past_document(shown)
    else:
        checks, entry = run(_on_record(settings, because))
        shown, more = None, {"entry": entry}
    ok = all(check.ok for check in checks)
    if as_json:
        print_document({**more, **document(checks)})
    else:
        if shown is not None:
            typer.echo(sentence(shown))
        for check in checks:
            typer.echo(f"{'ok   ' if check.ok else 'WRONG'}  {check.name}{f': {check.detail}' if check.detail else ''}")
        typer.echo(f"the books {'are' if shown is None else 'were'} {'right' if ok else 'WRONG'}")
    raise typer.Exit(0 if ok else EXIT_FOUND_WRONG)


def document(checks: list[Check]) -> dict[str, Any]:
    """The result as `--json` gives it."""
    return {"ok": all(check.ok for check in checks), "checks": [asdict(check) for check in checks]}


async def _checks(settings: Settings, past: Past) -> tuple[list[Check], AsOf | None]:
    async with books(settings, past) as (connection, shown):
        return await all_checks(connection), shown


async def _on_record(settings: Settings, because: Because) -> tuple[list[Check], int]:
    async with database(settings) as connection:
        return await audit_on_record(connection, because)
