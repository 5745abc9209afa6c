"""How many histories are tried, and by which seed; and a long campaign: `python -m tests.property.campaign --help`.

A commit's tests try a fixed set. `POSTPAY_HISTORIES=2000` tries so many of each property, by a seed of their own that
is printed; `POSTPAY_SEED` repeats one.
"""

import argparse
import os
import secrets
import sys
import time
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings

from tests.property import properties
from tests.property.firings import RULES, firings_of, table
from tests.property.histories import history_of
from tests.property.model.model import Model
from tests.property.shortest import check
from tests.property.stories import story_of

Test = TypeVar("Test", bound=Callable[..., None])

HISTORIES = int(os.environ.get("POSTPAY_HISTORIES", "0"))
SEED = int(os.environ.get("POSTPAY_SEED", secrets.randbelow(2**32) if HISTORIES else "1"))
PATIENCE_S = 1800
"""For one property on a busy machine; alone they take a fraction of it."""
PROGRESS_S = 30


def tried(times: int) -> Callable[[Test], Test]:
    """Try a property on `times` examples, or as many as a campaign asks for."""

    def decorate(test: Test) -> Test:
        test = settings(
            max_examples=HISTORIES or times,
            phases=[Phase.explicit, Phase.generate],  # `shortest` shortens
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )(test)
        test = seed(SEED)(test)
        return pytest.mark.timeout(0 if HISTORIES else PATIENCE_S)(test)

    return decorate


def main() -> int:
    """Try every property on many long histories; tell seed, progress, what breaks and what took effect."""
    parser = argparse.ArgumentParser(prog="python -m tests.property.campaign", description=main.__doc__)
    parser.add_argument("--histories", type=int, default=2000)
    parser.add_argument("--messages", type=int, default=50, help="in each history, after those it opens with")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(2**32), help="of the first one; repeats a campaign"
    )
    parser.add_argument("--only-model", action="store_true", help="only whether core and model agree")
    parser.add_argument("--stop-after", type=int, default=5, metavar="BROKEN", help="give up after so many")
    asked = parser.parse_args()
    print(f"seed {asked.seed}: {asked.histories} histories of {asked.messages} messages", flush=True)
    told_at, messages, broken = time.monotonic(), 0, 0
    fired: Counter[str] = Counter()
    histories: Counter[str] = Counter()
    for number in range(asked.histories):
        try:
            length, model = _try_one(asked.seed + number, asked.messages, only_model=asked.only_model)
            messages += length
            firings = firings_of(model)
            fired.update(firings)
            histories.update(firings.keys())
        except AssertionError as disproof:
            broken += 1
            print(f"\nBROKEN by seed {asked.seed + number}: {disproof}\n", flush=True)
            if broken == asked.stop_after:
                break
        if time.monotonic() - told_at > PROGRESS_S:
            told_at = time.monotonic()
            print(f"{number + 1} of {asked.histories}, {messages} messages, {broken} broken", flush=True)
    print(table(fired, histories, {*fired, *RULES}))
    print(f"seed {asked.seed}: {messages} messages, {'all properties held' if not broken else f'{broken} broken'}")
    return 1 if broken else 0


def _try_one(number: int, messages: int, *, only_model: bool) -> tuple[int, Model]:
    """All properties on the history and the story of one seed.

    Raises:
        AssertionError: one does not hold.
    """
    history = history_of(Random(number), longest=messages, shortest=messages)
    agreed = properties.CoreAndModelAgree()
    check(agreed, history)
    if not only_model:
        check(properties.AnySplit(number, whole=number % 2 == 0), history)
        check(properties.sent_twice_changes_nothing, history)
        story = story_of(Random(number))
        check(properties.Converges(story.otherwise), story.told)
    return len(history), agreed.model


if __name__ == "__main__":
    sys.exit(main())
