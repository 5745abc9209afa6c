"""`postpay merchant show`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from cli.account import told_history, told_payouts
from cli.connections import database, run
from cli.failures import EXIT_FOUND_WRONG, Failure
from cli.output import AsJson, counted, moment, money, people, print_document, table
from storage import views
from workers.settings.model import Settings

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Look at one merchant.")

Story = Mapping[str, Any]
OPEN_WORDS = {
    "promotions": "unfinished promotion",
    "disputes": "open dispute",
    "after_sales": "open return",
    "violations": "open violation",
}


@app.callback()
def merchant() -> None:
    """Look at one merchant."""


@app.command(epilog="Examples:\n\n  postpay merchant show m-1\n\n  postpay merchant show m-1 --json | jq .deposits")
def show(
    merchant_id: Annotated[str, typer.Argument(metavar="ID", help="The merchant's id, as in the messages.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Tell a merchant's whole story: what we owe it, its deposits, what stands against a refund, and every message.

    Exit code 1 when nothing is known of such a merchant.
    """
    settings = Settings.load()
    story = run(_story(settings, merchant_id))
    if story is None:
        raise Failure(f"no merchant {merchant_id!r} is known: nothing about it was settled", EXIT_FOUND_WRONG)
    if as_json:
        print_document(story)
    else:
        people().print(*tell(story), sep="\n")


async def _story(settings: Settings, merchant_id: str) -> Story | None:
    async with database(settings) as connection:
        return await views.merchant_story(connection, merchant_id)


def tell(story: Story) -> Iterator[RenderableType]:
    """The story in words and tables."""
    currency = story["currency"]
    yield f"Merchant {story['merchant_id']} {_registration(story)}."
    for balance in story["balances"]:
        payable, shop = (money(balance[f"{name}_minor"], balance["currency"]) for name in ("payable", "shop_balance"))
        when = _when_paid(story, balance["currency"])
        yield f"{payable} {when}, and its shop balance is {shop}."
    yield _standing(story["open"], story["open_cases"])
    yield ""
    if story["deposits"]:
        yield table(
            counted(len(story["deposits"]), "deposit"),
            ("deposit", "route", "#amount", "#left", "paid", "frozen until"),
            [
                (
                    each["deposit_id"],
                    each["route"],
                    money(each["amount_minor"], currency),
                    money(each["left_minor"], currency),
                    moment(each["paid_at"]),
                    each["frozen_until"],
                )
                for each in story["deposits"]
            ],
        )
    if story["deposit_refunds"]:
        yield table(
            counted(len(story["deposit_refunds"]), "deposit refund"),
            ("request", "deposit", "#amount", "to", "status", "urgent", "review due"),
            [
                (
                    each["request_id"],
                    each["deposit_id"],
                    money(each["amount_minor"], currency),
                    each["refund_to"],
                    each["status"],
                    "yes" if each["urgent"] else "",
                    each["review_due_on"],
                )
                for each in story["deposit_refunds"]
            ],
        )
    for each in story["deposit_refunds"]:
        if each["reasons"]:
            yield f"{each['request_id']} was declined: {', '.join(each['reasons'])}"
        if each["opinion"] is not None:
            yield f"The review of {each['request_id']} says: {each['opinion']}"
    yield from told_payouts(story["payouts"])
    yield from told_history(story["history"])


def _registration(story: Story) -> str:
    if story["registered_on"] is None:
        return "is not registered yet"
    days = counted(story["settlement_cycle_days"], "day")
    return f"was registered on {story['registered_on']} and is paid every {days}"


def _when_paid(story: Story, currency: str) -> str:
    """When what is payable in a currency goes out."""
    if not story["currency"]:
        return "will be paid out to it once it is registered"
    if currency != story["currency"]:
        return f"is payable to it, which is paid in {story['currency']} only"
    if story["next_payout_at"] is None:
        return "is payable to it"
    return f"will be paid out to it at {moment(story['next_payout_at'])}"


def _standing(counts: Mapping[str, int], cases: Sequence[Mapping[str, str]]) -> str:
    """What stands against a refund of its deposits; returns are not told one by one."""
    standing = [counted(number, OPEN_WORDS[kind]) for kind, number in counts.items() if number]
    if not standing:
        return "Nothing stands against a refund of its deposits."
    named = ", ".join(f"{each['kind']} {each['case_id']}" for each in cases)
    return f"A refund of its deposits would be declined: {', '.join(standing)}{f' ({named})' if named else ''}."
