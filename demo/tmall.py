"""Tmall: try the goods for some days; keep them, send them back, ask for time, or forget them until they are paid."""

from collections.abc import Iterator
from datetime import datetime

from demo.account import BuyerAccount
from demo.dice import Dice
from demo.habits import ArrivedOrder, Habits, Plan
from demo.record import Record
from demo.returns import sent_back

TRIAL_DAYS = {7: 0.5, 14: 0.35, 30: 0.15}
EXTENSION_DAYS = {3: 0.3, 7: 0.5, 9: 0.1, 14: 0.1}  # at most 7, and 10 by the terms that come half-way


def _plan(dice: Dice) -> Plan:
    if dice.chance(0.01):
        return {"kind": "deferred", "days": 30}
    return {"kind": "trial", "days": dice.one_of(TRIAL_DAYS)}


def _after_receipt(account: BuyerAccount, order: ArrivedOrder) -> Iterator[Record]:
    dice = account.dice
    days = order.plan["days"]
    if dice.chance(0.11):
        asked_at = order.received_at + dice.days(0.2, days + 0.4)
        yield _extension(account, order, asked_at)
        if dice.chance(0.15):
            again = _extension(account, order, asked_at + dice.hours(1, 30))
            yield again.named(f"{order.order_id}-extension_requested-again")
    if dice.chance(0.2):
        yield account.purchase("kept", order.received_at + dice.days(0.3, days - 1), order.order_id)
    elif dice.chance(0.2):
        yield from sent_back(account, order, order.received_at + dice.days(0.2, days - 1))


def _extension(account: BuyerAccount, order: ArrivedOrder, asked_at: datetime) -> Record:
    days = account.dice.one_of(EXTENSION_DAYS)
    return account.purchase("extension_requested", asked_at, order.order_id, days=days)


TMALL = Habits(
    card=0.85,
    identity=0.6,
    scored=True,
    taken_over=0.0,
    plan=_plan,
    after_receipt=_after_receipt,
)
