"""The story of an account in sentences and tables."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType

from storage.stories.account import AccountStory, ObligationStory, OrderStory
from words.party import told_history, told_payouts
from words.phrases import counted, moment, money
from words.tables import table
from words.vocabulary import plan_in_short


def tell(story: AccountStory) -> Iterator[RenderableType]:
    """The story in words and tables."""
    yield _line(story)
    yield _limit(story)
    yield _debt(story)
    yield ""
    if story.orders:
        yield table(
            counted(len(story.orders), "order"),
            ("order", "merchant", "plan", "status", "#amount", "#returned", "placed"),
            [_order(order, story.currency) for order in story.orders],
        )
    yield from _owing(story)
    yield from _steps(story)
    yield from told_payouts(story.payouts)
    yield from told_history(story.history, story.archived_until)


def _line(story: AccountStory) -> str:
    frozen = f" ({', '.join(story.freeze_reasons)})" if story.freeze_reasons else ""
    score = "" if story.score is None else f", credit score {story.score}"
    return f"Account {story.account_id} of {story.programme} is {story.status}{frozen}{score}."


def _limit(story: AccountStory) -> str:
    currency = story.currency
    reclaimed_minor = story.granted_minor - story.limit_minor
    reclaimed = f" {money(reclaimed_minor, currency)} more is granted, but reclaimed." if reclaimed_minor else ""
    return (
        f"Of its limit of {money(story.limit_minor, currency)}, {money(story.available_minor, currency)} is available,"
        f" {money(story.held_minor, currency)} is held for orders and {money(story.used_minor, currency)} is used."
        f"{reclaimed}"
    )


def _debt(story: AccountStory) -> str:
    owed, currency = story.owed, story.currency
    credit = story.customer_credit_minor
    kept = f" It has {money(credit, currency)} of credit with us." if credit else ""
    if story.charged_off_minor:
        kept = f" {money(story.charged_off_minor, currency)} was charged off.{kept}"
    if not (owed.principal_minor or owed.fee_minor or owed.penalty_minor):
        return f"It owes nothing.{kept}"
    return (
        f"It owes {money(owed.principal_minor, currency)}, {money(owed.fee_minor, currency)} of fees"
        f" and {money(owed.penalty_minor, currency)} of penalties; a payoff takes"
        f" {money(story.payoff_minor, currency)} now.{kept}"
    )


def _order(order: OrderStory, currency: str) -> Sequence[object]:
    return (
        order.order_id,
        order.merchant_id,
        plan_in_short(order.plan),
        order.status,
        money(order.amount_minor, currency),
        money(order.returned_minor, currency) if order.returned_minor else "",
        moment(order.placed_at),
    )


def _owing(story: AccountStory) -> Iterator[RenderableType]:
    owed = [(order.order_id, part) for order in story.orders for part in order.obligations]
    owed += [(f"cash-out {each.cash_out_id}", part) for each in story.cash_outs for part in each.obligations]
    owed += [("other", part) for part in story.other_obligations]
    owed.sort(key=lambda pair: pair[1].due_on)
    if owed:
        yield table(
            counted(len(owed), "obligation"),
            ("due", "for", "#principal", "#fee", "#penalty", "#paid", "status"),
            [_obligation(part, what, story.currency) for what, part in owed],
        )


def _obligation(part: ObligationStory, what: str, currency: str) -> Sequence[object]:
    amounts = (part.principal_minor, part.fee_minor, part.penalty_minor, part.paid_minor)
    return (part.due_on, what, *(money(amount_minor, currency) for amount_minor in amounts), part.status)


def _steps(story: AccountStory) -> Iterator[RenderableType]:
    currency = story.currency
    if story.returns:
        yield table(
            counted(len(story.returns), "return"),
            ("return", "order", "#amount", "reason", "status"),
            [
                (each.return_id, each.order_id, money(each.amount_minor, currency), each.reason, each.status)
                for each in story.returns
            ],
        )
    if story.debits:
        yield table(
            counted(len(story.debits), "automatic debit"),
            ("debit", "due", "#attempt", "#amount", "status"),
            [
                (each.debit_id, each.due_on, each.attempt, money(each.amount_minor, currency), each.status)
                for each in story.debits
            ],
        )
