"""Lives of buyers' accounts: what the shop app, the warehouse and the risk service tell about them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from contracts.topics import Topic
from workers.demo.dice import Dice
from workers.demo.record import Record, record

PROGRAMMES = {"kuaishou": 0.5, "tmall": 0.4, "taobao": 0.05, "douyin": 0.05}
RHYTHM_DAYS = {8: 0.05, 15: 0.2, 25: 0.4, 45: 0.35}  # between a buyer's orders, on average
DEFERRED_DAYS = {30: 0.7, 60: 0.2, 90: 0.09, 45: 0.01}  # 45 days are not offered
TRIAL_DAYS = {7: 0.5, 14: 0.35, 30: 0.15}
RETURN_REASONS = {"no_longer_wanted": 0.8, "other": 0.2}
DAMAGE = {"water": 0.5, "outer_box": 0.4, "other": 0.1}
RETURNING_AFTER = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Quarter:
    """The time that is told: whole business days from `start`, 00:00 in Shanghai."""

    start: datetime
    days: int

    @property
    def end(self) -> datetime:
        """00:00 after the last day."""
        return self.start + timedelta(days=self.days)


@dataclass(frozen=True, slots=True)
class Buyer:
    """One account and the chance that makes its life."""

    account_id: str
    programme: str
    merchants: int
    quarter: Quarter
    dice: Dice

    def life(self) -> Iterator[Record]:
        """Everything of the quarter but the answers to auto-debits, in no particular order."""
        opened_at = self.dice.moment_of(self.quarter.start + self._joins_after())
        card_linked = self.dice.chance(0.85)
        yield self._line(
            "opened",
            opened_at,
            programme=self.programme,
            limit_minor=self.dice.between(5, 50) * 10_000,
            currency="CNY",
            score=self.dice.between(630, 850) if self.programme == "tmall" else None,
            card_linked=card_linked,
            identity_verified=self.dice.chance(0.6),
        )
        yield from self._line_events(opened_at, card_linked=card_linked)
        if self.programme in {"kuaishou", "tmall"}:
            yield from self._orders(opened_at)

    def _orders(self, opened_at: datetime) -> Iterator[Record]:
        rhythm_days = self.dice.one_of(RHYTHM_DAYS)
        placed_at = self.dice.moment_of(opened_at + self.dice.days(0.5, rhythm_days))
        for no in count(1):
            if placed_at >= self.quarter.end:
                return
            yield from self._order(f"{self.account_id.replace('acc', 'ord')}-{no}", placed_at)
            placed_at = self.dice.moment_of(placed_at + self.dice.days(0.5 * rhythm_days, 1.5 * rhythm_days))

    def _joins_after(self) -> timedelta:
        """Most were there in the first fortnight, others join until the middle of the quarter."""
        last_day = self.quarter.days // 7 if self.dice.chance(0.7) else self.quarter.days // 2
        return timedelta(days=self.dice.between(0, last_day))

    def _line_events(self, opened_at: datetime, *, card_linked: bool) -> Iterator[Record]:
        later = opened_at + self.dice.days(1, self.quarter.days)
        if not card_linked or self.dice.chance(0.01):
            yield self._line("card_linked", later)
        if self.dice.chance(0.08):
            limit_minor = self.dice.between(1, 80) * 10_000
            yield self._line(
                "limit_changed",
                later + self.dice.days(0, 5),
                limit_minor=limit_minor,
                currency="CNY",
                reason="credit_review",
            )
        if self.programme == "tmall" and self.dice.chance(0.1):
            yield self._line("score_changed", later + self.dice.days(0, 5), score=self.dice.between(600, 880))
        if self.dice.chance(0.03):
            yield from self._freeze(later)

    def _freeze(self, frozen_at: datetime) -> Iterator[Record]:
        reason = self.dice.one_of({"risk_login": 0.5, "manual": 0.3, "security": 0.2})
        yield self._line("frozen", frozen_at, reason=reason)
        released_at = frozen_at + self.dice.days(1, 12)
        if reason == "risk_login" and self.dice.chance(0.8):
            yield self._line("identity_verified", released_at - timedelta(minutes=20))
        if self.dice.chance(0.85):
            yield self._line("unfrozen", released_at, reason=reason)

    def _order(self, order_id: str, placed_at: datetime) -> Iterator[Record]:
        plan = self._plan()
        amount_minor = self.dice.price_minor(18_000)
        yield self._purchase(
            "placed",
            placed_at,
            order_id,
            merchant_id=shop_id(self.dice.between(1, self.merchants)),
            amount_minor=amount_minor,
            currency="USD" if self.dice.chance(0.003) else "CNY",
            plan=plan,
            item_eligible=False if self.dice.chance(0.015) else None,
            item_plans=["statement"] if self.dice.chance(0.01) else None,
        )
        if self.dice.chance(0.06):
            yield self._purchase("cancelled", placed_at + self.dice.hours(0.2, 20), order_id, reason="changed_mind")
            if self.dice.chance(0.9):
                return
        if self.dice.chance(0.04):
            return  # the buyer never confirms
        received_at = self.dice.moment_of(placed_at + self.dice.days(1, 6))
        yield self._purchase("received", received_at, order_id)
        if plan["kind"] == "trial":
            yield from self._trial(order_id, amount_minor, received_at, plan["days"])
        else:
            yield from self._deferred(order_id, amount_minor, placed_at, received_at, plan["days"])

    def _plan(self) -> dict[str, Any]:
        kind, days = {"kuaishou": ("deferred", DEFERRED_DAYS), "tmall": ("trial", TRIAL_DAYS)}[self.programme]
        if self.dice.chance(0.01):
            return {"kind": "trial", "days": 7} if kind == "deferred" else {"kind": "deferred", "days": 30}
        return {"kind": kind, "days": self.dice.one_of(days)}

    def _trial(self, order_id: str, amount_minor: int, received_at: datetime, days: int) -> Iterator[Record]:
        """Tmall: try the goods; keep them, send them back, or forget about them until the trial's end."""
        if self.dice.chance(0.2):
            yield self._purchase("kept", received_at + self.dice.days(0.3, days - 1), order_id)
        elif self.dice.chance(0.2):
            requested_at = received_at + self.dice.days(0.2, days - 1)
            yield self._return(order_id, amount_minor, requested_at)
            if self.dice.chance(0.92):
                yield self._inspection(order_id, requested_at + self.dice.days(1.5, 6))

    def _deferred(
        self, order_id: str, amount_minor: int, placed_at: datetime, received_at: datetime, days: int
    ) -> Iterator[Record]:
        """Kuaishou: pay by the due date; "no longer wanted" within it is refunded at once."""
        if self.dice.chance(0.11):
            yield self._return(order_id, amount_minor, received_at + RETURNING_AFTER + self.dice.days(0, 12))
        elif self.dice.chance(0.01):
            yield self._return(order_id, amount_minor, placed_at + timedelta(days=days + 1) + self.dice.days(0, 5))
        if self.dice.chance(0.14):
            yield self._repayment(order_id, amount_minor, received_at + self.dice.days(0.1, days - 7))

    def _return(self, order_id: str, amount_minor: int, requested_at: datetime) -> Record:
        share = self.dice.one_of({100: 0.75, 50: 0.2, 150: 0.05})  # per cent; more than the order is a slip
        return self._parcel(
            "requested",
            requested_at,
            return_of(order_id),
            order_id=order_id,
            amount_minor=max(1, amount_minor * share // 100),
            currency="CNY",
            reason=self.dice.one_of(RETURN_REASONS),
        )

    def _inspection(self, order_id: str, inspected_at: datetime) -> Record:
        damaged = self.dice.chance(0.2)
        photos = [f"https://parcels.example/{order_id}/{n}.jpg" for n in range(1, 3)]
        return self._parcel(
            "parcel_inspected",
            inspected_at,
            return_of(order_id),
            condition="damaged" if damaged else "intact",
            damage=[self.dice.one_of(DAMAGE)] if damaged else None,
            photos=photos if damaged else None,
            inspected_by=f"courier-{self.dice.between(1, 60)}",
        )

    def _repayment(self, order_id: str, amount_minor: int, paid_at: datetime) -> Record:
        """Paid before it is due: the order alone, or some round sum that may be more than is owed."""
        generous = self.dice.chance(0.25)
        return record(
            Topic.REPAYMENT,
            self.account_id,
            f"{order_id}-paid-early",
            "repayment.received",
            paid_at,
            repayment_id=order_id.replace("ord", "rep"),
            amount_minor=-(-amount_minor // 10_000) * 10_000 if generous else amount_minor,
            currency="CNY",
            purpose="account" if generous else "order",
            order_id=None if generous else order_id,
            channel="manual",
        )

    def _line(self, kind: str, occurred_at: datetime, **fields: Any) -> Record:
        event_id = f"{self.account_id}-{kind}"
        return record(Topic.CREDIT_LINE, self.account_id, event_id, f"credit_line.{kind}", occurred_at, **fields)

    def _purchase(self, kind: str, occurred_at: datetime, order_id: str, **fields: Any) -> Record:
        event_id = f"{order_id}-{kind}"
        fields["order_id"] = order_id
        return record(Topic.PURCHASE, self.account_id, event_id, f"purchase.{kind}", occurred_at, **fields)

    def _parcel(self, kind: str, occurred_at: datetime, return_id: str, **fields: Any) -> Record:
        event_id = f"{return_id}-{kind}"
        fields["return_id"] = return_id
        return record(Topic.RETURN_INSPECTION, self.account_id, event_id, f"return.{kind}", occurred_at, **fields)


def buyer(number: int, merchants: int, quarter: Quarter, seed: int) -> Buyer:
    """Make the account with this number, from 1."""
    account_id = f"acc-{number:06d}"
    dice = Dice(seed, account_id)
    return Buyer(account_id, dice.one_of(PROGRAMMES), merchants, quarter, dice)


def shop_id(number: int) -> str:
    """Id of the merchant with this number, from 1."""
    return f"shop-{number:04d}"


def return_of(order_id: str) -> str:
    """Id of an order's return; there is at most one of each."""
    return order_id.replace("ord", "ret")
