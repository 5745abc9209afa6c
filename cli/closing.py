"""`postpay dead-letters close` and `reopen`."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

import typer

from cli.acting import AsOperator, Reason, acting
from cli.connections import database, run
from cli.failures import EXIT_FOUND_WRONG
from cli.output import AsJson, print_json
from operating import closing
from operating.closing import Closing, ClosingStatus
from operating.selection import selection
from storage.database import Connection
from storage.dead_letters import KeptLetter
from storage.operator_log import Because
from storage.outcome_search import ANY
from workers.settings.model import Settings

EPILOG = (
    "Example:  postpay dead-letters close purchase/3/1041 purchase/3/1042 --reason 'the shop sent them anew'\n\n"
    "Close what needs no redrive: its producer has sent it again under another event_id, or it was sent by mistake."
    " It leaves the list, and a redrive leaves it out."
)
EPILOG_OF_REOPEN = "Example:  postpay dead-letters reopen purchase/3/1041 --reason 'the shop did not send it after all'"

FINE = frozenset({ClosingStatus.CLOSED, ClosingStatus.CLOSED_BEFORE, ClosingStatus.REOPENED, ClosingStatus.OPEN})

Ids = Annotated[list[str], typer.Argument(metavar="ID…", help="Ids from 'list'.")]
Change = Callable[[Connection, Sequence[KeptLetter], Because], Awaitable[list[Closing]]]


def close(ids: Ids, *, reason: Reason, as_operator: AsOperator = None, as_json: AsJson = False) -> None:
    """Close dead letters that need no redrive, with the reason.

    Exit code 1 when one was redriven already. --json gives one line for each.
    """
    _change(closing.close, ids, reason, as_operator, as_json=as_json)


def reopen(ids: Ids, *, reason: Reason, as_operator: AsOperator = None, as_json: AsJson = False) -> None:
    """Open again what was closed by mistake.

    Exit code 1 when one was redriven, not closed. --json gives one line for each.
    """
    _change(closing.reopen, ids, reason, as_operator, as_json=as_json)


def _change(change: Change, ids: list[str], reason: str, as_operator: str | None, *, as_json: bool) -> None:
    settings = Settings.load()
    because = acting(settings, as_operator, reason)
    done = run(_run(settings, change, ids, because))
    for each in done:
        if as_json:
            print_json(each.document())
        else:
            detail = "" if each.detail is None else f" ({each.detail})"
            typer.echo(f"{each.kept.letter.dead_letter_id}: {each.status.replace('_', ' ')}{detail}")
    raise typer.Exit(0 if {each.status for each in done} <= FINE else EXIT_FOUND_WRONG)


async def _run(settings: Settings, change: Change, ids: list[str], because: Because) -> list[Closing]:
    done: list[Closing] = []
    async with database(settings) as connection:
        chosen = await selection(connection, ids, ANY)
        async for step in chosen.steps(connection):
            done += await change(connection, step, because)
    return done
