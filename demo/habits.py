"""What buyers of one platform do that those of the others don't."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from demo.account import BuyerAccount
from demo.dice import Dice
from demo.record import Record

Plan = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ArrivedOrder:
    """An order whose goods arrived."""

    order_id: str
    amount_minor: int
    plan: Plan
    placed_at: datetime
    received_at: datetime


def _nothing(_account: BuyerAccount, _orders: Sequence[ArrivedOrder]) -> Iterator[Record]:
    return iter(())


@dataclass(frozen=True, slots=True)
class Habits:
    """One platform.

    Args:
        card, identity: how many have a linked card and a verified identity when the line is opened.
        scored: whether a credit score is known.
        taken_over: how many were there before the quarter began. Nothing that they bought then may be due before it,
            as nobody answers debits of that time.
        plan: how a buyer wants to pay an order.
        after_receipt: what becomes of goods that arrived.
        besides: what an account does besides ordering, given what arrived.
    """

    card: float
    identity: float
    scored: bool
    taken_over: float
    plan: Callable[[Dice], Plan]
    after_receipt: Callable[[BuyerAccount, ArrivedOrder], Iterator[Record]]
    besides: Callable[[BuyerAccount, Sequence[ArrivedOrder]], Iterator[Record]] = _nothing
