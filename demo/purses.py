"""How buyers stand on a due date, and so what their banks answer and what they pay by hand, days later or never."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from contracts.topics import Topic
from demo.account import rounded_up
from demo.dice import Dice
from demo.record import Record, record

Message = dict[str, Any]

LAST_ATTEMPT = 3
PENALTY_BPS_PER_DAY = 5


def _full(message: Message, dice: Dice) -> Iterator[Record]:
    paid_at = _asked_at(message) + dice.hours(0.01, 0.5)
    paid = _paid(message, "", paid_at)
    yield paid
    if dice.chance(0.004):
        yield _paid(message, "-twice", paid_at + dice.hours(0.1, 5))
    if dice.chance(0.012):
        yield _reversed(paid, paid_at + dice.days(2, 15), "chargeback")


def _slow_bank(message: Message, dice: Dice) -> Iterator[Record]:
    """Pays on the day, and tells so when the day is over. Who sees nothing pays by hand, some of them in time."""
    asked_at = _asked_at(message)
    by_hand = dice.chance(0.4)
    if by_hand:
        yield _hand(message, "hand", message["amount_minor"], asked_at + dice.hours(8, 22))
    if not by_hand or dice.chance(0.5):
        yield _paid(message, "", asked_at + dice.hours(1, 20)).late(asked_at + dice.hours(26, 60))


def _paid_at_counter(message: Message, dice: Dice) -> Iterator[Record]:
    """Paid the day before it was due, and the branch tells of it days later."""
    asked_at = _asked_at(message)
    yield _refused(message, asked_at + dice.hours(0.01, 0.5))
    if message["attempt"] == 1:
        paid = _hand(message, "counter", message["amount_minor"], asked_at - dice.hours(2, 30), "external")
        yield paid.late(asked_at + dice.hours(26, 60))


def _empty_today(message: Message, dice: Dice) -> Iterator[Record]:
    if message["attempt"] > 1:
        yield from _full(message, dice)
        return
    yield _refused(message, _asked_at(message) + dice.hours(0.01, 0.5))
    yield from _by_hand(message, dice, _asked_at(message) + dice.hours(2, 20))


def _empty_for_days(message: Message, dice: Dice) -> Iterator[Record]:
    attempt = message["attempt"]
    if attempt == 1 or (attempt < LAST_ATTEMPT and dice.chance(0.4)):
        yield _refused(message, _asked_at(message) + dice.hours(0.01, 0.5))
    else:
        yield from _full(message, dice)


def _card_expired(message: Message, dice: Dice) -> Iterator[Record]:
    refused_at = _asked_at(message) + dice.hours(0.01, 0.5)
    yield _refused(message, refused_at, "card_expired", retryable=False)
    if dice.chance(0.85):
        yield from _by_hand(message, dice, refused_at + dice.days(0.2, 6))


def _broke(message: Message, dice: Dice) -> Iterator[Record]:
    refused_at = _asked_at(message) + dice.hours(0.01, 0.5)
    yield _refused(message, refused_at)
    if message["reason"] == "trial_ended" and dice.chance(0.5):
        yield _more_time(message, refused_at + dice.hours(0.2, 12))
    if message["attempt"] == LAST_ATTEMPT:
        yield from _in_the_end(message, dice, refused_at)


def _in_the_end(message: Message, dice: Dice, refused_at: datetime) -> Iterator[Record]:
    """A buyer who has nothing pays all some days later, or in two parts, or never."""
    way = dice.one_of({"all": 0.55, "parts": 0.3, "never": 0.15})
    if way == "all":
        yield from _by_hand(message, dice, refused_at + dice.days(1, 14))
    elif way == "parts":
        half = max(1, message["amount_minor"] // 2)
        yield _hand(message, "half", half, refused_at + dice.days(2, 8))
        yield from _by_hand(message, dice, refused_at + dice.days(10, 30), less=half)


def _by_hand(message: Message, dice: Dice, paid_at: datetime, *, less: int = 0) -> Iterator[Record]:
    """The buyer pays in the app what it shows, penalties included, some of them more; a few of the cheques bounce."""
    days_late = (paid_at - _asked_at(message)).days + message["attempt"]
    penalties = message["amount_minor"] * PENALTY_BPS_PER_DAY * days_late // 10_000 + days_late * len(
        message["order_ids"]
    )
    amount_minor = max(1, message["amount_minor"] + penalties - less)
    paid = _hand(message, "hand", rounded_up(amount_minor, 10_000 if dice.chance(0.3) else 1), paid_at)
    yield paid
    if dice.chance(0.06):
        yield _reversed(paid, paid_at + dice.days(2, 8), "cheque_bounced")


def _hand(message: Message, name: str, amount_minor: int, paid_at: datetime, channel: str = "manual") -> Record:
    repayment_id = f"{name}-{message['debit_id']}"
    return record(
        Topic.REPAYMENT,
        message["account_id"],
        repayment_id,
        "repayment.received",
        paid_at,
        repayment_id=repayment_id,
        amount_minor=amount_minor,
        currency=message["currency"],
        purpose="account",
        channel=channel,
    )


def _paid(message: Message, suffix: str, paid_at: datetime) -> Record:
    repayment_id = f"bank-{message['debit_id']}{suffix}"
    return record(
        Topic.REPAYMENT,
        message["account_id"],
        f"{repayment_id}-received",
        "repayment.received",
        paid_at,
        repayment_id=repayment_id,
        amount_minor=message["amount_minor"],
        currency=message["currency"],
        purpose="account",
        debit_id=message["debit_id"],
        channel="auto_debit",
    )


def _refused(
    message: Message, refused_at: datetime, reason: str = "insufficient_funds", *, retryable: bool = True
) -> Record:
    return record(
        Topic.REPAYMENT,
        message["account_id"],
        f"bank-{message['debit_id']}-failed",
        "repayment.failed",
        refused_at,
        debit_id=message["debit_id"],
        reason=reason,
        retryable=retryable,
    )


def _more_time(message: Message, asked_at: datetime) -> Record:
    """Asked for when the trial is over and the card was refused: too late."""
    return record(
        Topic.PURCHASE,
        message["account_id"],
        f"late-{message['debit_id']}-extension",
        "purchase.extension_requested",
        asked_at,
        order_id=message["order_ids"][0],
        days=7,
    )


def _asked_at(message: Message) -> datetime:
    return datetime.fromisoformat(message["occurred_at"])


def _reversed(paid: Record, reversed_at: datetime, reason: str) -> Record:
    repayment_id = paid.body["repayment_id"]
    return record(
        Topic.REPAYMENT,
        paid.body["account_id"],
        f"{repayment_id}-reversed",
        "repayment.reversed",
        reversed_at,
        repayment_id=repayment_id,
        reason=reason,
    )


PURSES: dict[Callable[[Message, Dice], Iterator[Record]], float] = {
    _full: 0.865,
    _slow_bank: 0.02,
    _paid_at_counter: 0.01,
    _empty_today: 0.03,
    _empty_for_days: 0.02,
    _card_expired: 0.02,
    _broke: 0.035,
}
"""How an account stands on a due date, and so what becomes of all debits for it."""
