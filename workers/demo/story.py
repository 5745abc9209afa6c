"""One account's and one merchant's quarter in words, from nothing but what the database tells."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from storage import views
from storage.database import Connection
from workers.cli.output import BUSINESS_ZONE, counted, money

Story = Mapping[str, Any]

HAPPENED = {
    "credit_line.opened": "a credit line is opened",
    "credit_line.limit_changed": "the limit is set anew",
    "credit_line.score_changed": "the credit score changes",
    "credit_line.card_linked": "a bank card is linked",
    "credit_line.identity_verified": "the buyer's identity is verified",
    "credit_line.frozen": "the line is frozen",
    "credit_line.unfrozen": "a freeze is lifted",
    "purchase.placed": "an order is placed",
    "purchase.received": "the goods arrive",
    "purchase.kept": "the buyer keeps the goods",
    "purchase.cancelled": "the order is cancelled",
    "return.requested": "the buyer sends goods back",
    "return.parcel_inspected": "the returned parcel is inspected",
    "repayment.received": "a payment arrives",
    "repayment.failed": "the bank refuses the debit",
    "merchant.registered": "the shop registers",
    "deposit.paid": "a deposit is paid",
    "promotion.started": "a promotion starts",
    "promotion.finished": "a promotion ends",
    "dispute.opened": "a dispute is opened",
    "dispute.closed": "a dispute is closed",
    "violation.recorded": "a violation is recorded",
    "violation.cleared": "a violation is cleared",
    "deposit_refund.requested": "the shop wants its deposit back",
    "deposit_refund.reviewed": "the request is reviewed",
}

MOVED = {
    ("limit_available", "limit_granted"): "a limit of {} is granted",
    ("limit_granted", "limit_available"): "the limit falls by {}",
    ("limit_held", "limit_available"): "{} of the limit is held",
    ("limit_available", "limit_held"): "{} of the hold is free again",
    ("limit_used", "limit_held"): "{} of the hold is used",
    ("limit_available", "limit_used"): "{} of the limit is free again",
    ("receivable", "merchant_transit"): "the buyer owes {}, the shop earns it",
    ("merchant_transit", "receivable"): "{} of the debt is undone",
    ("gateway_clearing", "receivable"): "{} of the debt is paid",
    ("gateway_clearing", "customer_credit"): "{} too much is kept as credit",
    ("gateway_clearing", "deposit"): "{} is kept as a deposit",
    ("customer_credit", "payout_clearing"): "{} goes back to the buyer",
    ("merchant_transit", "payout_clearing"): "{} goes back to the buyer, at the shop's expense",
    ("deposit", "payout_clearing"): "{} goes back the way it came",
    ("deposit", "shop_balance"): "{} goes to the shop balance",
}
"""A movement by the accounts it debits and credits; docs/rules.md, Ledger."""

ASKED = {"auto_debit.requested": "the card is to be debited", "auto_debit.cancelled": "the debit is called off"}

TOLD_AT_MOST = 24
LOOKED_AT_MOST = 60


@dataclass(frozen=True, slots=True)
class Told:
    """A party's story, line by line."""

    party_id: str
    lines: Sequence[str]


async def account_in_words(connection: Connection, candidates: Iterable[str]) -> Told | None:
    """The most eventful of some accounts, from its opening to the end of the quarter; None when none is known."""
    stories = [await views.account_story(connection, each) for each in list(candidates)[:LOOKED_AT_MOST]]
    story = max((each for each in stories if each is not None), key=_eventfulness, default=None)
    if story is None:
        return None
    return Told(story["account_id"], [line async for line in _account(connection, story)])


async def merchant_in_words(connection: Connection, candidates: Iterable[str]) -> Told | None:
    """The most eventful of some merchants; None when none is known."""
    stories = [await views.merchant_story(connection, each) for each in list(candidates)[:LOOKED_AT_MOST]]
    story = max((each for each in stories if each is not None), key=_eventfulness, default=None)
    if story is None:
        return None
    return Told(story["merchant_id"], [line async for line in _merchant(connection, story)])


async def _account(connection: Connection, story: Story) -> AsyncIterator[str]:
    yield _account_line(story)
    async for line in _history(connection, story["account_id"], story["history"], story["currency"]):
        yield line
    for order in story["orders"]:
        yield _order(order, story)


async def _merchant(connection: Connection, story: Story) -> AsyncIterator[str]:
    currency = story["currency"]
    yield (
        f"{story['merchant_id']} is to be paid {money(story['payable_minor'], currency)} for its sales;"
        f" its shop balance is {money(story['shop_balance_minor'], currency)}."
    )
    async for line in _history(connection, story["merchant_id"], story["history"], currency):
        yield line
    for deposit in story["deposits"]:
        yield (
            f"Of its deposit of {money(deposit['amount_minor'], currency)} by {deposit['route']},"
            f" frozen until {_day(deposit['frozen_until'])}, {money(deposit['left_minor'], currency)} is left."
        )
    standing = [counted(number, kind[:-1].replace("_", "-")) for kind, number in story["open"].items() if number]
    yield f"Open at the end: {', '.join(standing) or 'nothing'}."


def _eventfulness(story: Story) -> int:
    """How many different things happened; a story too long to be read counts less."""
    history = story["history"]
    kinds = {(each["type"], each["outcome"], each["reason"]) for each in history}
    kinds |= {("debit", each["status"], None) for each in story.get("debits", ())}
    kinds |= {("refund", each["status"], None) for each in story.get("deposit_refunds", ())}
    return len(kinds) - max(0, len(history) - TOLD_AT_MOST)


def _account_line(story: Story) -> str:
    amounts = {name: money(story[f"{name}_minor"], story["currency"]) for name in ("limit", "available", "used")}
    owed = money(sum(story["owed"].values()), story["currency"])
    return (
        f"{story['account_id']} buys on {story['programme']}. Of its limit of {amounts['limit']},"
        f" {amounts['available']} is available and {amounts['used']} used; it owes {owed}."
    )


async def _history(
    connection: Connection, party_id: str, history: Sequence[Story], currency: str | None
) -> AsyncIterator[str]:
    for each in history[:TOLD_AT_MOST]:
        decision = await views.decision_story(connection, each["topic"], each["event_id"], party_id)
        yield _sentence(each, decision or {}, currency)
    if len(history) > TOLD_AT_MOST:
        yield f"… and {counted(len(history) - TOLD_AT_MOST, 'message')} more."


def _sentence(each: Story, decision: Story, currency: str | None) -> str:
    what = HAPPENED.get(each["type"]) or str(each["type"])
    happened_at = decision.get("occurred_at") or each["decided_at"]
    said = [f"  {_instant(happened_at)}  {what[0].upper()}{what[1:]}"]
    if each["outcome"] == "declined":
        reasons = decision.get("reasons") or [each["reason"]]
        said.append(f": declined, {', '.join(reason.replace('_', ' ') for reason in reasons)}")
    else:
        moved = [
            *(_movement(posting, currency) for posting in decision.get("postings", ())),
            *(ASKED[output["type"]] for output in decision.get("outputs", ()) if output["type"] in ASKED),
        ]
        if moved:
            said.append(f": {', '.join(moved)}")
    repeats = decision.get("repeats", ())
    if repeats:
        said.append(
            f" (came {counted(len(repeats), 'more time')}: {', '.join(sorted({r['outcome'] for r in repeats}))})"
        )
    return f"{''.join(said)}."


def _movement(posting: Story, currency: str | None) -> str:
    amount = money(posting["amount_minor"], posting.get("currency", currency))
    words = MOVED.get((posting["debit"], posting["credit"]))
    if words is None:
        return f"{amount} moves from {posting['credit'].replace('_', ' ')} to {posting['debit'].replace('_', ' ')}"
    return words.format(amount)


def _order(order: Story, story: Story) -> str:
    debits = [each for each in story["debits"] if each["due_on"] in {part["due_on"] for part in order["obligations"]}]
    tried = ", ".join(f"attempt {each['attempt']} {each['status']}" for each in debits)
    due = ", ".join(_day(part["due_on"]) for part in order["obligations"])
    return (
        f"Order {order['order_id']} of {money(order['amount_minor'], story['currency'])} at {order['merchant_id']} is"
        f" {order['status']}{f', due on {due}' if due else ''}{f'; debits: {tried}' if tried else ''}."
    )


def _instant(at: datetime) -> str:
    return at.astimezone(BUSINESS_ZONE).strftime("%d %b %H:%M")


def _day(day: date) -> str:
    return day.strftime("%d %b")
