"""Accounts and merchants in plain sentences, without tables."""

from collections.abc import Iterator

from storage.stories.account import AccountStory, ObligationStory, OrderStory
from storage.stories.merchant import MerchantStory
from words.phrases import counted, day, money
from words.vocabulary import ORDER_STATUS, PART_STATUS, WHEN_FROZEN, plan_in_words


def account_standing(story: AccountStory) -> Iterator[str]:
    """How an account's line stands."""
    currency, owed = story.currency, story.owed
    yield (
        f"{story.account_id} buys on {story.programme}. Of its limit of {money(story.limit_minor, currency)},"
        f" {money(story.available_minor, currency)} is available, {money(story.held_minor, currency)} held and"
        f" {money(story.used_minor, currency)} used; it owes {money(owed.principal_minor, currency)}, with"
        f" {money(owed.fee_minor, currency)} of fees and {money(owed.penalty_minor, currency)} of penalties."
    )
    if story.status == "closed":
        yield "The line is closed."
    elif story.freeze_reasons:
        why = " and ".join(WHEN_FROZEN.get(reason, reason) for reason in story.freeze_reasons)
        yield f"The line is frozen because {why}."


def order_in_words(order: OrderStory, currency: str) -> str:
    """An order, how it is paid, and when."""
    parts = ", ".join(_part(part, currency) for part in order.obligations)
    returned = f", {money(order.returned_minor, currency)} of it sent back" if order.returned_minor else ""
    return (
        f"Order {order.order_id} of {money(order.amount_minor, currency)} at {order.merchant_id}{returned},"
        f" paid {plan_in_words(order.plan)}, is {ORDER_STATUS.get(order.status, order.status)}"
        f"{f': due on {parts}' if parts else ''}."
    )


def other_debts(story: AccountStory) -> Iterator[str]:
    """What is owed for no order."""
    currency = story.currency
    for cash_out in story.cash_outs:
        parts = ", ".join(_part(part, currency) for part in cash_out.obligations)
        yield f"Cash-out {cash_out.cash_out_id} of {money(cash_out.amount_minor, currency)}: due on {parts}."
    for part in story.other_obligations:
        amount = money(part.principal_minor, currency)
        yield f"Owed besides, because a payment was taken back: {amount}, due on {_part(part, currency)}."


def debits(story: AccountStory) -> Iterator[str]:
    """Automatic debits, in one sentence if there are any."""
    tried = [f"{day(each.due_on)} attempt {each.attempt} {each.status}" for each in story.debits]
    if tried:
        yield f"Debits: {', '.join(tried)}."


def merchant_standing(story: MerchantStory) -> str:
    """What a merchant has coming."""
    return (
        f"{story.merchant_id} is to be paid {money(story.payable_minor, story.currency)} for its sales;"
        f" its shop balance is {money(story.shop_balance_minor, story.currency)}."
    )


def deposits(story: MerchantStory) -> Iterator[str]:
    """What is left of each deposit, and what stands against having it back."""
    currency = story.currency
    for each in story.deposits:
        yield (
            f"Of its deposit of {money(each.amount_minor, currency)} by {each.route},"
            f" frozen until {day(each.frozen_until)}, {money(each.left_minor, currency)} is left."
        )
    counts = story.open.document()
    standing = [counted(number, kind[:-1].replace("_", "-")) for kind, number in counts.items() if number]
    yield f"Open at the end: {', '.join(standing) or 'nothing'}."


def _part(part: ObligationStory, currency: str) -> str:
    """A due date, with what made it dearer."""
    dearer = {"fee": part.fee_minor, "penalty": part.penalty_minor}
    extra = [f"{name} {money(amount_minor, currency)}" for name, amount_minor in dearer.items() if amount_minor]
    return f"{day(part.due_on)} ({', '.join([PART_STATUS.get(part.status, part.status), *extra])})"
