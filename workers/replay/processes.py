"""Lanes side by side in processes, one after the other in each: what a lane takes of memory is given back with it."""

import asyncio
import multiprocessing
import os
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.queues import Queue
from queue import Empty
from typing import Any, TypeVar

import uvloop

from workers.collecting import collect_seldom

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")
Tell = Callable[[int], object]
"""Told how many more offsets are done."""
Work = Callable[[JobT, int, Tell], Awaitable[ResultT]]
"""What is done with one lane: a function of a module, so that another process finds it."""

LOOK_S = 0.2
TOLD_AT_ONCE = 2_000
"""Offsets that a process has done before it tells of them."""

_told: "Queue[int] | None" = None


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


async def each_lane(
    work: "Work[JobT, ResultT]", job: JobT, lanes: Sequence[int], processes: int, tell: Tell
) -> list[ResultT]:
    """Do the same with each lane; the results in the order of the lanes.

    Args:
        work: for one lane.
        job: what it is told; sent to the other processes.
        lanes: their numbers.
        processes: at most so many lanes at a time. With one, all is done in this process.
        tell: called here.

    Raises:
        Exception: the first that `work` raised; lanes in progress are done before.
    """
    if processes <= 1:
        return [await work(job, lane, tell) for lane in lanes]
    context = multiprocessing.get_context("spawn")  # a fork would copy sockets, and locks that others hold
    told: Queue[int] = context.Queue()
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(min(processes, len(lanes)), context, _begin, (told,)) as pool:
        results = [loop.run_in_executor(pool, _do, work, job, lane) for lane in lanes]
        pending: set[asyncio.Future[Any]] = set(results)
        try:
            while pending:
                _, pending = await asyncio.wait(pending, timeout=LOOK_S, return_when=asyncio.FIRST_EXCEPTION)
                _pass_on(told, tell)
                if any(each.done() and each.exception() for each in results):
                    break
            return [await each for each in results]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _pass_on(told: "Queue[int]", tell: Tell) -> None:
    while True:
        try:
            tell(told.get_nowait())
        except Empty:
            return


def _begin(told: "Queue[int]") -> None:
    global _told  # noqa: PLW0603 - an initializer of a pool has no other place to leave something
    _told = told
    collect_seldom()


def _do(work: "Work[JobT, ResultT]", job: JobT, lane: int) -> ResultT:
    assert _told is not None
    done = 0

    def tell(more: int) -> None:
        nonlocal done
        done += more
        if done >= TOLD_AT_ONCE:
            flush()

    def flush() -> None:
        nonlocal done
        if done and _told is not None:
            _told.put(done)
        done = 0

    async def worked() -> ResultT:
        return await work(job, lane, tell)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(worked())
    flush()
    return result
