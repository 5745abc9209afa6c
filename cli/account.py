"""`postpay account show`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from cli.connections import database, run
from cli.failures import EXIT_FOUND_WRONG, Failure
from cli.output import AsJson, counted, moment, money, people, print_document, table
from storage import views
from workers.settings.model import Settings

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Look at one buyer's account.")

Story = Mapping[str, Any]


@app.callback()
def account() -> None:
    """Look at one buyer's account."""


@app.command(epilog="Examples:\n\n  postpay account show a-1\n\n  postpay account show a-1 --json | jq .orders")
def show(
    account_id: Annotated[str, typer.Argument(metavar="ID", help="The account's id, as in the messages.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Tell an account's whole story: its line, what it owes and why, and every message about it.

    Exit code 1 when nothing is known of such an account.
    """
    settings = Settings.load()
    story = run(_story(settings, account_id))
    if story is None:
        raise Failure(f"no account {account_id!r} is known: no credit_line.opened for it was settled", EXIT_FOUND_WRONG)
    if as_json:
        print_document(story)
    else:
        people().print(*tell(story), sep="\n")


async def _story(settings: Settings, account_id: str) -> Story | None:
    async with database(settings) as connection:
        return await views.account_story(connection, account_id)


def tell(story: Story) -> Iterator[RenderableType]:
    """The story in words and tables."""
    yield _line(story)
    yield _limit(story)
    yield _debt(story)
    yield ""
    if story["orders"]:
        yield table(
            counted(len(story["orders"]), "order"),
            ("order", "merchant", "plan", "status", "#amount", "#returned", "placed"),
            [_order(order, story["currency"]) for order in story["orders"]],
        )
    yield from _owing(story)
    yield from _steps(story)
    yield from told_payouts(story["payouts"])
    yield from told_history(story["history"])


def _line(story: Story) -> str:
    frozen = f" ({', '.join(story['freeze_reasons'])})" if story["freeze_reasons"] else ""
    score = "" if story["score"] is None else f", credit score {story['score']}"
    return f"Account {story['account_id']} of {story['programme']} is {story['status']}{frozen}{score}."


def _limit(story: Story) -> str:
    amounts = {
        name: money(story[f"{name}_minor"], story["currency"]) for name in ("limit", "available", "held", "used")
    }
    reclaimed_minor = story["granted_minor"] - story["limit_minor"]
    reclaimed = (
        f" {money(reclaimed_minor, story['currency'])} more is granted, but reclaimed." if reclaimed_minor else ""
    )
    return (
        f"Of its limit of {amounts['limit']}, {amounts['available']} is available,"
        f" {amounts['held']} is held for orders and {amounts['used']} is used.{reclaimed}"
    )


def _debt(story: Story) -> str:
    owed, currency = story["owed"], story["currency"]
    credit = story["customer_credit_minor"]
    kept = f" It has {money(credit, currency)} of credit with us." if credit else ""
    if not any(owed.values()):
        return f"It owes nothing.{kept}"
    return (
        f"It owes {money(owed['principal_minor'], currency)}, {money(owed['fee_minor'], currency)} of fees"
        f" and {money(owed['penalty_minor'], currency)} of penalties.{kept}"
    )


def _order(order: Story, currency: str) -> Sequence[object]:
    return (
        order["order_id"],
        order["merchant_id"],
        plan_words(order["plan"]),
        order["status"],
        money(order["amount_minor"], currency),
        money(order["returned_minor"], currency) if order["returned_minor"] else "",
        moment(order["placed_at"]),
    )


def plan_words(plan: Any) -> str:
    """A plan in words: `trial of 7 days`, `instalment in 3`."""
    if not isinstance(plan, Mapping):
        return str(plan)
    if plan.get("days"):
        return f"{plan['kind']}, {plan['days']} days"
    return f"{plan['kind']} in {plan['periods']}" if plan.get("periods") else str(plan["kind"])


def _owing(story: Story) -> Iterator[RenderableType]:
    owed = [(order["order_id"], each) for order in story["orders"] for each in order["obligations"]]
    owed += [
        ("cash-out " + str(each["cash_out_id"]), part) for each in story["cash_outs"] for part in each["obligations"]
    ]
    owed += [("other", each) for each in story["other_obligations"]]
    if owed:
        names = ("principal_minor", "fee_minor", "penalty_minor", "paid_minor")
        yield table(
            counted(len(owed), "obligation"),
            ("due", "for", "#principal", "#fee", "#penalty", "#paid", "status"),
            [
                (each["due_on"], what, *(money(each[name], story["currency"]) for name in names), each["status"])
                for what, each in sorted(owed, key=lambda pair: str(pair[1]["due_on"]))
            ],
        )


def _steps(story: Story) -> Iterator[RenderableType]:
    currency = story["currency"]
    if story["returns"]:
        yield table(
            counted(len(story["returns"]), "return"),
            ("return", "order", "#amount", "reason", "status"),
            [
                (
                    each["return_id"],
                    each["order_id"],
                    money(each["amount_minor"], currency),
                    each["reason"],
                    each["status"],
                )
                for each in story["returns"]
            ],
        )
    if story["debits"]:
        yield table(
            counted(len(story["debits"]), "automatic debit"),
            ("debit", "due", "#attempt", "#amount", "status"),
            [
                (
                    each["debit_id"],
                    each["due_on"],
                    each["attempt"],
                    money(each["amount_minor"], currency),
                    each["status"],
                )
                for each in story["debits"]
            ],
        )


def told_payouts(payouts: Sequence[Story]) -> Iterator[RenderableType]:
    """What was paid out to a party, or was to be."""
    if payouts:
        yield table(
            counted(len(payouts), "payout"),
            ("payout", "for", "#amount", "route", "status", "requested", "answered"),
            [
                (
                    each["payout_id"],
                    f"{each['reason']} {each['source_id'] or ''}".strip(),
                    money(each["amount_minor"], each["currency"]),
                    each["route"],
                    each["status"],
                    moment(each["requested_at"]),
                    moment(each["answered_at"]),
                )
                for each in payouts
            ],
        )


def told_history(history: Sequence[Story]) -> Iterator[RenderableType]:
    """Every message about a party, in the order of the decisions."""
    yield table(
        f"What happened ({counted(len(history), 'message')}, times of Asia/Shanghai)",
        ("decided", "message", "event", "outcome", "reason"),
        [
            (moment(each["decided_at"]), each["type"], each["event_id"], each["outcome"], each["reason"])
            for each in history
        ],
    )
