"""Douyin: the bill of the 1st is due on the 6th, and may be paid in instalments; so may each order."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from demo.account import BuyerAccount
from demo.dice import BUSINESS_ZONE
from demo.habits import ArrivedOrder, Habits
from demo.monthly import after_receipt, plan
from demo.payments import payoff
from demo.record import Record

BILL_PERIODS = {3: 0.5, 6: 0.3, 12: 0.1, 24: 0.1}
DUE_DAY = 6


def _besides(account: BuyerAccount, orders: Sequence[ArrivedOrder]) -> Iterator[Record]:
    yield from payoff(account, orders)
    for no, billed_at in enumerate(_bills(account), start=1):
        last_month = billed_at - timedelta(days=28)
        is_billed = any(
            last_month <= order.placed_at < billed_at and order.plan["kind"] == "statement" for order in orders
        )
        if is_billed and account.dice.chance(0.25):
            yield account.line(
                "bill_instalment_requested",
                billed_at + account.dice.days(0.3, DUE_DAY),  # a day too late, some of them
                no,
                due_on=(billed_at + timedelta(days=DUE_DAY - 1)).date().isoformat(),
                periods=account.dice.one_of(BILL_PERIODS),
            )


def _bills(account: BuyerAccount) -> Iterator[datetime]:
    """The instants at which the quarter's statements come."""
    year, month = account.quarter.start.year, account.quarter.start.month
    while (billed_at := datetime(year, month, 1, tzinfo=BUSINESS_ZONE)) < account.quarter.end:
        if billed_at >= account.quarter.start:
            yield billed_at
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)  # noqa: PLR2004 - December


DOUYIN = Habits(
    card=0.95,
    identity=0.93,
    scored=False,
    taken_over=0.85,
    plan=plan(0.65),
    after_receipt=after_receipt,
    besides=_besides,
)
