"""Kuaishou: pay 30, 60 or 90 days after placing; what goes back within them is refunded without inspection."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from demo.account import BuyerAccount
from demo.dice import Dice
from demo.habits import ArrivedOrder, Habits, Plan
from demo.payments import early
from demo.record import Record
from demo.returns import sent_back

DEFERRED_DAYS = {30: 0.7, 60: 0.2, 90: 0.09, 45: 0.01}  # 45 days are not offered
RETURNING_AFTER = timedelta(hours=6)


def _plan(dice: Dice) -> Plan:
    if dice.chance(0.01):
        return {"kind": "trial", "days": 7}
    return {"kind": "deferred", "days": dice.one_of(DEFERRED_DAYS)}


def _after_receipt(account: BuyerAccount, order: ArrivedOrder) -> Iterator[Record]:
    dice = account.dice
    days = order.plan["days"]
    if dice.chance(0.12):
        yield from sent_back(account, order, order.received_at + RETURNING_AFTER + dice.days(0, 12), inspected=False)
    elif dice.chance(0.015):
        too_late = order.placed_at + timedelta(days=days + 1) + dice.days(0, 5)
        yield from sent_back(account, order, too_late, inspected=False)
    if dice.chance(0.14):
        yield early(account, order, order.received_at + dice.days(0.1, max(1, days - 7)))


def _besides(account: BuyerAccount, orders: Sequence[ArrivedOrder]) -> Iterator[Record]:
    """Some ask for what other platforms offer."""
    if orders and account.dice.chance(0.01):
        asked_at = orders[0].received_at + account.dice.days(1, 10)
        yield account.purchase("extension_requested", asked_at, orders[0].order_id, days=7)


KUAISHOU = Habits(
    card=0.85, identity=0.6, scored=False, taken_over=0.3, plan=_plan, after_receipt=_after_receipt, besides=_besides
)
