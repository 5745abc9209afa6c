"""Prints a digest of all that is decided on some histories: `python -m tests.property.digest SEED COUNT`."""

import hashlib
import sys
from random import Random

from tests.property.histories import history_of
from tests.property.lane import Lane


def digest(seed: int, count: int) -> str:
    """SHA-256 of every decision with its ids, in order."""
    dice, everything = Random(seed), hashlib.sha256()
    for _ in range(count):
        lane = Lane()
        for message in history_of(dice):
            lane.settle([message])
        for each in lane.results:
            everything.update(repr((each.input, each.timer, each.decision, each.decided_at)).encode())
    return everything.hexdigest()


if __name__ == "__main__":
    print(digest(int(sys.argv[1]), int(sys.argv[2])))
