"""`postpay audit`."""

from dataclasses import asdict
from typing import Any

import typer

from cli.connections import database, run
from cli.failures import EXIT_FOUND_WRONG
from cli.output import AsJson, print_document
from storage.audit import Check
from storage.audit import audit as all_checks
from workers.settings.model import Settings

app = typer.Typer(add_completion=False)


@app.command(epilog="Example:  postpay audit --json | jq '.checks[] | select(.ok | not)'")
def audit(*, as_json: AsJson = False) -> None:
    """Check every invariant of the books; exit code 1 when one does not hold.

    Balances against postings, debits against credits, limits, obligations, outcomes of all input, money in flight to
    merchants, the hash chain. Workers may go on meanwhile: each lane is read in one snapshot.
    """
    settings = Settings.load()
    checks = run(_checks(settings))
    ok = all(check.ok for check in checks)
    if as_json:
        print_document(document(checks))
    else:
        for check in checks:
            typer.echo(f"{'ok   ' if check.ok else 'WRONG'}  {check.name}{f': {check.detail}' if check.detail else ''}")
        typer.echo("the books are right" if ok else "the books are WRONG")
    raise typer.Exit(0 if ok else EXIT_FOUND_WRONG)


def document(checks: list[Check]) -> dict[str, Any]:
    """The result as `--json` gives it."""
    return {"ok": all(check.ok for check in checks), "checks": [asdict(check) for check in checks]}


async def _checks(settings: Settings) -> list[Check]:
    async with database(settings) as connection:
        return await all_checks(connection)
