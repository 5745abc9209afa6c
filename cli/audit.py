"""`postpay audit`."""

from dataclasses import asdict
from typing import Any

import typer

from cli.as_of import AsOfTime, Past, ProvenFolder, books, past_of, sentence
from cli.as_of import document as past_document
from cli.connections import run
from cli.failures import EXIT_FOUND_WRONG
from cli.output import AsJson, print_document
from cli.source import FromDirectory, Offline
from storage.audit import Check
from storage.audit import audit as all_checks
from workers.replay.as_of import AsOf
from workers.settings.model import Settings

app = typer.Typer(add_completion=False)


@app.command(
    epilog=(
        "Examples:\n\n"
        "  postpay audit --json | jq '.checks[] | select(.ok | not)'\n\n"
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
    as_json: AsJson = False,
) -> None:
    """Check every invariant of the books; exit code 1 when one does not hold.

    Balances against postings, debits against credits, limits, obligations, outcomes of all input, money in flight to
    merchants, the hash chain. Workers may go on meanwhile: each lane is read in one snapshot.

    With --as-of: the same of the books as they were then. What was there then is decided again from the topics, and
    compared with the postings, decisions and outcomes that the database has from up to then.
    """
    settings = Settings.load()
    checks, shown = run(_checks(settings, past_of(as_of, directory, checkpoints, offline=offline)))
    ok = all(check.ok for check in checks)
    if as_json:
        print_document({**past_document(shown), **document(checks)})
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
