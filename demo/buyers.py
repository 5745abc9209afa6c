"""Lives of buyers' accounts: what the shop apps, the warehouse and the risk service tell about them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from demo.account import BuyerAccount
from demo.dice import Dice
from demo.douyin import DOUYIN
from demo.habits import ArrivedOrder, Habits
from demo.kuaishou import KUAISHOU
from demo.lines import line
from demo.orders import orders
from demo.quarter import Quarter
from demo.record import Record
from demo.taobao import TAOBAO
from demo.tmall import TMALL

PROGRAMMES = {"kuaishou": KUAISHOU, "tmall": TMALL, "taobao": TAOBAO, "douyin": DOUYIN}
SHARES = {"kuaishou": 0.28, "tmall": 0.26, "taobao": 0.24, "douyin": 0.22}


@dataclass(frozen=True, slots=True)
class Buyer:
    """One account and what its platform makes of it."""

    account: BuyerAccount
    habits: Habits

    def life(self) -> Iterator[Record]:
        """Everything that does not depend on what postpay says, in no particular order."""
        account, habits = self.account, self.habits
        yield from line(account, habits)
        arrived: list[ArrivedOrder] = []
        for told, order in orders(account, habits):
            yield from told
            if order is not None:
                arrived.append(order)
                yield from habits.after_receipt(account, order)
        yield from habits.besides(account, arrived)


def buyer(number: int, merchants: int, quarter: Quarter, seed: int) -> Buyer:
    """Make the account with this number, from 1."""
    account_id = f"acc-{number:06d}"
    name = programme_of(account_id, seed)
    dice = Dice(seed, account_id)
    opened_at = dice.moment_of(_opened(quarter, dice, PROGRAMMES[name]))
    return Buyer(BuyerAccount(account_id, name, opened_at, merchants, quarter, dice), PROGRAMMES[name])


def programme_of(account_id: str, seed: int) -> str:
    """The platform an account buys on."""
    return Dice(seed, f"programme of {account_id}").one_of(SHARES)


def _opened(quarter: Quarter, dice: Dice, habits: Habits) -> datetime:
    """Some were there in March, most others came in the first fortnight, the last in the middle of the quarter."""
    if dice.chance(habits.taken_over):
        return quarter.start - dice.days(4, 16)  # no order is so old that it counts as received
    last_day = quarter.days // 7 if dice.chance(0.65) else quarter.days // 2
    return quarter.start + timedelta(days=dice.between(0, last_day))
