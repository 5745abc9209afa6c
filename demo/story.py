"""One account's and one merchant's quarter in words, from nothing but what the database and the output topics tell."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice

from cli.output import counted, money
from demo.course import LINES_AT_MOST, Message, Story, course
from demo.words import ORDER_STATUS, PART_STATUS, WHEN_FROZEN, plan_in_words
from storage import views
from storage.database import Connection

LOOKED_AT_MOST = 120
A_WAY_BACK = 8
"""How much more a story tells in which something was overdue and the line works again."""


@dataclass(frozen=True, slots=True)
class Told:
    """A party's story, line by line."""

    party_id: str
    lines: Sequence[str]


def party_of(story: Story) -> str:
    """Whose story it is."""
    return str(story.get("account_id") or story["merchant_id"])


async def eventful_account(connection: Connection, candidates: Iterable[str]) -> Story | None:
    """The most eventful of some accounts; None when none is known."""
    return await _most_eventful(connection, views.account_story, candidates)


async def eventful_merchant(connection: Connection, candidates: Iterable[str]) -> Story | None:
    """The most eventful of some merchants; None when none is known."""
    return await _most_eventful(connection, views.merchant_story, candidates)


async def account_in_words(connection: Connection, story: Story, followed: Mapping[str, Iterable[Message]]) -> Told:
    """An account from its opening to the end of the quarter; `followed` has all that was sent about it."""
    account_id = party_of(story)
    course_lines = [line async for line in course(connection, account_id, story, followed[account_id])]
    lines: list[str] = [
        *_account(story),
        *course_lines,
        *(_order(order, story) for order in story["orders"]),
        *_other_debts(story),
        *_debits(story),
    ]
    return Told(account_id, lines)


async def merchant_in_words(connection: Connection, story: Story, followed: Mapping[str, Iterable[Message]]) -> Told:
    """A merchant from its registration to the end of the quarter."""
    merchant_id = story["merchant_id"]
    return Told(merchant_id, [line async for line in _merchant(connection, story, followed[merchant_id])])


def eventfulness(story: Story) -> int:
    """How many different things happened; a story too long to be read counts less."""
    history = story["history"]
    kinds = {(each["type"], each["outcome"], each["reason"]) for each in history}
    kinds |= {("debit", each["status"], None) for each in story.get("debits", ())}
    kinds |= {("refund", each["status"], None) for each in story.get("deposit_refunds", ())}
    kinds |= {("cash-out", "", None) for _ in story.get("cash_outs", ())}
    kinds |= {("other debt", "", None) for _ in story.get("other_obligations", ())}
    came_back = _was_overdue(story) and story["status"] == "active"
    too_long = max(0, len(history) - LINES_AT_MOST // 2)
    return len(kinds) + A_WAY_BACK * came_back - too_long


async def _most_eventful(
    connection: Connection,
    story_of: Callable[[Connection, str], Awaitable[Story | None]],
    candidates: Iterable[str],
) -> Story | None:
    stories = [await story_of(connection, each) for each in islice(candidates, LOOKED_AT_MOST)]
    return max((each for each in stories if each is not None), key=eventfulness, default=None)


def _was_overdue(story: Story) -> bool:
    parts = [part for order in story.get("orders", ()) for part in order["obligations"]]
    return any(part["penalty_minor"] for part in parts)


def _account(story: Story) -> Iterator[str]:
    currency = story["currency"]
    amounts = {name: money(story[f"{name}_minor"], currency) for name in ("limit", "available", "held", "used")}
    owed = {name: money(story["owed"][f"{name}_minor"], currency) for name in ("principal", "fee", "penalty")}
    yield (
        f"{story['account_id']} buys on {story['programme']}. Of its limit of {amounts['limit']},"
        f" {amounts['available']} is available, {amounts['held']} held and {amounts['used']} used;"
        f" it owes {owed['principal']}, with {owed['fee']} of fees and {owed['penalty']} of penalties."
    )
    if story["status"] == "closed":
        yield "The line is closed."
    elif story["freeze_reasons"]:
        why = " and ".join(WHEN_FROZEN.get(reason, reason) for reason in story["freeze_reasons"])
        yield f"The line is frozen because {why}."


def _order(order: Story, story: Story) -> str:
    currency = story["currency"]
    parts = ", ".join(_part(part, currency) for part in order["obligations"])
    returned = f", {money(order['returned_minor'], currency)} of it sent back" if order["returned_minor"] else ""
    return (
        f"Order {order['order_id']} of {money(order['amount_minor'], currency)} at {order['merchant_id']}{returned},"
        f" paid {plan_in_words(order['plan'])}, is {ORDER_STATUS.get(order['status'], order['status'])}"
        f"{f': due on {parts}' if parts else ''}."
    )


def _part(part: Story, currency: str | None) -> str:
    """A due date, with what made it dearer."""
    extra = [f"{name} {money(part[f'{name}_minor'], currency)}" for name in ("fee", "penalty") if part[f"{name}_minor"]]
    status = PART_STATUS.get(str(part["status"]), str(part["status"]))
    return f"{_day(part['due_on'])} ({', '.join([status, *extra])})"


def _other_debts(story: Story) -> Iterator[str]:
    currency = story["currency"]
    for cash_out in story["cash_outs"]:
        parts = ", ".join(_part(part, currency) for part in cash_out["obligations"])
        yield f"Cash-out {cash_out['cash_out_id']} of {money(cash_out['amount_minor'], currency)}: due on {parts}."
    for part in story["other_obligations"]:
        amount = money(part["principal_minor"], currency)
        yield f"Owed besides, because a payment was taken back: {amount}, due on {_part(part, currency)}."


def _debits(story: Story) -> Iterator[str]:
    tried = [f"{_day(each['due_on'])} attempt {each['attempt']} {each['status']}" for each in story["debits"]]
    if tried:
        yield f"Debits: {', '.join(tried)}."


async def _merchant(connection: Connection, story: Story, messages: Iterable[Message]) -> AsyncIterator[str]:
    currency = story["currency"]
    yield (
        f"{story['merchant_id']} is to be paid {money(story['payable_minor'], currency)} for its sales;"
        f" its shop balance is {money(story['shop_balance_minor'], currency)}."
    )
    async for line in course(connection, story["merchant_id"], story, messages):
        yield line
    for deposit in story["deposits"]:
        yield (
            f"Of its deposit of {money(deposit['amount_minor'], currency)} by {deposit['route']},"
            f" frozen until {_day(deposit['frozen_until'])}, {money(deposit['left_minor'], currency)} is left."
        )
    standing = [counted(number, kind[:-1].replace("_", "-")) for kind, number in story["open"].items() if number]
    yield f"Open at the end: {', '.join(standing) or 'nothing'}."


def _day(day: date) -> str:
    return day.strftime("%d %b")
