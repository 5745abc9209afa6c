"""`postpay operator-log list`."""

from typing import Annotated

import typer

from cli import completion
from cli.connections import database, run
from cli.filters import Limit, Since, Until, one_of, paged
from cli.output import AsJson, people, print_json
from storage import operator_log
from storage.operator_log import Action, LogEntry, LogFilter
from words.phrases import moment
from words.tables import table
from workers.settings.model import Settings

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Look at what operators changed.")


@app.callback()
def operator_log_() -> None:
    """Look at what operators changed."""


@app.command(
    "list",
    epilog=(
        "Examples:\n\n"
        "  postpay operator-log list --action redrive --since 2026-03-01T00:00:00+08:00\n\n"
        "  postpay operator-log list --subject purchase/3/1041 --json | jq .after"
    ),
)
def list_(
    *,
    action: Annotated[str | None, typer.Option(help="Only of this kind.", autocompletion=completion.actions)] = None,
    subject: Annotated[str | None, typer.Option(help="Only about this: a dead letter's id, TOPIC/LANE, …")] = None,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Only what this operator did.")] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 1000,
    as_json: AsJson = False,
) -> None:
    """List what operators changed, the newest first: who, when, what, why, before and after.

    What is sent to Kafka has two entries: intended, and what came of it. `postpay audit` proves that no entry was
    changed or taken out.
    """
    wanted = LogFilter(one_of(action, [*Action]), subject, by, since, until)
    run(_list(Settings.load(), wanted, limit, as_json=as_json))


async def _list(settings: Settings, wanted: LogFilter, limit: int, *, as_json: bool) -> None:
    rows = []
    async with database(settings) as connection:

        async def page(at_most: int, after: int | None) -> list[LogEntry]:
            return await operator_log.entries(connection, wanted, at_most, after)

        async for each in paged(page, lambda entry: entry.entry, limit):
            if as_json:
                print_json(each.document())
            else:
                rows.append(
                    (each.entry, moment(each.at), each.operator, each.action, each.subject, each.outcome, each.reason)
                )
    if not as_json:
        columns = ("#entry", "at", "operator", "action", "subject", "outcome", "reason")
        people().print(table("Operator log", columns, rows) if rows else "no entries")
