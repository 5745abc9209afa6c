"""What goes wrong between the services and the topics: repeats, late and lost messages, garbage."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from contracts.topics import Topic
from demo.dice import Dice
from demo.quarter import Quarter
from demo.record import Record, encoded, record

PARKING_HOURS = 72
"""docs/rules.md, Outcomes: what stays unmatched for longer is a dead letter."""

ROUND_TRIP = timedelta(hours=3)

GARBAGE: tuple[bytes | None, ...] = (
    b"",
    None,
    b"hello?",
    b'{"event_id": "cut-off", "type": "purchase.pla',
    b"\xff\xfe{}",
    b'["a", "list"]',
)


def delayed(life: Iterable[Record], dice: Dice) -> Iterator[Record]:
    """Deliver some orders only after their receipt, as when the shop's sender was down for a while."""
    records = sorted(life, key=lambda each: each.occurred_at)
    received_at = {
        each.body["order_id"]: each.occurred_at for each in records if each.body["type"] == "purchase.received"
    }
    longest = timedelta(hours=PARKING_HOURS) / 2
    for each in records:
        if each.body["type"] == "purchase.placed" and dice.chance(0.03):
            receipt = received_at.get(each.body["order_id"])
            if receipt is not None:
                yield each.late(receipt + dice.hours(1, longest.total_seconds() / 3600))
                continue
        yield each


def repeated(each: Record, dice: Dice) -> Iterator[Record]:
    """A record and what a retrying client makes of it: the same again, or the same id with other content."""
    yield each
    if dice.chance(0.015):
        yield each.late(each.delivered_at + dice.hours(0.01, 48))
    if dice.chance(0.003):
        yield _changed(each, event_id=f"{each.body['event_id']}-again").late(each.delivered_at + dice.hours(0.1, 24))
    if "amount_minor" in each.body and dice.chance(0.006):
        other = _changed(each, amount_minor=each.body["amount_minor"] + 1)
        yield other.late(each.delivered_at + dice.hours(0.5, 24))


def strays(quarter: Quarter, accounts: int, seed: int) -> Iterator[Record]:
    """What belongs to nothing: steps of orders that nobody placed, and what can't be read."""
    dice = Dice(seed, "strays")
    hopeful_days = quarter.days - 1 - PARKING_HOURS // 24  # so that their time is up before the quarter is over
    for no in range(max(3, accounts // 400)):
        sent_at = dice.moment_of(quarter.start + dice.days(1, max(1, hopeful_days)))
        account_id = f"acc-{dice.between(1, accounts):06d}"
        yield record(
            Topic.PURCHASE, account_id, f"stray-{no}", "purchase.received", sent_at, order_id=f"ord-of-nobody-{no}"
        )
    for no in range(max(len(GARBAGE), accounts // 100)):
        sent_at = dice.moment_of(quarter.start + dice.days(0, quarter.days - 1))
        account_id = f"acc-{dice.between(1, accounts):06d}"
        good = record(
            Topic.REPAYMENT,
            account_id,
            f"garbage-{no}",
            "repayment.received",
            sent_at,
            repayment_id=f"rep-garbage-{no}",
            amount_minor=1_000,
            currency="CNY",
            purpose="account",
            channel="manual",
        )
        if dice.chance(0.5):
            yield replace(good, value=GARBAGE[no % len(GARBAGE)])
        else:
            yield _wrong(good, no)


def _wrong(good: Record, no: int) -> Record:
    """A well-formed document that no reader may take for what it says."""
    wrong: tuple[dict[str, Any], ...] = (
        {"amount_minor": 10.5},
        {"amount_minor": "1000"},
        {"amount_minor": -5},
        {"type": "repayment.imagined"},
        {"account_id": "acc-of-someone-else"},
        {"occurred_at": "2026-04-31T10:00:00"},
        {"purpose": None},
    )
    return _changed(good, **wrong[no % len(wrong)])


def _changed(each: Record, **fields: Any) -> Record:
    return replace(each, value=encoded(each.body | fields))
