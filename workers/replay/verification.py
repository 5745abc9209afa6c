"""`replay verify` of one lane: decide it again from its topics and its lane-log, and compare with the database.

Batches are compared as far as the lane-log reaches; what never changes once written needs no snapshot for that. What
the lane is in the end is compared in one snapshot, up to whose batch the replay then goes, taking the last few records
of the lane-log from the outbox: a worker may have settled them and not sent them yet.

Source: docs/replay.md.
"""

import json
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from settlement.draft import Rules
from settlement.terms import TermsBook
from settlement.version import RULES_VERSION
from storage import branches, recorded
from storage.database import Connection, connect
from storage.recorded import SQL, BatchRows
from workers.lanes.deciding import Decided, Decider
from workers.lanes.lanelog import BatchLog, decode_log
from workers.lanes.outgoing import Outgoing, unpack
from workers.lanes.working_days import working_days
from workers.replay import checkpoint
from workers.replay.difference import NOTHING, Difference, of_batch, shown
from workers.replay.extent import HistoryError
from workers.replay.failures import NO_FAILURES, Failures, failures_of
from workers.replay.history import LaneHistory, RecordedHistory, fixed
from workers.replay.lane_replay import LaneReplay
from workers.replay.merge import FIXED_RULE, RecordedBatch
from workers.replay.outputs import SentOutputs, sent_outputs
from workers.replay.processes import Tell
from workers.replay.report import LaneReport
from workers.replay.spill import Spill
from workers.replay.state import StateComparison

TAIL = 200
"""Batches that are decided within the snapshot in which a lane's end is compared. With more to go, the history is fixed
anew first: a replay is faster than what it follows, so that ends."""
ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Job:
    """What to verify besides.

    Args:
        database_id: of the database that must have written the lane-log.
        outputs: whether the output topics are compared as well.
        checkpoints: folder in which lanes that are found equal are kept; None: they are not.
        from_batch: lanes begin with their last checkpoint before this batch; with the first batch where there is none.
    """

    database_id: str
    outputs: bool = True
    checkpoints: Path | None = None
    from_batch: int = 1


async def verify_lane(job: Job, history: RecordedHistory, lane: int, tell: Tell) -> LaneReport:
    """Verify one lane.

    Args:
        job: what to verify.
        history: with its end.
        lane: its number.
        tell: of progress.

    Raises:
        BrokerUnreachableError, KafkaError: the brokers are away.
        asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError: the database is.
    """
    begun = time.monotonic()
    postgres = history.settings.postgres
    connection = await connect(postgres.dsn, application_name="postpay-replay", password=postgres.read_password)
    try:
        with TemporaryDirectory(prefix="postpay-replay-") as folder:
            replay, sent_to = await begin(job, history, lane, connection, Path(folder) / f"lane-{lane}.sqlite")
            try:
                verification = LaneVerification(job, history, lane, tell, connection, replay, sent_to)
                await verification.run()
                if job.checkpoints is not None and verification.is_proven:
                    checkpoint.save(job.checkpoints, job.database_id, replay, verification.sent_to)
            finally:
                replay.tables.spill.close()
    finally:
        await connection.close()
    verification.report.seconds = time.monotonic() - begun
    return verification.report


async def begin(
    job: Job, history: RecordedHistory, lane: int, connection: Connection, path: Path
) -> tuple[LaneReplay, dict[str, int]]:
    """The lane before its first batch that is to be decided, and up to where its output topics were compared."""
    settings = history.settings
    decider = Decider(lane, settings.lanes, event_clock=settings.clock == "event")
    if job.checkpoints is not None:
        found = checkpoint.latest(job.checkpoints, job.database_id, decider, job.from_batch)
        if found is not None:
            return checkpoint.restore(job.checkpoints, found, decider, path)
    rows = await connection.fetch(SQL["terms"])
    first = Rules(TermsBook.parse(json.loads(rows[0]["document"])), working_days())
    stretches = history.stretches(lane)
    return LaneReplay.from_the_beginning(stretches, first, Spill(path), event_clock=decider.event_clock), {}


class LaneVerification:
    """Verifies one lane, from where its replay stands.

    Args:
        job: what to verify.
        history: with the first end.
        lane: its number.
        tell: of progress.
        connection: outside a transaction; reading is enough (role postpay_auditor).
        replay: of the lane.
        sent_to: by output topic, up to where it was compared; the attribute follows.
    """

    def __init__(
        self,
        job: Job,
        history: RecordedHistory,
        lane: int,
        tell: Tell,
        connection: Connection,
        replay: LaneReplay,
        sent_to: Mapping[str, int],
    ) -> None:
        self.report = LaneReport(lane, from_batch=replay.standing.batch_seq + 1, to_batch=replay.standing.batch_seq)
        self.sent_to = sent_to
        self._job = job
        self._history = history
        self._lane = lane
        self._tell = tell
        self._connection = connection
        self._replay = replay
        self._failures: dict[int, Failures] = {}
        self._outputs: SentOutputs | None = None
        self._follows_only = False
        """Whether the lane can't be decided any more, and only hashes are compared."""

    @property
    def is_proven(self) -> bool:
        """Whether everything was compared and is as it was decided, by these rules alone."""
        report = self.report
        return report.difference is None and report.state_rows is not None and not report.state_by_rules

    async def run(self) -> None:
        """Verify it; what was found is in the report."""
        report = self.report
        try:
            async with self._sent():
                report.difference = await self.through(self._history) or await self._to_the_end()
        except HistoryError as broken:
            report.difference = Difference(
                "its history", None, str(broken), NOTHING, self._replay.standing.batch_seq + 1
            )
        report.gaps = self._replay.gaps
        extent = self._history.extents[self._lane]
        if extent.last is None and extent.offsets and report.unfinished and not report.batches:
            await self._by_fixed_rule()

    async def _by_fixed_rule(self) -> None:
        """Without a lane-log nothing can be proven: tell what the records come to by the fixed rule."""
        decider, tables = replace(self._replay.decider, event_clock=True), self._replay.tables
        standing = self._replay.standing
        async with self._history.lane(self._lane) as opened:
            async for batch in opened.unlogged_batches():
                undecided = decider.sort_out(batch.taken, standing, batch.now)
                due = tables.due_parties(undecided.until or batch.now, sys.maxsize)
                decided = await decider.decide(undecided, due, tables.load)
                tables.keep(decided)
                standing = decided.after
                self.report.messages += len(batch.taken)
                self._tell(batch.offsets, len(batch.taken))
        self.report.unfinished = (
            f"{FIXED_RULE}; by it {self.report.messages:,} messages in {standing.batch_seq:,} batches come to hash"
            f" {standing.chain_hash.hex()}"
        )

    async def through(self, history: RecordedHistory) -> Difference | None:
        """Go on as far as the lane-log reaches."""
        last = history.last_batch(self._lane)
        position = self._replay.standing.batch_seq
        if last is None or last <= position:
            return None
        self._failures = await failures_of(self._connection, self._lane)
        rows = _InTurn(recorded.story(self._connection, self._lane, position, last))
        async with aclosing(history.batches(self._lane, position + 1)) as batches:
            async for batch in batches:
                found = await self._batch(batch, await rows.of(position := position + 1))
                if found is not None:
                    return found
        return None

    @asynccontextmanager
    async def _sent(self) -> AsyncIterator[None]:
        """With the output topics open, if they are to be compared: their ends are fixed after that of the lane-log."""
        if not self._job.outputs:
            yield
            return
        async with sent_outputs(self._history.settings, self._lane, self.sent_to) as self._outputs:
            yield
        self.report.outputs, self.report.outputs_gone = self._outputs.compared, self._outputs.gone.total()
        self.sent_to = self._outputs.positions

    async def _to_the_end(self) -> Difference | None:
        """Go on to where the database is, and compare what the lane is then."""
        for _ in range(ROUNDS if self._history.source.brokers else 0):
            row = await self._connection.fetchrow(SQL["standing"], self._lane)
            if row["batch_seq"] - self._replay.standing.batch_seq <= TAIL:
                break
            found = await self.through(await fixed(self._history.settings, self._history.source))
            if found is not None:
                return found
        if not self._history.source.brokers:
            return await self._in_one_snapshot(None)
        async with _open_ended(self._history, self._lane).lane(self._lane) as opened:
            return await self._in_one_snapshot(opened)

    async def _in_one_snapshot(self, opened: LaneHistory | None) -> Difference | None:
        """Decide the last few batches, and compare what the lane is then.

        Args:
            opened: to read the batches' records from; None where there is nothing more than what was read.
        """
        async with self._connection.transaction(isolation="repeatable_read", readonly=True):
            await self._connection.execute(SQL["hold_partitions"])
            await self._connection.execute(SQL["be_patient"])
            row = await self._connection.fetchrow(SQL["standing"], self._lane)
            found = None if opened is None else await self._tail(opened, row["batch_seq"])
            if found is None:
                self._replay.go_on()
            return found or await self._state(row["batch_seq"])

    async def _tail(self, opened: LaneHistory, end: int) -> Difference | None:
        """The batches that are not in the lane-log yet, as the snapshot's outbox has them."""
        position = self._replay.standing.batch_seq
        if end <= position:
            return None
        self._failures = await failures_of(self._connection, self._lane)
        logs = await self._unsent(position, end)
        rows = _InTurn(recorded.batches(self._connection, self._lane, position, end))
        for log in logs:
            if log.batch_seq != position + 1:
                break
            found = await self._batch(await opened.batch(log), await rows.of(position := position + 1))
            if found is not None:
                return found
        return None

    async def _unsent(self, after: int, end: int) -> list[BatchLog]:
        parts: dict[int, list[bytes]] = {}
        for row in await self._connection.fetch(SQL["unsent"], self._lane, after, end):
            parts.setdefault(row["batch_seq"], []).append(row["messages"])
        logs = [decode_log(unpack(batch_seq, each).messages[-1].value) for batch_seq, each in parts.items()]
        return [log for log in logs if isinstance(log, BatchLog)]

    async def _state(self, end: int) -> Difference | None:
        position = self._replay.standing.batch_seq
        if end < position:
            where = f"the lane's row: batch {position} is in the lane-log"
            return Difference(where, "batch_seq", shown(end), shown(position))
        if end > position:
            self.report.unfinished = (
                f"the database is at batch {end}, and the history ends with batch {position}; verify with the brokers,"
                " and when everything is relayed (postpay lag)"
            )
            return None
        diverged = self.report.diverged
        if diverged is not None:
            self.report.unfinished = (
                f"under rules version {diverged.rules_version} the lane came out differently than here, so balances"
                " can't be compared with it; postpay audit compares them with their postings"
            )
            return None
        replay = self._replay
        begins = await branches.begins(self._connection, self._lane)
        comparison = StateComparison(
            self._connection, replay.tables, replay.standing, replay.positions, begins.batch_seq
        )
        comparison.other_versions = self.report.versions.keys() - {RULES_VERSION} != set()
        found = await comparison.first_difference()
        if found is None and self._outputs is not None:
            found = await self._outputs.beyond()
        self.report.state_rows, self.report.state_by_rules = comparison.rows, comparison.by_rules
        self.report.first_by_rules = comparison.first_by_rules
        return found

    async def _batch(self, batch: RecordedBatch, rows: BatchRows | None) -> Difference | None:
        """Decide one batch again and compare it."""
        log = batch.log
        assert log is not None  # only of a history without a lane-log
        if log.database_id != self._job.database_id:
            where = "its record in the lane-log"
            return Difference(where, "database_id", shown(log.database_id), self._job.database_id, log.batch_seq)
        self._replay.go_on(log.batch_seq)
        found, decided = await self._decided(batch, log, rows)
        version = self.report.version(log.rules_version)
        if found is not None:
            is_ours = log.rules_version == RULES_VERSION and self.report.diverged is None
            changed = self._changed_since(log, rows)
            if rows is None or is_ours or changed:
                note = changed or _of_its_rows(rows)
                return replace(found, batch_seq=log.batch_seq, note=note)
            version.differing += 1
            version.first = version.first or replace(found, batch_seq=log.batch_seq)
        version.batches += 1
        self._take(batch, log, rows, decided)
        return None

    async def _decided(
        self, batch: RecordedBatch, log: BatchLog, rows: BatchRows | None
    ) -> tuple[Difference | None, Decided | None]:
        if self._follows_only:
            return Difference("all of it", None, "decided", "not, as one before it could not be"), None
        try:
            decided = await self._replay.decide(batch, log, self._failures.get(log.batch_seq, NO_FAILURES))
        except Exception as error:  # noqa: BLE001 - whatever it is, it did not happen when the batch was settled
            return Difference("all of it", None, "decided", f"{type(error).__name__}: {error}"), None
        decider = self._replay.decider
        outgoing = Outgoing(log.database_id, decider.lane, log.epoch, decider.lanes)
        found = of_batch(rows, log, decided, outgoing.log(decided, log.offsets))
        is_ours = decider.lane == self._lane  # what another lane has sent is compared with that one
        if found is None and self._outputs is not None and is_ours and self.report.diverged is None:
            last = self._history.extents[self._lane].last
            is_sent = last is not None and log.batch_seq <= last.batch_seq
            found = await self._outputs.compare(outgoing.outputs(decided), all_sent=is_sent)
        return found, decided

    def _changed_since(self, log: BatchLog, rows: BatchRows | None) -> str:
        """Whether the rows are not those that were hashed, in words; empty: they are."""
        if rows is None or rows.is_archived:
            return ""
        by_rows = rows.hash_after(self._replay.standing.chain_hash)
        if by_rows != log.chain_hash:
            return "its rows are not those that were hashed when it was settled: they were changed since"
        if rows.chain_hash != log.chain_hash:
            return "the lane-log has another hash than the database"
        return ""

    def _take(self, batch: RecordedBatch, log: BatchLog, rows: BatchRows | None, decided: Decided | None) -> None:
        assert rows is not None  # or it was a difference
        report = self.report
        if decided is None:
            self._follows_only = True
            standing = replace(self._replay.standing, batch_seq=log.batch_seq, lane_time=log.lane_time)
            self._replay.standing = standing
        else:
            self._replay.keep(decided, log)
        self._replay.follow(log.chain_hash, rows.first_seq + rows.stated)
        report.to_batch = log.batch_seq
        report.messages += len(batch.taken)
        report.decisions += len(rows.decisions)
        report.postings += len(rows.postings)
        report.archived_batches += rows.is_archived
        self._tell(batch.offsets, len(batch.taken))


def _of_its_rows(rows: BatchRows | None) -> str:
    """What can be said of the rows of a batch that is decided differently, as they are those that were hashed."""
    if rows is None:
        return ""
    if rows.is_archived:
        return "its rows are archived, so which of them differs can't be told: postpay archive check"
    return "its rows are those that were hashed when it was settled"


def _open_ended(history: RecordedHistory, lane: int) -> RecordedHistory:
    """The history of a lane without an end, to read batches from that have been settled since."""
    extent = history.extents[lane]
    return replace(history, extents={lane: replace(extent, ends=dict.fromkeys(extent.ends, sys.maxsize))})


class _InTurn:
    """Rows of batches by number, asked for in order; a batch that the database does not have is passed over."""

    def __init__(self, rows: AsyncIterator[BatchRows]) -> None:
        self._rows = rows
        self._next: BatchRows | None = None

    async def of(self, batch_seq: int) -> BatchRows | None:
        """The rows of a batch; None: there are none."""
        if self._next is None:
            self._next = await anext(self._rows, None)
        if self._next is None or self._next.batch_seq != batch_seq:
            return None
        found, self._next = self._next, None
        return found
