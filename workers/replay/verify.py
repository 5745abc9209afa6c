"""`replay verify`: prove that the database is what its topics and its lane-log come to.

Source: docs/replay.md.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from settlement.terms import TermsBook, TermsError
from settlement.version import RULES_VERSION
from storage.database import Connection
from storage.identity import identity
from storage.recorded import SQL
from workers.replay.difference import NOTHING, Difference, shown
from workers.replay.history import fixed
from workers.replay.processes import Tell, each_lane
from workers.replay.report import Report
from workers.replay.verification import Job, verify_lane
from workers.settings.model import Settings


@dataclass(frozen=True, slots=True)
class Options:
    """What is verified, and how.

    Args:
        lanes: their numbers; none: all.
        processes: lanes at a time; None: one for each processor.
        directory: of an export that is read before the brokers.
    """

    lanes: Sequence[int] = ()
    processes: int | None = None
    directory: Path | None = None


async def verify(settings: Settings, connection: Connection, options: Options, began: Callable[[int], Tell]) -> Report:
    """Verify a database against its topics, up to where its lanes are, while workers go on.

    Args:
        settings: of both.
        connection: outside a transaction; reading is enough (role postpay_auditor).
        options: what is verified.
        began: told how many offsets there are to read; returns what is told of progress.

    Raises:
        BrokerUnreachableError, KafkaError: the brokers are away.
        asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError: the database is.
    """
    # The end is fixed before the database is looked at: it has all that the lane-log has then.
    begun = time.monotonic()
    history = await fixed(settings, directory=options.directory)
    if options.lanes:
        history = replace(history, extents={lane: history.extents[lane] for lane in options.lanes})
    findings = await _of_terms(connection)
    job = Job(str((await identity(connection)).database_id))
    told = began(sum(extent.offsets for extent in history.extents.values()))
    reports = await each_lane(history, partial(verify_lane, job), told, processes=options.processes)
    in_order = [reports[lane] for lane in sorted(reports)]
    return Report(in_order, findings, RULES_VERSION, time.monotonic() - begun)


async def _of_terms(connection: Connection) -> list[Difference]:
    """Terms documents that are not what their digest names; decisions were made by those."""
    findings = []
    for row in await connection.fetch(SQL["terms"]):
        where = f"terms {row['digest'].hex()}"
        try:
            digest = TermsBook.parse(json.loads(row["document"])).digest
        except TermsError as error:
            findings.append(Difference(where, "document", str(error), NOTHING))
            continue
        if digest != row["digest"]:
            findings.append(Difference(where, "digest", shown(row["digest"]), shown(digest), note="by its document"))
    return findings
