"""What a run of growth is to measure, and which accounts come with each of its stages."""

import shutil
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.load import account_id
from workers.kafka.clients import lane_of

MOST_OF_A_LANE = 200
"""Accounts of a lane whose lives a worker settles, to be copied from."""
COPIES_AT_LEAST = 8
"""So that of a small stage most is copied, too."""
REPORT_EVERY = 10_000
BYTES_A_DECISION = 1_300
"""Of the database, with all that belongs to it (measured with 5 decisions an account)."""
BYTES_BESIDES = 6 * 2**30
"""Of the write-ahead log, of topics, and of what the audit sorts."""
MEANWHILE_PER_S = 50
"""Orders a second while timers fire and while decisions are archived."""


@dataclass(frozen=True, slots=True)
class StageSize:
    """How large the database is at one stage."""

    accounts: int
    decisions: int
    """Of all kinds. The opening of an account is one, so there are at least as many as accounts."""


def stages_of(accounts: Sequence[int], decisions: Sequence[int]) -> list[StageSize]:
    """The stages of a run, which must grow.

    Raises:
        BenchmarkError: they do not, or there are not as many of the one as of the other.
    """
    if len(accounts) != len(decisions):
        raise BenchmarkError(f"expected one number of decisions for each of {len(accounts)} of accounts")
    if any(later <= earlier for earlier, later in zip((0, *accounts), accounts, strict=False)):
        raise BenchmarkError("expected each stage to have more accounts than the one before")
    if any(later < earlier for earlier, later in zip((0, *decisions), decisions, strict=False)):
        raise BenchmarkError("expected no stage to have fewer decisions than the one before")
    return [StageSize(*each) for each in zip(accounts, decisions, strict=True)]


def require_room(stages: Sequence[StageSize], place: Path) -> None:
    """What the last stage takes must be free, or a run would fail after an hour.

    Args:
        stages: of the run.
        place: where the database keeps its data; it exists.

    Raises:
        BenchmarkError: it is not.
    """
    needed = max(stages[-1].decisions, stages[-1].accounts) * BYTES_A_DECISION + BYTES_BESIDES
    free = shutil.disk_usage(place).free
    if free < needed:
        msg = f"expected {needed / 1e9:.0f} GB free on {place}, found {free / 1e9:.0f}: name fewer decisions"
        raise BenchmarkError(msg)


@dataclass(frozen=True, slots=True)
class LaneAccounts:
    """The numbers of the accounts that a stage adds to one lane, by how they come to be."""

    template: Sequence[int]
    """Their lives are settled by a worker."""
    copies: Sequence[int]
    """As many copies of the template as fit, one after the other."""
    left_over: Sequence[int]
    """Only opened, by a worker."""


def shared_out(first: int, end: int, lanes: int, progress: Callable[[int], object]) -> list[LaneAccounts]:
    """Put the accounts numbered from `first` to below `end` on their home lanes, and cut each lane's into copies.

    All lanes get as many copies, for what one sends to merchants the others receive; so a few accounts are left over.

    Args:
        first, end: the numbers.
        lanes: how many there are.
        progress: told how many more were done.
    """
    homes = [array("L") for _ in range(lanes)]
    for number in range(first, end):
        homes[lane_of(account_id(number).encode(), lanes)].append(number)
        if number % REPORT_EVERY == 0:
            progress(REPORT_EVERY)
    fewest = min(map(len, homes))
    size = max(1, min(MOST_OF_A_LANE, fewest // (COPIES_AT_LEAST + 1)))
    copied = size * (fewest // size)
    return [LaneAccounts(each[:size], each[size:copied], each[copied:]) for each in homes]
