"""Taobao: pay with the statement of the 1st, due on the 10th, or in instalments; take cash out of the limit."""

from collections.abc import Iterator, Sequence

from demo.account import BuyerAccount
from demo.habits import ArrivedOrder, Habits
from demo.monthly import after_receipt, plan
from demo.payments import payoff
from demo.record import Record

CASH_OUTS = {0: 0.6, 1: 0.2, 2: 0.12, 4: 0.08}


def _besides(account: BuyerAccount, orders: Sequence[ArrivedOrder]) -> Iterator[Record]:
    yield from payoff(account, orders)
    dice = account.dice
    asked_at = account.opened_at + dice.days(3, account.quarter.days * 0.6)
    for no in range(1, dice.one_of(CASH_OUTS) + 1):
        yield account.line(
            "cash_out_requested",
            asked_at,
            no,
            cash_out_id=account.id_of("cash", no),
            amount_minor=dice.between(2, 11) * 10_000,  # at most 100,000 a day
            currency="CNY",
        )
        same_day = dice.chance(0.25)
        asked_at += dice.hours(0.1, 3) if same_day else dice.days(2, 20)


TAOBAO = Habits(
    card=0.95,
    identity=0.75,
    scored=False,
    taken_over=0.5,
    plan=plan(0.6),
    after_receipt=after_receipt,
    besides=_besides,
)
