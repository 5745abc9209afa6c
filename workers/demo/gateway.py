"""The payment gateway and the buyers behind it: answers every auto-debit, as a service of its own would."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from contracts.topics import Topic
from workers.demo.dice import Dice
from workers.demo.record import Record, record

FIRST_ANSWERS = {"paid": 0.84, "no_funds": 0.1, "card_expired": 0.03, "slow": 0.03}
LATER_ANSWERS = {"paid": 0.55, "no_funds": 0.42, "card_expired": 0.03}
LAST_ATTEMPT = 3


class Gateway:
    """Answers debits from a seed: the same debit is always answered the same way."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.asked: set[str] = set()
        """Ids of the debits that were requested."""
        self.answers: Counter[str] = Counter()
        """How often which answer was given."""
        self.refused: Counter[str] = Counter()
        """Failed debits by account."""

    def answer(self, value: bytes) -> Iterator[Record]:
        """Say what becomes of one message of `auto-debit`; cancelled debits need no answer.

        A slow bank or a buyer who pays by hand after all answers days later: `delivered_at` tells when.
        """
        message = json.loads(value)
        if message["type"] != "auto_debit.requested":
            return
        debit_id = message["debit_id"]
        self.asked.add(debit_id)
        dice = Dice(self._seed, f"debit {debit_id}")
        answer = dice.one_of(FIRST_ANSWERS if message["attempt"] == 1 else LATER_ANSWERS)
        self.answers[answer] += 1
        asked_at = datetime.fromisoformat(message["occurred_at"])
        answered_at = asked_at + (dice.hours(20, 60) if answer == "slow" else dice.hours(0.01, 0.5))
        if answer in {"paid", "slow"}:
            yield _paid(message, f"bank-{debit_id}", answered_at)
            if dice.chance(0.004):  # the bank debits twice
                yield _paid(message, f"bank-{debit_id}-twice", answered_at + dice.hours(0.1, 5))
            return
        self.refused[message["account_id"]] += 1
        yield _refused(message, answer, answered_at)
        gives_up = answer == "card_expired" or message["attempt"] == LAST_ATTEMPT
        if gives_up and dice.chance(0.8):
            yield _by_hand(message, answered_at + dice.days(0.5, 6), rounded_up=dice.chance(0.3))


def _paid(message: dict[str, Any], repayment_id: str, paid_at: datetime) -> Record:
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


def _refused(message: dict[str, Any], answer: str, refused_at: datetime) -> Record:
    return record(
        Topic.REPAYMENT,
        message["account_id"],
        f"bank-{message['debit_id']}-failed",
        "repayment.failed",
        refused_at,
        debit_id=message["debit_id"],
        reason="insufficient_funds" if answer == "no_funds" else answer,
        retryable=answer == "no_funds",
    )


def _by_hand(message: dict[str, Any], paid_at: datetime, *, rounded_up: bool) -> Record:
    """The buyer pays in the app what the card would not give, some of them more than that."""
    amount_minor = message["amount_minor"]
    return record(
        Topic.REPAYMENT,
        message["account_id"],
        f"hand-{message['debit_id']}",
        "repayment.received",
        paid_at,
        repayment_id=f"hand-{message['debit_id']}",
        amount_minor=-(-amount_minor // 10_000) * 10_000 if rounded_up else amount_minor,
        currency=message["currency"],
        purpose="account",
        channel="manual",
    )
