"""Lives of merchants: deposits, what stands in the way of their refund, and the refund requests."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from contracts.topics import Topic
from demo.dice import Dice
from demo.orders import shop_id
from demo.quarter import Quarter
from demo.record import Record, record

CYCLE_DAYS = {7: 0.6, 14: 0.3, 30: 0.1}
ROUTES = {"alipay": 0.45, "wechat": 0.4, "bank": 0.15}
CASES = {"promotion": ("started", "finished"), "dispute": ("opened", "closed"), "violation": ("recorded", "cleared")}
CASE_CHANCES = {"promotion": 0.7, "dispute": 0.2, "violation": 0.1}
VIOLATIONS = {"late_dispatch": 0.6, "false_advertising": 0.4}


@dataclass(frozen=True, slots=True)
class Shop:
    """One merchant and the chance that makes its life."""

    merchant_id: str
    quarter: Quarter
    dice: Dice

    def life(self) -> Iterator[Record]:
        """Everything of the quarter, in no particular order."""
        registered_at = self.dice.moment_of(self.quarter.start + self.dice.days(0, self.quarter.days / 9))
        yield self._merchant(
            "merchant.registered",
            f"{self.merchant_id}-registered",
            registered_at,
            currency="CNY",
            settlement_cycle_days=self.dice.one_of(CYCLE_DAYS),
        )
        paid_at = registered_at + self.dice.days(0.1, 5)
        deposits = 2 if self.dice.chance(0.15) else 1
        for no in range(1, deposits + 1):
            yield from self._deposit(no, paid_at + self.dice.days(0, 3))
        for no in range(1, self.dice.between(2, 5)):
            yield from self._case(no, paid_at)

    def _deposit(self, no: int, paid_at: datetime) -> Iterator[Record]:
        deposit_id = f"{self.merchant_id.replace('shop', 'dep')}-{no}"
        amount_minor = self.dice.between(5, 30) * 100_000
        yield self._merchant(
            "deposit.paid",
            f"{deposit_id}-paid",
            paid_at,
            deposit_id=deposit_id,
            amount_minor=amount_minor,
            currency="CNY",
            route=self.dice.one_of(ROUTES),
        )
        if self.dice.chance(0.8):
            asked_at = self.dice.moment_of(paid_at + self.dice.days(10, self.quarter.days * 0.6))
            for attempt in range(1, self.dice.between(1, 3) + 1):
                yield from self._refund(f"{deposit_id}-refund-{attempt}", deposit_id, amount_minor, asked_at)
                asked_at += self.dice.days(4, 14)

    def _refund(self, request_id: str, deposit_id: str, amount_minor: int, asked_at: datetime) -> Iterator[Record]:
        urgent = self.dice.chance(0.15)
        share = self.dice.one_of({None: 0.6, 2: 0.35, 0.5: 0.05})  # all that is left, half of it, twice too much
        to_shop = self.dice.chance(0.4)
        yield self._request(
            "requested",
            request_id,
            asked_at,
            deposit_id=deposit_id,
            amount_minor=None if share is None else int(amount_minor / share),
            currency="CNY",
            reason="promotion over",
            contact=f"{self.merchant_id}@shops.example",
            refund_to="shop_balance" if to_shop else "original_route",
            urgent=urgent or None,
            urgency="rent is due" if urgent else None,
        )
        if self.dice.chance(0.9):
            approved = self.dice.chance(0.8)
            yield self._request(
                "reviewed",
                request_id,
                self.dice.moment_of(asked_at + self.dice.days(1, 7)),
                outcome="approved" if approved else "rejected",
                opinion="in order" if approved else "the promotion's goods were not shipped",
            )

    def _case(self, no: int, after: datetime) -> Iterator[Record]:
        kind = self.dice.one_of(CASE_CHANCES)
        opened, closed = CASES[kind]
        case_id = f"{self.merchant_id.replace('shop', kind)}-{no}"
        opened_at = self.dice.moment_of(after + self.dice.days(1, self.quarter.days * 0.7))
        detail = {"kind": self.dice.one_of(VIOLATIONS)} if kind == "violation" else {}
        yield self._merchant(f"{kind}.{opened}", f"{case_id}-{opened}", opened_at, **{f"{kind}_id": case_id}, **detail)
        if self.dice.chance(0.9):
            closed_at = opened_at + timedelta(hours=2) + self.dice.days(0, 14)
            yield self._merchant(
                f"{kind}.{closed}", f"{case_id}-{closed}", closed_at, **{f"{kind}_id": case_id}, **detail
            )

    def _merchant(self, kind: str, event_id: str, occurred_at: datetime, /, **fields: Any) -> Record:
        return record(Topic.MERCHANT, self.merchant_id, event_id, kind, occurred_at, **fields)

    def _request(self, kind: str, request_id: str, occurred_at: datetime, **fields: Any) -> Record:
        return record(
            Topic.DEPOSIT_REFUND_REQUEST,
            self.merchant_id,
            f"{request_id}-{kind}",
            f"deposit_refund.{kind}",
            occurred_at,
            request_id=request_id,
            **fields,
        )


def shop(number: int, quarter: Quarter, seed: int) -> Shop:
    """Make the merchant with this number, from 1."""
    merchant_id = shop_id(number)
    return Shop(merchant_id, quarter, Dice(seed, merchant_id))
