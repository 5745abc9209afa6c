"""`postpay audit`."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from cli.acting import AsOperator, acting
from cli.connections import database, run
from cli.failures import EXIT_FOUND_WRONG
from cli.output import AsJson, print_document
from operating.auditing import audit_on_record
from storage.audit import Check
from storage.audit import audit as all_checks
from storage.operator_log import Because
from workers.settings.model import Settings

app = typer.Typer(add_completion=False)


@app.command(
    epilog=(
        "Examples:\n\n"
        "  postpay audit --json | jq '.checks[] | select(.ok | not)'\n\n"
        "  postpay audit --record --reason 'end of month'"
    )
)
def audit(
    *,
    record: Annotated[bool, typer.Option("--record", help="Enter in the operator log what each check found.")] = False,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the operator log.")] = "audit",
    as_operator: AsOperator = None,
    as_json: AsJson = False,
) -> None:
    """Check every invariant of the books; exit code 1 when one does not hold.

    Balances against postings, debits against credits, limits, obligations, outcomes of all input, money in flight to
    merchants, the hash chain. Workers may go on meanwhile: each lane is read in one snapshot. With --record the run is
    on record, and the operators' page shows it.
    """
    settings = Settings.load()
    because = acting(settings, as_operator, reason) if record else None
    checks, entry = run(_checks(settings, because))
    ok = all(check.ok for check in checks)
    if as_json:
        print_document(document(checks) | ({} if entry is None else {"entry": entry}))
    else:
        for check in checks:
            typer.echo(f"{'ok   ' if check.ok else 'WRONG'}  {check.name}{f': {check.detail}' if check.detail else ''}")
        typer.echo("the books are right" if ok else "the books are WRONG")
    raise typer.Exit(0 if ok else EXIT_FOUND_WRONG)


def document(checks: list[Check]) -> dict[str, Any]:
    """The result as `--json` gives it."""
    return {"ok": all(check.ok for check in checks), "checks": [asdict(check) for check in checks]}


async def _checks(settings: Settings, because: Because | None) -> tuple[list[Check], int | None]:
    async with database(settings) as connection:
        if because is None:
            return await all_checks(connection), None
        return await audit_on_record(connection, because)
