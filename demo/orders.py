"""The way of an order until its goods have arrived; what comes then is the programme's."""

from collections.abc import Iterator
from datetime import datetime
from itertools import count

from demo.account import BuyerAccount
from demo.habits import ArrivedOrder, Habits
from demo.record import Record

RHYTHM_DAYS = {10: 0.05, 21: 0.2, 34: 0.4, 62: 0.35}  # between a buyer's orders, on average


def shop_id(number: int) -> str:
    """Id of the merchant with this number, from 1."""
    return f"shop-{number:04d}"


def orders(account: BuyerAccount, habits: Habits) -> Iterator[tuple[list[Record], ArrivedOrder | None]]:
    """All orders until the quarter's end: what the services tell, and the order if its goods arrived."""
    dice = account.dice
    rhythm_days = dice.one_of(RHYTHM_DAYS)
    placed_at = dice.moment_of(account.opened_at + dice.days(0.5, rhythm_days))
    for no in count(1):
        if placed_at >= account.quarter.end:
            return
        yield _order(account, habits, account.id_of("ord", no), placed_at)
        placed_at = dice.moment_of(placed_at + dice.days(0.5 * rhythm_days, 1.5 * rhythm_days))


def _order(
    account: BuyerAccount, habits: Habits, order_id: str, placed_at: datetime
) -> tuple[list[Record], ArrivedOrder | None]:
    dice = account.dice
    plan = habits.plan(dice)
    amount_minor = dice.price_minor(18_000)
    told = [
        account.purchase(
            "placed",
            placed_at,
            order_id,
            merchant_id=shop_id(dice.between(1, account.merchants)),
            amount_minor=amount_minor,
            currency="USD" if dice.chance(0.003) else "CNY",
            plan=plan,
            item_eligible=False if dice.chance(0.015) else None,
            item_plans=[_other_than(plan["kind"])] if dice.chance(0.01) else None,
        )
    ]
    received_at = dice.moment_of(placed_at + dice.days(1, 6))
    if dice.chance(0.06):
        told.append(account.purchase("cancelled", placed_at + dice.hours(0.2, 20), order_id, reason="changed_mind"))
        if dice.chance(0.9):
            return told, None
    if dice.chance(0.03):
        told.append(_lowered(account, order_id, amount_minor, placed_at + dice.days(0.1, 8)))
    if dice.chance(0.04):
        return told, None  # the buyer never confirms
    told.append(account.purchase("received", received_at, order_id))
    return told, ArrivedOrder(order_id, amount_minor, plan, placed_at, received_at)


def _lowered(account: BuyerAccount, order_id: str, amount_minor: int, lowered_at: datetime) -> Record:
    """An item is out of stock; a few senders send the old total again."""
    share = account.dice.one_of({90: 0.5, 70: 0.3, 40: 0.15, 100: 0.05})
    return account.purchase(
        "amount_lowered",
        lowered_at,
        order_id,
        amount_minor=max(1, amount_minor * share // 100),
        currency="CNY",
        reason="out_of_stock",
    )


def _other_than(kind: str) -> str:
    return "deferred" if kind == "statement" else "statement"
