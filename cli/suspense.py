"""`postpay suspense list`, `show` and `assign`."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from cli.acting import AsOperator, acting
from cli.connections import database, require_fitting, run
from cli.failures import EXIT_FOUND_WRONG, Failure
from cli.output import AsJson, people, print_document, print_lines
from operating import assignment
from settlement.suspense import SuspenseEntry
from storage import suspense
from storage.operator_log import Because
from storage.suspense import KeptEntry, SuspenseFilter
from words.phrases import moment, money
from words.tables import table
from workers.settings.model import Settings

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Look at money whose account nobody knows, and assign it."
)

INSTANT = ["%Y-%m-%dT%H:%M:%S%z"]

EntryId = Annotated[str, typer.Argument(metavar="ID", help="The id from 'list': the repayment's.")]
Key = Annotated[str | None, typer.Option(help="Only of this account, as the money came for it.")]


@app.command(
    "list",
    epilog=(
        "Examples:\n\n"
        "  postpay suspense list --open\n\n"
        "  postpay suspense list --since 2026-03-01T00:00:00+08:00 --json | jq -s 'map(.amount_minor) | add'"
    ),
)
def list_(
    *,
    still_there: Annotated[bool, typer.Option("--open", help="Only what has not been released.")] = False,
    key: Key = None,
    event_id: Annotated[str | None, typer.Option(help="Only the money this message brought.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only what was released for this reason.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Only what was kept from then on.", formats=INSTANT)] = None,
    until: Annotated[datetime | None, typer.Option(help="Only what was kept before.", formats=INSTANT)] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 1000,
    as_json: AsJson = False,
) -> None:
    """List money in suspense, the newest first, released or not; --json gives one line for each."""
    wanted = SuspenseFilter(
        still_there=still_there, account_id=key, event_id=event_id, reason=reason, since=since, until=until
    )
    found = run(_list(Settings.load(), wanted, limit))
    if as_json:
        print_lines(map(_as_json, found))
        return
    rows = [
        (
            entry.suspense_id,
            entry.account_id,
            money(entry.amount_minor, entry.currency),
            moment(entry.received_at),
            moment(entry.suspended_at),
            moment(entry.released_at),
            entry.reason,
        )
        for _, entry in found
    ]
    columns = ("id", "came for", "#amount", "received", "kept since", "released", "reason")
    people().print(table("Money in suspense", columns, rows) if rows else "nothing in suspense")


@app.command(epilog="Example:  postpay suspense show r-1041 --json")
def show(suspense_id: EntryId, *, key: Key = None, as_json: AsJson = False) -> None:
    """Show money in suspense. Exit code 1 when there is none of that id, or several accounts have it."""
    kept = run(_show(Settings.load(), suspense_id, key))
    if as_json:
        print_document(_as_json(kept))
        return
    lane, entry = kept
    console = people()
    console.print(
        f"{money(entry.amount_minor, entry.currency)} came on {moment(entry.received_at)} (Asia/Shanghai) by"
        f" {entry.channel} for account {entry.account_id}, which nobody knew."
    )
    console.print(f"It is repayment {entry.suspense_id} of message {entry.event_id}, kept on lane {lane}.")
    console.print(f"In suspense since {moment(entry.suspended_at)}; {_end(entry)}")


@app.command(
    epilog=(
        "Example:  postpay suspense assign r-1041 --to a-17\n\n"
        "Sends suspense.released and a repayment.received for the account, as of when the money came. Repeating it does"
        " no harm."
    )
)
def assign(
    suspense_id: EntryId,
    *,
    to: Annotated[str, typer.Option(metavar="ACCOUNT", help="The account whose money it is.")],
    key: Key = None,
    reason: Annotated[str | None, typer.Option(help="Why; default: that it was assigned, and to whom.")] = None,
    occurred_at: Annotated[
        datetime | None, typer.Option(help="When it was assigned, for stored histories; default now.", formats=INSTANT)
    ] = None,
    as_operator: AsOperator = None,
    as_json: AsJson = False,
) -> None:
    """Give money in suspense to the account it belongs to.

    Exit code 1 when it is not there (any more), or the account is not known or has another currency.
    """
    settings = Settings.load()
    because = acting(settings, as_operator, reason or f"assigned to {to}")
    sent = run(_assign(settings, suspense_id, key, to, occurred_at or datetime.now(UTC), because))
    if as_json:
        print_document(sent)
    else:
        amount = money(sent["amount_minor"], sent["currency"])
        typer.echo(f"{amount} of {sent['from']} goes to {to}; see: postpay account show {to}")


async def _list(settings: Settings, wanted: SuspenseFilter, limit: int) -> list[KeptEntry]:
    async with database(settings) as connection:
        return await suspense.suspense_entries(connection, wanted, limit)


async def _show(settings: Settings, suspense_id: str, key: str | None) -> KeptEntry:
    async with database(settings) as connection:
        found = await suspense.entries_of_id(connection, suspense_id, key)
    if not found:
        raise Failure(f"nothing in suspense is called {suspense_id!r}; see: postpay suspense list", EXIT_FOUND_WRONG)
    if len(found) > 1:
        accounts = ", ".join(entry.account_id for _, entry in found)
        raise Failure(f"money of several accounts is called {suspense_id!r} ({accounts}): name one by --key", 1)
    return found[0]


async def _assign(
    settings: Settings, suspense_id: str, key: str | None, to: str, occurred_at: datetime, because: Because
) -> dict[str, Any]:
    _, entry = await _show(settings, suspense_id, key)
    async with database(settings) as connection:
        await require_fitting(settings, connection)
        done = await assignment.assign(connection, settings, entry, to, occurred_at, because)
    return {
        "suspense_id": suspense_id,
        "from": entry.account_id,
        "to": to,
        "amount_minor": entry.amount_minor,
        "currency": entry.currency,
        "event_ids": done.event_ids,
    }


def _end(entry: SuspenseEntry) -> str:
    if entry.released_at is None:
        return "not released."
    return f"released on {moment(entry.released_at)}: {entry.reason}"


def _as_json(kept: KeptEntry) -> dict[str, Any]:
    lane, entry = kept
    return {
        "suspense_id": entry.suspense_id,
        "account_id": entry.account_id,
        "amount_minor": entry.amount_minor,
        "currency": entry.currency,
        "channel": entry.channel,
        "purpose": entry.purpose,
        "order_id": entry.order_id,
        "debit_id": entry.debit_id,
        "event_id": entry.event_id,
        "lane": lane,
        "received_at": entry.received_at,
        "suspended_at": entry.suspended_at,
        "released_at": entry.released_at,
        "reason": entry.reason,
    }
