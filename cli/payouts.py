"""`postpay payouts list`."""

from typing import Annotated

import typer

from cli.connections import database, run
from cli.filters import Limit, Since, Until, paged
from cli.output import AsJson, people, print_json
from storage import payouts
from storage.payouts import PartysPayout, PayoutFilter, PayoutPlace
from words.phrases import moment, money
from words.tables import table
from workers.settings.model import Settings

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Look at money that is to leave the platform.")


@app.callback()
def payouts_() -> None:
    """Look at money that is to leave the platform."""


@app.command(
    "list",
    epilog=(
        "Examples:\n\n"
        "  postpay payouts list --open\n\n"
        "  postpay payouts list --open --until 2026-03-01T00:00:00+08:00 --json | jq -s 'map(.amount_minor) | add'"
    ),
)
def list_(
    *,
    unanswered: Annotated[bool, typer.Option("--open", help="Only those that nobody has answered.")] = False,
    key: Annotated[str | None, typer.Option(help="Only of this account or merchant.")] = None,
    payout_id: Annotated[str | None, typer.Option(help="Only this payout.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only for this reason.")] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 1000,
    as_json: AsJson = False,
) -> None:
    """List payouts, the newest first, by when they were asked for; --json gives one line for each."""
    wanted = PayoutFilter(unanswered, key, payout_id, reason, since, until)
    run(_list(Settings.load(), wanted, limit, as_json=as_json))


async def _list(settings: Settings, wanted: PayoutFilter, limit: int, *, as_json: bool) -> None:
    rows = []
    async with database(settings) as connection:

        async def page(at_most: int, after: PayoutPlace | None) -> list[PartysPayout]:
            return await payouts.payouts(connection, wanted, limit=at_most, after=after)

        async for each in paged(page, lambda payout: payout.place, limit):
            party, told = each.party, each.payout
            if as_json:
                print_json({"lane": each.lane, "party_kind": party.kind, "party_id": party.id, **told.document()})
            else:
                amount = money(told.amount_minor, told.currency)
                rows.append(
                    (
                        told.payout_id,
                        f"{party.kind} {party.id}",
                        amount,
                        told.reason,
                        told.status,
                        moment(told.requested_at),
                        moment(told.answered_at),
                    )
                )
    if not as_json:
        columns = ("id", "payee", "#amount", "reason", "status", "requested", "answered")
        people().print(table("Payouts", columns, rows) if rows else "no payouts")
