"""Shopkeepers who act on what they are told: they think better of a request, take their money, want it more often."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from contracts.topics import Topic
from demo.dice import Dice
from demo.record import Record, record

Notice = dict[str, Any]

CYCLE_DAYS = {3: 0.5, 10: 0.3, 30: 0.2}


class Shopkeepers:
    """Reads the notices of all shops; the same notice is always answered the same way, a day later at the earliest."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def answer(self, value: bytes) -> Iterator[Record]:
        """Do what the recipient of one message of `notification` does about it."""
        if not any(template in value for template in _READ):
            return
        notice = json.loads(value)
        handler = _HANDLERS.get(notice["template"])
        if handler is not None:
            yield from handler(notice, Dice(self._seed, f"notice {notice['notification_id']}"))


def _on_request_received(notice: Notice, dice: Dice) -> Iterator[Record]:
    if dice.chance(0.08):
        request_id = notice["params"]["request_id"]
        yield record(
            Topic.DEPOSIT_REFUND_REQUEST,
            notice["recipient_id"],
            f"{request_id}-withdrawn",
            "deposit_refund.withdrawn",
            _told_at(notice) + dice.days(1, 2),
            request_id=request_id,
        )


def _on_refund_paid(notice: Notice, dice: Dice) -> Iterator[Record]:
    """What went to the shop balance is taken out of it some days later; some ask for more than there is first."""
    params = notice["params"]
    if params["refund_to"] != "shop_balance":
        return
    withdrawn_at = _told_at(notice) + dice.days(1.5, 9)
    if dice.chance(0.25):
        yield _withdrawal(notice, params["amount_minor"] * 10, withdrawn_at - dice.hours(1, 10), "-too-much")
    yield _withdrawal(notice, params["amount_minor"] // (2 if dice.chance(0.3) else 1), withdrawn_at)


def _withdrawal(notice: Notice, amount_minor: int, withdrawn_at: datetime, suffix: str = "") -> Record:
    withdrawal_id = f"withdrawal-{notice['params']['request_id']}"
    return record(
        Topic.MERCHANT,
        notice["recipient_id"],
        f"{withdrawal_id}{suffix}",
        "shop_balance.withdrawal_requested",
        withdrawn_at,
        withdrawal_id=withdrawal_id,
        amount_minor=amount_minor,
        currency=notice["params"]["currency"],
    )


def _on_settlement(notice: Notice, dice: Dice) -> Iterator[Record]:
    if dice.chance(0.05):
        yield record(
            Topic.MERCHANT,
            notice["recipient_id"],
            f"cycle-{notice['notification_id']}",
            "merchant.settlement_cycle_changed",
            _told_at(notice) + dice.days(1, 3),
            settlement_cycle_days=dice.one_of(CYCLE_DAYS),
        )


_HANDLERS: Mapping[str, Callable[[Notice, Dice], Iterator[Record]]] = {
    "deposit_refund_received": _on_request_received,
    "deposit_refund_paid": _on_refund_paid,
    "settlement_paid": _on_settlement,
}
_READ = [template.encode() for template in _HANDLERS]


def _told_at(notice: Notice) -> datetime:
    return datetime.fromisoformat(notice["occurred_at"])
