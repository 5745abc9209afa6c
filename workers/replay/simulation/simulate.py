"""`replay simulate`: the history once more, by the recorded terms and by other ones. Source: docs/replay.md."""

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from settlement.terms import TermsBook
from workers.replay.extent import HistoryError
from workers.replay.history import RecordedHistory
from workers.replay.processes import Tell, each_lane
from workers.replay.simulation.deciding import Job, LaneResult, simulate_accounts, simulate_merchants
from workers.replay.simulation.report import SimulationReport
from workers.replay.simulation.terms import OtherTerms


async def simulate(
    history: RecordedHistory,
    terms: OtherTerms,
    first: Mapping[str, Any],
    told: Tell,
    *,
    database: bool = True,
    account: str | None = None,
    processes: int | None = None,
) -> SimulationReport:
    """Decide a history in two stories, and compare them.

    Args:
        history: all lanes.
        terms: of the other story.
        first: the terms document that the history began with.
        told: of progress; twice the history's offsets in all, for accounts and for merchants.
        database: whether the database is asked what failed by defects of postpay.
        account: the account whose steps are told.
        processes: lanes at a time; None: one for each processor.

    Raises:
        TermsError: the terms can't follow the recorded ones.
        HistoryError: the history is not whole.
        BrokerUnreachableError, KafkaError: the brokers are away.
        asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError: the database is.
    """
    begun = time.monotonic()
    if history.ancestries:
        lanes_before = min(stretch.lanes for stretches in history.ancestries.values() for stretch in stretches)
        msg = (
            f"lanes were split, from {lanes_before} to {history.settings.lanes}, and a simulation reads no story of two"
            " numbers of lanes. Simulate an export of the time before it (--from DIR --offline)"
        )
        raise HistoryError(msg)
    book = terms.in_place_of(TermsBook.parse(dict(first)))
    done = [0, 0]
    result = LaneResult()
    with TemporaryDirectory(prefix="postpay-simulation-") as folder:
        job = Job(terms, first, Path(folder), database, account)
        for work in (simulate_accounts, simulate_merchants):
            before = tuple(done)

            def told_too(offsets: int, records: int, before: tuple[int, ...] = before) -> None:
                done[:] = before[0] + offsets, before[1] + records
                told(*done)

            lanes = await each_lane(history, partial(work, job), told_too, processes=processes)
            for lane in sorted(lanes):
                result.add(lanes[lane])
    return SimulationReport(result, book, terms.from_date, len(history.extents), account, time.monotonic() - begun)
