"""The messages of a stage's template: whole lives of a few accounts, which a worker settles and the fill copies.

Every id has its account's in it, so that a copy is the same rows with another account's id.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from random import Random

from benchmarks.load import (
    LAST_START,
    LIVES,
    SPREAD,
    STEP,
    LoadMessage,
    LoadOrder,
    Step,
    account_id,
    merchant_id,
    opening,
)

ACTIVITY_SHARE = 0.35
"""Decisions of merchant lanes for one message of an account, by what a template gives."""


def messages_of(accounts: int, decisions: int) -> int:
    """How many messages besides the openings bring about so many decisions."""
    return round(max(0, decisions - accounts) / (1 + ACTIVITY_SHARE))


def openings(accounts: Sequence[int], ends_at: datetime) -> Iterator[LoadMessage]:
    """Accounts as they were opened before anything else happened."""
    return (opening(number, ends_at - 2 * SPREAD) for number in accounts)


def lives(accounts: Sequence[int], messages: int, merchants: int, seed: int, ends_at: datetime) -> list[LoadMessage]:
    """Orders of these accounts in turn, in the mix of `benchmarks.load`, interleaved and in order of time.

    Args:
        accounts: their numbers.
        messages: at least so many, and at most what one more life brings.
        merchants: how many are registered.
        seed: the same seed gives the same lives.
        ends_at: the last message's time.
    """
    chance = Random(f"{seed}/growth {accounts[0]}")
    steps: list[tuple[float, Step]] = []
    no = 0
    while len(steps) < messages:
        account = account_id(accounts[no % len(accounts)])
        merchant = merchant_id(chance.randint(0, merchants - 1))
        order = LoadOrder(account, f"{account}-{no // len(accounts)}", merchant, chance.randint(1_000, 50_000))
        (life,) = chance.choices(list(LIVES), list(LIVES.values()))
        position = chance.uniform(0, LAST_START)
        for kind in life:
            steps.append((position, Step(order, kind)))
            position += chance.uniform(*STEP)
        no += 1
    steps.sort(key=lambda each: each[0])
    first_at = ends_at - SPREAD
    return [step.message(first_at + min(position, 1.0) * SPREAD) for position, step in steps]
