"""`replay verify`: prove that the database is what its topics and its lane-log come to.

Source: docs/replay.md.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from settlement.terms import TermsBook, TermsError
from settlement.version import RULES_VERSION
from storage.database import Connection
from storage.identity import identity
from storage.recorded import SQL
from workers.replay.difference import NOTHING, Difference, shown
from workers.replay.history import fixed
from workers.replay.processes import Tell, each_lane, processors
from workers.replay.report import Report
from workers.replay.verification import Job, verify_lane
from workers.settings.model import Settings


@dataclass(frozen=True, slots=True)
class Options:
    """What is verified, and how.

    Args:
        lanes: their numbers; none: all.
        processes: lanes at a time; 0: as many as there are processors.
        directory: of an export that is read before the brokers.
    """

    lanes: Sequence[int] = ()
    processes: int = 0
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
    findings = [*await _of_terms(connection)]
    database_id = str((await identity(connection)).database_id)
    lanes = list(options.lanes) or sorted(history.extents)
    processes = min(options.processes or processors(), len(lanes))
    tell = began(sum(history.extents[lane].offsets for lane in lanes))
    # The longest first, so that no process is left alone with it in the end.
    in_turn = sorted(lanes, key=lambda lane: -history.extents[lane].offsets)
    reports = await each_lane(verify_lane, Job(history, database_id), in_turn, processes, tell)
    reports.sort(key=lambda report: report.lane)
    return Report(reports, findings, RULES_VERSION, processes, time.monotonic() - begun)


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
