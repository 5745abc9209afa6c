"""Copies the template of one lane, in a process of its own: rows by INSERT … SELECT, then the hash chain over them.

Rows of a piece are copied in their order, each piece for all tables, so what is held in memory is one piece.
"""

import asyncio
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.sharedctypes import Synchronized
from typing import Any

from benchmarks.growth.statements import SQL
from benchmarks.load import account_id
from storage import bulk, chain, recorded
from storage.database import Connection, connect
from storage.outcomes import DecisionRow, PostingRow
from workers.replay.processes import belong_to_parent

PIECE_ROWS = 100_000
"""Decisions copied by one statement, about."""
DECISIONS_AT_ONCE = 5_000
"""Read to be hashed."""
TOLD_EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class LaneToFill:
    """What a process needs to fill one lane.

    `numbers` are those of the accounts to be made: of the first copy, of the second and so on; `size` is how many
    accounts the template has.
    """

    dsn: str
    lane: int
    copies: int
    size: int
    numbers: Sequence[int]
    marks: dict[str, bytes]
    """Fingerprints of the last records of its topics."""


@dataclass(frozen=True, slots=True)
class LaneFilled:
    """Where a lane stands after the fill, for its lane-log."""

    lane: int
    epoch: int
    batch_seq: int
    lane_time: datetime
    terms_digest: bytes
    chain_hash: bytes
    copy_s: float
    chain_s: float


def fill_lanes(jobs: Sequence[LaneToFill], told: Callable[[int], object]) -> list[LaneFilled]:
    """Fill lanes side by side, one for each processor.

    Args:
        jobs: one for each lane.
        told: how many decisions more were copied, or hashed.
    """
    context = multiprocessing.get_context("spawn")
    done = context.Value("q", 0)
    pool = ProcessPoolExecutor(os.cpu_count(), mp_context=context, initializer=_begin, initargs=(done,))
    try:
        running = [pool.submit(_fill, job) for job in jobs]
        seen, waiting = 0, set(running)
        while waiting:
            ended, waiting = wait(waiting, timeout=TOLD_EVERY_S)
            for each in ended:
                each.result()
            seen, before = done.value, seen
            told(seen - before)
        return [each.result() for each in running]
    finally:
        # Where one failed, or somebody ends the run, the others are not waited for: they end with the database.
        pool.shutdown(wait=False, cancel_futures=True)


_done: "Synchronized[int]"


def _begin(done: "Synchronized[int]") -> None:
    """Begin a process: it ends with its parent, and leaves Ctrl-C to it."""
    global _done  # noqa: PLW0603  a pool hands things to its processes this way only
    _done = done
    belong_to_parent()


def _tell(more: int) -> None:
    with _done.get_lock():
        _done.value += more


def _fill(job: LaneToFill) -> LaneFilled:
    return asyncio.run(_filled(job))


async def _filled(job: LaneToFill) -> LaneFilled:
    connection = await connect(job.dsn, application_name=f"growth lane {job.lane}")
    try:
        await connection.execute(SQL["hurry"])
        batches = await connection.fetch(SQL["batches"], job.lane, job.copies)
        begun = time.perf_counter()
        await _copy(connection, job, sum(batch["decisions"] for batch in batches))
        copied = time.perf_counter()
        chain_hash = await _chained(connection, job, batches)
        moved = await _moved(connection, job, chain_hash)
    finally:
        await connection.close()
    return LaneFilled(
        job.lane,
        moved["epoch"],
        moved["batch_seq"],
        moved["lane_time"],
        moved["terms_digest"],
        chain_hash,
        copied - begun,
        time.perf_counter() - copied,
    )


async def _copy(connection: Connection, job: LaneToFill, decisions: int) -> None:
    """Copy all rows but the batches'."""
    at_once = max(1, PIECE_ROWS // max(1, decisions))
    await connection.execute(SQL["members"])
    for first in range(0, job.copies, at_once):
        end = min(first + at_once, job.copies)
        await connection.execute(SQL["members"])
        await connection.copy_records_to_table("member", records=_members(job, first, end))
        await connection.fetch(SQL["copy_things"], job.lane)
        await connection.execute(SQL["copy_decisions"], job.lane)
        await connection.execute(SQL["copy_postings"], job.lane)
        _tell(decisions * (end - first))


def _members(job: LaneToFill, first: int, end: int) -> list[tuple[int, int, str, str]]:
    """What the marks become in some copies; at place 0, of who is no account and stays the same but for derived ids."""
    members = [(copy, 0, "", f"f{copy:011x}") for copy in range(first, end)]
    numbers = enumerate(job.numbers[first * job.size : end * job.size])
    members += [
        (first + n // job.size, n % job.size + 1, account_id(number), f"{number:012x}") for n, number in numbers
    ]
    return members


async def _chained(connection: Connection, job: LaneToFill, batches: Sequence[Any]) -> bytes:
    """Write the batches of all copies, each with its hash; the last one's."""
    previous: bytes = await connection.fetchval(SQL["standing"], job.lane)
    rows = bulk.LaneCopy(connection, job.lane)
    for batch in batches:
        size = batch["decisions"]
        at_once = max(1, DECISIONS_AT_ONCE // max(1, size))
        for first in range(0, job.copies, at_once):
            end = min(first + at_once, job.copies)
            begin = batch["first_seq"]
            span = ([job.lane], begin + first * size, begin + end * size)
            decisions = list(map(DecisionRow._make, await connection.fetch(recorded.SQL["decisions"], *span)))
            postings = _by_batch(await connection.fetch(recorded.SQL["postings"], *span), begin + first * size, size)
            for copy in range(first, end):
                place = (copy - first) * size
                number = batch["batch_seq"] + copy
                made = decisions[place : place + size]
                previous = chain.link(previous, number, batch["lane_time"], made, postings.get(copy - first, ()))
                offsets = zip(batch["topics"], batch["first_offsets"], batch["offset_steps"], strict=True)
                await rows.batch(
                    number,
                    batch["lane_time"],
                    begin + copy * size,
                    chain.Recorded(made, [], previous),
                    {topic: offset + (copy + 1) * step for topic, offset, step in offsets},
                    datetime.now(UTC),
                )
            _tell(size * (end - first))
    await rows.flush()
    return previous


def _by_batch(postings: Sequence[Any], begin: int, size: int) -> dict[int, list[PostingRow]]:
    """Postings by which batch of a few of one size they are of."""
    found: dict[int, list[PostingRow]] = {}
    for row in postings:
        found.setdefault((row[0] - begin) // size, []).append(PostingRow._make(row))
    return found


async def _moved(connection: Connection, job: LaneToFill, chain_hash: bytes) -> Any:
    """Let the lane's own rows say what is there now."""
    async with connection.transaction():
        await connection.execute(SQL["move_offsets"], job.lane, [*job.marks], [*job.marks.values()], job.copies)
        for statement in ("move_platform", "move_activity", "move_merchants"):
            await connection.execute(SQL[statement], job.lane, job.copies)
        moved = await connection.fetchrow(SQL["move_lane"], job.lane, chain_hash, job.copies)
        await connection.execute(SQL["move_relay"], job.lane)
    return moved
