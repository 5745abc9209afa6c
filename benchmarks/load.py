"""The messages of the benchmark: a seeded mix of whole lives of orders, interleaved.

Per 100 orders: 20 are only placed, 13 also received, 47 also repaid, 13 returned instead, 7 returned after they were
repaid. That makes 39 % purchase.placed, 32 % purchase.received, 21 % repayment.received, 8 % return.requested; every
one of them is applied. An order's steps follow one another at 0.5 to 3 % of the run's length.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from contracts.topics import Topic

LIVES = {
    ("placed",): 0.2,
    ("placed", "received"): 0.13,
    ("placed", "received", "repaid"): 0.47,
    ("placed", "received", "returned"): 0.13,
    ("placed", "received", "repaid", "returned"): 0.07,
}
LIMIT_MINOR = 10_000_000_000
LAST_START = 0.9
STEP = (0.005, 0.03)
SPREAD = timedelta(hours=1)
"""Over how much of the past the messages are spread: a worker on the wall clock then merges what is all there."""


@dataclass(frozen=True, slots=True)
class LoadMessage:
    """One message as its topic gets it; `occurred_at` becomes the record's timestamp, too."""

    topic: Topic
    key: bytes
    value: bytes
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Load:
    """One benchmark's input.

    Args:
        messages: how many are settled in the timed part.
        accounts, merchants: who they are about; opened and registered beforehand.
        seed: the same seed gives the same orders.
        ends_at: the last message's time, usually now.
        name: put before the ids of orders, so that several loads can be sent about the same accounts.
        spread: over how much of the time before `ends_at` the messages are spread.
    """

    messages: int
    accounts: int
    merchants: int
    seed: int
    ends_at: datetime
    name: str = "run"
    spread: timedelta = SPREAD

    def openings(self) -> Iterator[LoadMessage]:
        """Accounts and merchants, as they were before the timed part."""
        opened_at = self.ends_at - 2 * SPREAD
        for number in range(self.merchants):
            yield registering(number, opened_at)
        for number in range(self.accounts):
            yield opening(number, opened_at)

    def stream(self) -> Iterator[LoadMessage]:
        """The timed messages in order of time, an equal step apart."""
        step = self.spread / self.messages
        first_at = self.ends_at - self.spread
        for number, each in enumerate(self._interleaved()):
            yield each.message(number_at(first_at, step, number))

    def _interleaved(self) -> "list[Step]":
        chance = Random(f"{self.seed}/load {self.name}")
        steps: list[tuple[float, Step]] = []
        no = 0
        while len(steps) < self.messages:
            no += 1
            order = LoadOrder(
                account_id=account_id(chance.randint(0, self.accounts - 1)),
                order_id=f"{self.name}-{no}",
                merchant_id=merchant_id(chance.randint(0, self.merchants - 1)),
                amount_minor=chance.randint(1_000, 50_000),
            )
            position = chance.uniform(0, LAST_START)
            (life,) = chance.choices(list(LIVES), list(LIVES.values()))
            for kind in life:
                steps.append((position, Step(order, kind)))
                position += chance.uniform(*STEP)
        steps.sort(key=lambda each: each[0])
        return [step for _, step in steps[: self.messages]]


@dataclass(frozen=True, slots=True)
class LoadOrder:
    """One order of the mix."""

    account_id: str
    order_id: str
    merchant_id: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Step:
    """One message of an order's life."""

    order: LoadOrder
    kind: str

    def message(self, at: datetime) -> LoadMessage:
        """The record, occurring at `at`."""
        order, event_id = self.order, f"{self.order.order_id}-{self.kind}"
        match self.kind:
            case "placed":
                return record(
                    Topic.PURCHASE,
                    order.account_id,
                    event_id,
                    "purchase.placed",
                    at,
                    order_id=order.order_id,
                    merchant_id=order.merchant_id,
                    amount_minor=order.amount_minor,
                    currency="CNY",
                    plan={"kind": "deferred", "days": 30},
                )
            case "received":
                return record(
                    Topic.PURCHASE, order.account_id, event_id, "purchase.received", at, order_id=order.order_id
                )
            case "repaid":
                return record(
                    Topic.REPAYMENT,
                    order.account_id,
                    event_id,
                    "repayment.received",
                    at,
                    repayment_id=f"{order.order_id}-repayment",
                    amount_minor=order.amount_minor,
                    currency="CNY",
                    purpose="order",
                    order_id=order.order_id,
                    channel="manual",
                )
            case _:
                return record(
                    Topic.RETURN_INSPECTION,
                    order.account_id,
                    event_id,
                    "return.requested",
                    at,
                    return_id=f"{order.order_id}-return",
                    order_id=order.order_id,
                    amount_minor=order.amount_minor,
                    currency="CNY",
                    reason="no_longer_wanted",
                )


def registering(number: int, at: datetime) -> LoadMessage:
    """A merchant's registration."""
    return record(
        Topic.MERCHANT,
        merchant_id(number),
        f"registered-{number}",
        "merchant.registered",
        at,
        currency="CNY",
        settlement_cycle_days=7,
    )


def opening(number: int, at: datetime) -> LoadMessage:
    """The opening of an account's line."""
    return record(
        Topic.CREDIT_LINE,
        account_id(number),
        f"opened-{number}",
        "credit_line.opened",
        at,
        programme="kuaishou",
        limit_minor=LIMIT_MINOR,
        currency="CNY",
        card_linked=True,
        identity_verified=True,
    )


def placing(run: str, number: int, accounts: int, at: datetime, *, stride: int = 1) -> LoadMessage:
    """One order of the latency part, about accounts in turn; its acceptance is always announced.

    Args:
        run: tells the orders of one rate from another's; holds no `-`, which comes between it and `number`.
        number: of the order in its run.
        accounts: how many are open.
        at: when it occurred.
        stride: from one account to the next.
    """
    order = LoadOrder(account_id(number * stride % accounts), f"{run}-{number}", merchant_id(number % 100), 1_000)
    return Step(order, "placed").message(at)


def number_at(first_at: datetime, step: timedelta, number: int) -> datetime:
    """When message `number` occurred."""
    return (first_at + number * step).astimezone(UTC)


def account_id(number: int) -> str:
    """Of the account with this number; those of a run are numbered from 0."""
    return f"acc-{number:07d}"


def merchant_id(number: int) -> str:
    """Of the merchant with this number."""
    return f"shop-{number:05d}"


def record(topic: Topic, key: str, event_id: str, kind: str, occurred_at: datetime, /, **fields: Any) -> LoadMessage:
    """A message as its topic gets it; `key` is the account, or the merchant where the topic is of merchants."""
    body = {
        "event_id": event_id,
        "type": kind,
        "occurred_at": occurred_at.isoformat(timespec="milliseconds"),
        "merchant_id" if topic == Topic.MERCHANT else "account_id": key,
    } | fields
    value = json.dumps(body, separators=(",", ":")).encode()
    return LoadMessage(topic, key.encode(), value, occurred_at)
