"""`replay verify`: prove that the database is what its topics and its lane-log come to.

Source: docs/replay.md.
"""

import json
import time
from functools import partial
from pathlib import Path

from settlement.terms import TermsBook, TermsError
from settlement.version import RULES_VERSION
from storage.database import Connection
from storage.identity import identity
from storage.recorded import SQL
from workers.replay.difference import NOTHING, Difference, shown
from workers.replay.history import RecordedHistory
from workers.replay.processes import Tell, each_lane
from workers.replay.report import VerificationReport
from workers.replay.verification import Job, verify_lane


async def verify(
    history: RecordedHistory,
    connection: Connection,
    told: Tell,
    *,
    outputs: bool = True,
    checkpoints: Path | None = None,
    from_batch: int = 1,
    processes: int | None = None,
) -> VerificationReport:
    """Verify a database against its topics, up to where its lanes are, while workers go on.

    Args:
        history: which lanes. Its end was fixed before the database is looked at, so this has all that it has.
        connection: outside a transaction; reading is enough (role postpay_auditor).
        told: of progress, as `each_lane` does.
        outputs: whether to compare the output topics, as far as the brokers have them.
        checkpoints: folder in which lanes that are found equal are kept; None: they are not.
        from_batch: lanes begin with their last checkpoint before this batch.
        processes: lanes at a time; None: one for each processor.

    Raises:
        BrokerUnreachableError, KafkaError: the brokers are away.
        asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError: the database is.
    """
    begun = time.monotonic()
    findings = await _of_terms(connection)
    database_id = str((await identity(connection)).database_id)
    job = Job(database_id, outputs=outputs, checkpoints=checkpoints, from_batch=from_batch)
    reports = await each_lane(history, partial(verify_lane, job), told, processes=processes)
    return VerificationReport(
        [reports[lane] for lane in sorted(reports)], findings, RULES_VERSION, time.monotonic() - begun
    )


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
