"""What buyers of the two programmes have in common that bill once a month and sell in instalments."""

from collections.abc import Callable, Iterator

from demo.account import BuyerAccount
from demo.dice import Dice
from demo.habits import ArrivedOrder, Plan
from demo.payments import early
from demo.record import Record
from demo.returns import sent_back

PERIODS = {3: 0.5, 6: 0.3, 12: 0.17, 24: 0.03}  # 24 are not offered


def plan(on_statement: float) -> Callable[[Dice], Plan]:
    """Pay with the next statement, as so many do, or in instalments."""

    def chosen(dice: Dice) -> Plan:
        if dice.chance(on_statement):
            return {"kind": "statement"}
        return {"kind": "instalment", "periods": dice.one_of(PERIODS)}

    return chosen


def after_receipt(account: BuyerAccount, order: ArrivedOrder) -> Iterator[Record]:
    """Some send the goods back, a few pay early."""
    dice = account.dice
    if dice.chance(0.12):
        yield from sent_back(account, order, order.received_at + dice.days(0.2, 10))
    if dice.chance(0.06):
        yield early(account, order, order.received_at + dice.days(0.1, 20))
