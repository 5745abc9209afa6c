"""The payment gateway: answers every auto-debit, as a service of its own would."""

import json
from collections.abc import Iterator

from demo.dice import Dice
from demo.purses import PURSES
from demo.record import Record


class Gateway:
    """Answers debits from a seed: the same debit is always answered the same way."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def answer(self, value: bytes) -> Iterator[Record]:
        """Say what becomes of one message of `auto-debit`; cancelled debits need no answer.

        What takes its time to be told, or happens days later, says so by `delivered_at`.
        """
        message = json.loads(value)
        if message["type"] == "auto_debit.requested":
            purse = Dice(self._seed, f"purse of {message['account_id']} on {message['due_on']}").one_of(PURSES)
            yield from purse(message, Dice(self._seed, f"debit {message['debit_id']}"))
