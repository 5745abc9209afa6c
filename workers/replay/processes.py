"""Lanes side by side: each is read by one of a few processes, which tell together how far they have come."""

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from typing import Any, TypeVar

from workers.collecting import collect_seldom
from workers.replay.history import RecordedHistory

ResultT = TypeVar("ResultT")

Tell = Callable[[int, int], None]
"""Called by a lane's work with how many more offsets (`RecordedBatch.offsets`) and records it has done."""

LaneWork = Callable[[RecordedHistory, int, Tell], Coroutine[Any, Any, ResultT]]
"""What is done for one lane: a coroutine function at the top of a module, so that another process finds it."""

TOLD_EVERY_S = 0.2


class StoppedError(Exception):
    """Raised by `tell` in a lane's work when another lane's has failed, or nobody waits for it any more."""


class ProcessKilledError(Exception):
    """A process that read lanes was killed, so nothing came of any of it."""


@dataclass(frozen=True, slots=True)
class _Shared:
    """What all processes see."""

    offsets: "Synchronized[int]"
    records: "Synchronized[int]"
    stopped: Event

    def tell(self, offsets: int, records: int) -> None:
        if self.stopped.is_set():
            raise StoppedError
        with self.offsets.get_lock():
            self.offsets.value += offsets
            self.records.value += records


async def each_lane(
    history: RecordedHistory, work: LaneWork[ResultT], told: Tell, *, processes: int | None = None
) -> Mapping[int, ResultT]:
    """Do the work of every lane, each lane in one process from its beginning to its end.

    The processes end with this one, however it ends.

    Args:
        history: what the work is called with; both go to the processes as they are.
        work: for one lane; its result comes back.
        told: called here now and then, and at the end, with the offsets and records done by all lanes so far.
        processes: at most so many; None: one for each processor.

    Returns:
        The results by lane.

    Raises:
        Exception: what the work of a lane raised first; the others are stopped.
        ProcessKilledError: a process was killed.
    """
    context = multiprocessing.get_context("spawn")
    shared = _Shared(context.Value("q", 0), context.Value("q", 0), context.Event())
    most = min(processes or os.cpu_count() or 1, len(history.extents))
    pool = ProcessPoolExecutor(most, mp_context=context, initializer=_begin, initargs=(shared,))
    loop = asyncio.get_running_loop()
    longest_first = sorted(history.extents, key=lambda lane: -history.extents[lane].offsets)
    running = {lane: loop.run_in_executor(pool, _work, work, history, lane) for lane in longest_first}
    try:
        waiting = set(running.values())
        while waiting:
            done, waiting = await asyncio.wait(waiting, timeout=TOLD_EVERY_S, return_when=asyncio.FIRST_EXCEPTION)
            for each in done:
                each.result()
            told(shared.offsets.value, shared.records.value)
        return {lane: running[lane].result() for lane in history.extents}
    except BrokenProcessPool as error:
        raise ProcessKilledError(
            "a process that read lanes was killed, by somebody or for want of memory (--processes N needs less of it):"
            " start it again"
        ) from error
    finally:
        shared.stopped.set()
        pool.shutdown(cancel_futures=True)


_shared: _Shared


def _begin(shared: _Shared) -> None:
    """Begin a process: it ends with its parent, and leaves Ctrl-C to it."""
    global _shared  # noqa: PLW0603  a pool hands things to its processes this way only
    _shared = shared
    collect_seldom()
    belong_to_parent()


def belong_to_parent() -> None:
    """Let a process that was spawned end with its parent, and leave Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _work(work: LaneWork[ResultT], history: RecordedHistory, lane: int) -> ResultT:
    return asyncio.run(work(history, lane, _shared.tell))
