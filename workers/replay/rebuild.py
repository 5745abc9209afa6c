"""`replay rebuild`: decides all of it again, from topics and lane-log, into a schema that takes the old one's place.

Nothing is sent. The new schema ends with the last batch in the lane-log, so all of it was sent, and what comes after it
is settled as ever once workers run again.

Source: docs/replay.md, Rebuilding.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg

from settlement.terms import TermsBook
from settlement.version import RULES_VERSION
from storage import migrations, replacement
from storage.audit import Check, audit
from storage.identity import Identity
from storage.operator_log import Action, Because, LogOutcome, Note
from storage.replacement import ClaimedError, InUse
from workers.kafka.clients import administering
from workers.kafka.joining import members
from workers.kafka.topics import cluster_id
from workers.lanes.fault_points import reached
from workers.lanes.taken import REFUSED
from workers.lanes.takeover import fence_lanes
from workers.replay.extent import HistoryError
from workers.replay.failures import recorded
from workers.replay.history import HistorySource, RecordedHistory, fixed, provenance
from workers.replay.processes import Tell, each_lane
from workers.replay.rebuilding import Job, LaneRebuilt, rebuild_lane
from workers.settings.model import Settings

Reading = Callable[[str, int], AbstractContextManager[Tell]]
"""Shows how far a reading is: what it is called, and how many offsets there are."""


class AuditFailedError(Exception):
    """An invariant of the books does not hold in the new schema, so it is not put in use."""

    def __init__(self, wrong: Sequence[Check]) -> None:
        self.wrong = wrong
        found = "; ".join(f"{check.name}: {check.detail}" for check in wrong)
        super().__init__(
            f"what was rebuilt breaks an invariant and was not put in use: {found}. See docs/runbooks/database-lost.md"
        )


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What came of a rebuild.

    Args:
        database_id: of the database, as before.
        lanes: in order.
        kept_as: the old schema's name now; None where there was none.
        unsent: batches of the old schema that were never sent. What they settled is settled anew: nobody heard of it.
        invariants: how many were checked.
        seconds: it took.
    """

    database_id: str
    lanes: Sequence[LaneRebuilt]
    kept_as: str | None
    unsent: int
    invariants: int
    seconds: float

    def total(self, name: str) -> int:
        """A figure over all lanes."""
        return sum(getattr(lane, name) for lane in self.lanes)

    def document(self) -> dict[str, Any]:
        """As `--json` gives it."""
        figures = {name: self.total(name) for name in ("messages", "decisions", "postings")}
        return {
            "database_id": self.database_id,
            "rules_version": RULES_VERSION,
            "batches": self.total("batch_seq"),
            **figures,
            "kept_as": self.kept_as,
            "unsent_batches": self.unsent,
            "invariants": self.invariants,
            "seconds": round(self.seconds, 3),
            "per_s": round(figures["messages"] / max(self.seconds, 0.001)),
            "lanes": [asdict(lane) for lane in self.lanes],
        }


async def rebuild(
    settings: Settings,
    source: HistorySource,
    reading: Reading,
    *,
    terms: Mapping[str, Any] | None = None,
    processes: int | None = None,
    accepted: Collection[str] = (),
    because: Because | None = None,
) -> Rebuilt:
    """Rebuild the database that the settings name. It may be empty, but must exist.

    Args:
        settings: of the workers, with a database user who may migrate.
        source: of the history, brokers among it.
        reading: shows progress.
        terms: the document that lanes began with, where no old schema has it; None: those of this release.
        processes: lanes at a time; None: one for each processor.
        accepted: invariants that need not hold, by name: a defect of its time may have broken them, on record.
        because: who does it, and why, for the operator log.

    Raises:
        ClaimedError: workers run.
        HistoryError: the history has a hole, is another database's, or does not come to what its lane-log says.
        AuditFailedError: the new schema is not put in use.
        BrokerUnreachableError, KafkaError: the brokers are away.
        asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError: the database is.
    """
    begun = time.monotonic()
    postgres = settings.postgres
    async with migrations.alone(postgres.dsn, postgres.read_password) as connection:
        found = await replacement.in_use(connection)
        await require_no_workers(settings, connection)
        history = await fixed(settings, source)
        given = await _identity(settings, found, history)
        await fence_lanes(settings, str(given.database_id), history.extents)
        history = await fixed(settings, source)  # again: what was open a moment ago has ended
        first = found.first_terms or dict(terms or TermsBook.builtin().document)
        failed = await replacement.failures(connection, REFUSED) if found.has_tables else []
        await replacement.prepare(connection, found, given, first)
        reached("rebuild_prepared")
        job = Job(str(given.database_id), first, recorded(failed), found.has_tables)
        with reading("rebuilding", sum(extent.offsets for extent in history.extents.values())) as told:
            lanes = await each_lane(history, partial(rebuild_lane, job), told, processes=processes)
        invariants = await require_sound(connection, accepted)
        await require_no_workers(settings, connection)
        reached("rebuild_sound")
        rebuilt = [lanes[lane] for lane in sorted(lanes)]
        note = None if because is None else _note(because, found, given, rebuilt)
        kept_as = await replacement.swap(connection, found, note, partial(reached, "rebuild_exchanged"))
    unsent = sum(max(0, each.batch_seq - lanes[lane].batch_seq) for lane, each in found.lanes.items() if lane in lanes)
    return Rebuilt(str(given.database_id), rebuilt, kept_as, unsent, invariants, time.monotonic() - begun)


def _note(because: Because, found: InUse, given: Identity, lanes: Sequence[LaneRebuilt]) -> Note:
    """The new schema, and up to where the one was that it takes the place of."""
    return Note(
        because=because,
        action=Action.REBUILD,
        subject=str(given.database_id),
        outcome=LogOutcome.DONE,
        before={"batches": sum(lane.batch_seq for lane in found.lanes.values())} if found.has_tables else None,
        after={
            "rules_version": RULES_VERSION,
            "batches": sum(each.batch_seq for each in lanes),
            "chain_hashes": {str(each.lane): each.chain_hash for each in lanes},
        },
    )


async def require_no_workers(settings: Settings, connection: asyncpg.Connection) -> None:
    """Nobody may hold a claim.

    Raises:
        ClaimedError: somebody sits in the group, or is connected to the database as a worker.
    """
    async with administering(settings.kafka) as admin:
        sitting = await members(admin, settings.group)
    connected = await replacement.connected_workers(connection)
    if sitting or connected:
        who = sitting or ", ".join(connected)
        msg = (
            f"workers hold lanes of group {settings.group!r}: {who}. Stop them all first; one that was killed leaves"
            f" the group after {settings.worker.session_timeout_s:g} s"
        )
        raise ClaimedError(msg)


async def _identity(settings: Settings, found: InUse, history: RecordedHistory) -> Identity:
    """Which database it is: the one that wrote the lane-log.

    Raises:
        HistoryError: nothing says that, or the old schema is another's.
    """
    named = (await provenance(settings, history.extents)).database_id
    old = found.identity
    if old is not None and old.lanes not in {stretch.lanes for stretch in history.stretches(0)}:
        raise HistoryError(f"the database was made for {old.lanes} lanes, and POSTPAY_LANES says {settings.lanes}")
    settled = sum(lane.batch_seq for lane in found.lanes.values())
    if old is not None and settled and named and str(old.database_id) != named:
        msg = (
            f"the lane-log was written by database {named}, and this one is {old.database_id}, with batches of its own:"
            " name the database that belongs to these topics (POSTPAY_POSTGRES__DSN), or an empty one"
        )
        raise HistoryError(msg)
    if not named:
        msg = "no lane-log has a batch, so there is nothing to rebuild; a new database is made by: postpay migrate"
        raise HistoryError(msg)
    cluster = await cluster_id(settings)
    return Identity(UUID(named), settings.lanes, cluster, settings.topics.prefix, settings.group)


async def require_sound(connection: asyncpg.Connection, accepted: Collection[str]) -> int:
    """All other invariants must hold of the new schema; how many hold.

    Raises:
        AuditFailedError: one does not.
    """
    await connection.execute(replacement.SQL["analyze"])
    checks = await audit(connection)
    wrong = [check for check in checks if not check.ok]
    if {check.name for check in wrong} - set(accepted):
        raise AuditFailedError(wrong)
    return len(checks) - len(wrong)
