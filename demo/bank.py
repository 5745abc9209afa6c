"""The bank that makes payouts: tells of each what became of it, as a service of its own would."""

import json
from collections.abc import Iterator
from datetime import datetime

from contracts.topics import Topic
from demo.dice import Dice
from demo.record import Record, record

ENDS = {"succeeded": 0.96, "failed": 0.035, "unheard": 0.005}
REASONS = {"account closed": 0.6, "name and account differ": 0.4}


class Bank:
    """Answers payouts from a seed: the same payout is always answered the same way, and a few never."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def answer(self, value: bytes) -> Iterator[Record]:
        """Say what becomes of one message of `payout`, a day later at the earliest."""
        message = json.loads(value)
        dice = Dice(self._seed, f"payout {message['payout_id']}")
        end = dice.one_of(ENDS)
        if end == "unheard":
            return
        yield record(
            Topic.PAYOUT_RESULT,
            message["payee_id"],
            f"{message['payout_id']}-{end}",
            f"payout.{end}",
            datetime.fromisoformat(message["occurred_at"]) + dice.days(1, 3),
            payout_id=message["payout_id"],
            payee_kind=message["payee_kind"],
            reason=dice.one_of(REASONS) if end == "failed" else None,
        )
