"""Goods that go back: changed minds, complaints with photos, parcels that arrive soaked or not at all."""

from collections.abc import Iterator
from datetime import datetime

from demo.account import BuyerAccount
from demo.habits import ArrivedOrder
from demo.record import Record

RETURN_REASONS = {"no_longer_wanted": 0.66, "quality_issue": 0.2, "other": 0.14}
SHARES = {100: 0.75, 50: 0.2, 150: 0.05}
"""Per cent of the order; more than the order is a slip."""
DAMAGE = {"water": 0.5, "outer_box": 0.4, "other": 0.1}


def return_of(order_id: str) -> str:
    """Id of an order's return; there is at most one of each."""
    return order_id.replace("ord", "ret")


def sent_back(
    account: BuyerAccount, order: ArrivedOrder, requested_at: datetime, *, inspected: bool = True
) -> Iterator[Record]:
    """Everything of one return.

    Args:
        account: the buyer's.
        order: whose goods go back.
        requested_at: when the buyer asks.
        inspected: a courier looks into the parcel; where the platform trusts its buyers, none does.
    """
    dice = account.dice
    reason = dice.one_of(RETURN_REASONS)
    complains = reason == "quality_issue"
    yield _request(account, order, requested_at, reason)
    if dice.chance(0.07) and (complains or inspected):
        yield account.sent_back("withdrawn", requested_at + dice.hours(2, 30), return_of(order.order_id))
        return
    if complains:
        reviewed_at = requested_at + dice.days(1.3, 4)
        approved = dice.chance(0.65)
        if dice.chance(0.88):
            yield account.sent_back(
                "reviewed",
                reviewed_at,
                return_of(order.order_id),
                outcome="approved" if approved else "rejected",
                opinion="photos show a fault" if approved else "these are traces of use",
            )
        if not approved:
            return
        requested_at = reviewed_at
    if inspected and dice.chance(0.9):  # the other parcels do not come
        yield _inspection(account, order, requested_at + dice.days(1.5, 6))


def _request(account: BuyerAccount, order: ArrivedOrder, requested_at: datetime, reason: str) -> Record:
    complains = reason == "quality_issue"
    photos = [f"https://photos.example/{order.order_id}/fault.jpg"]
    share = account.dice.one_of(SHARES)
    return account.sent_back(
        "requested",
        requested_at,
        return_of(order.order_id),
        order_id=order.order_id,
        amount_minor=max(1, order.amount_minor * share // 100),
        currency="CNY",
        reason=reason,
        evidence=photos if complains and account.dice.chance(0.95) else None,
        description="it came apart after a day" if complains else None,
    )


def _inspection(account: BuyerAccount, order: ArrivedOrder, inspected_at: datetime) -> Record:
    damaged = account.dice.chance(0.2)
    photos = [f"https://parcels.example/{order.order_id}/{n}.jpg" for n in range(1, 3)]
    return account.sent_back(
        "parcel_inspected",
        inspected_at,
        return_of(order.order_id),
        condition="damaged" if damaged else "intact",
        damage=[account.dice.one_of(DAMAGE)] if damaged else None,
        photos=photos if damaged else None,
        inspected_by=f"courier-{account.dice.between(1, 60)}",
    )
