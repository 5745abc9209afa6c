"""`replay rebuild` of one lane: decide it again from its topics and its lane-log, and copy it into the new schema.

A batch that does not come to the hash that the lane-log has of it ends the rebuild: what would be written is not what
was decided then and sent.

Source: docs/replay.md, Rebuilding.
"""

import json
from contextlib import aclosing
from dataclasses import astuple, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from contracts.topics import Topic
from settlement.draft import Rules
from settlement.terms import TermsBook
from storage import replacement
from storage.bulk import LaneCopy
from storage.database import Connection, connect
from workers.lanes.fault_points import reached
from workers.lanes.lanelog import BatchLog, BranchLog, decode_log
from workers.lanes.working_days import working_days
from workers.replay.copying import copy_end
from workers.replay.extent import HistoryError
from workers.replay.failures import Failures, add_told
from workers.replay.history import RecordedHistory
from workers.replay.lane_replay import LaneReplay
from workers.replay.merge import RecordedBatch
from workers.replay.packing import unpack
from workers.replay.processes import Tell
from workers.replay.spill import Spill

READ = 1000
"""Offsets of one topic that are read at once."""
BATCHES_LOOKED_UP = 500
"""Batches whose time of commit is read at once."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to rebuild with.

    Args:
        database_id: that wrote the lane-log, and that the new schema gets.
        terms: the document that lanes began with.
        failures: what failed by a defect, as far as the old schema has it.
        has_old: whether there is an old schema, that knows when its batches were committed.
    """

    database_id: str
    terms: dict[str, Any]
    failures: Failures = field(default_factory=Failures)
    has_old: bool = False


@dataclass(frozen=True, slots=True)
class LaneRebuilt:
    """What was rebuilt of a lane: up to which batch, from how many messages, and how many decisions and postings."""

    lane: int
    batch_seq: int
    chain_hash: str
    messages: int
    decisions: int
    postings: int


async def rebuild_lane(job: Job, history: RecordedHistory, lane: int, tell: Tell) -> LaneRebuilt:
    """Rebuild one lane in the new schema, which has nothing of it yet.

    Args:
        job: what to rebuild with.
        history: with its end; nobody writes beyond it.
        lane: its number.
        tell: of progress.

    Raises:
        HistoryError: the history has a hole, or does not come to what its lane-log says.
        BrokerUnreachableError, KafkaError: the brokers are away.
        asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError: the database is.
    """
    postgres = history.settings.postgres
    connection = await connect(postgres.dsn, application_name="postpay-replay", password=postgres.read_password)
    try:
        await connection.execute(replacement.SQL["write_to_rebuilt"])
        await connection.execute(replacement.SQL["act_as_owner"])
        with TemporaryDirectory(prefix="postpay-replay-") as folder:
            rebuilding = LaneRebuilding(job, history, lane, connection, Path(folder) / f"lane-{lane}.sqlite", tell)
            try:
                await rebuilding.run()
            finally:
                rebuilding.close()
    finally:
        await connection.close()
    return rebuilding.rebuilt()


class LaneRebuilding:
    """Rebuilds one lane. Arguments as for `rebuild_lane`; `path` is of a file that is not there yet."""

    def __init__(
        self, job: Job, history: RecordedHistory, lane: int, connection: Connection, path: Path, tell: Tell
    ) -> None:
        settings = history.settings
        self._job = job
        self._history = history
        self._lane = lane
        self._connection = connection
        self._tell = tell
        first = Rules(TermsBook.parse(job.terms), working_days())
        self._replay = LaneReplay.from_the_beginning(
            history.stretches(lane), first, Spill(path), event_clock=settings.clock == "event"
        )
        self._copy = LaneCopy(connection, lane)
        self._committed_at: dict[int, Any] = {}
        self._looked_up = 0
        self._messages = 0

    def close(self) -> None:
        """Close the file."""
        self._replay.tables.spill.close()

    def rebuilt(self) -> LaneRebuilt:
        """What came of it."""
        standing, totals = self._replay.standing, self._replay.tables.totals
        return LaneRebuilt(
            self._lane,
            standing.batch_seq,
            standing.chain_hash.hex(),
            self._messages,
            totals.decisions,
            totals.postings,
        )

    async def run(self) -> None:
        """Decide all batches, copy what they make, and then what the lane is in the end."""
        failures = self._job.failures
        for lane in {stretch.extent.lane for stretch in self._history.stretches(self._lane)}:
            await add_told(failures, self._history.settings, lane)
        async with aclosing(self._history.batches(self._lane)) as batches:
            async for batch in batches:
                await self._batch(batch, failures)
        self._replay.go_on()
        for branch in self._replay.branches:
            if branch.lane == self._lane:
                await self._connection.execute(replacement.SQL["store_branch"], *astuple(branch))
        await self._outcomes()
        await copy_end(self._copy, self._replay)
        reached("rebuild_copied")
        await self._lane_itself(await self._epoch())

    async def _batch(self, batch: RecordedBatch, failures: Failures) -> None:
        assert batch.log is not None  # only of a history without a lane-log
        self._replay.go_on(batch.log.batch_seq)
        before = self._replay.standing
        try:
            decided, log = await self._replay.decide_as_logged(batch, self._job.database_id, failures)
        except HistoryError as error:
            raise HistoryError(f"{error}. Nothing was changed. What to do: docs/runbooks/database-lost.md") from error
        keeps, recorded = self._replay.tables.keeps, decided.recorded
        await self._copy.decided(
            log.batch_seq,
            [row for row in recorded.decisions if keeps(row.party_id)],
            [row for row in recorded.postings if keeps(row.party_id)],
        )
        if log.lane == self._lane:
            next_offsets = {topic: span.next_offset for topic, span in log.offsets.items()}
            committed_at = await self._commit_of(log)
            await self._copy.batch(log.batch_seq, log.lane_time, before.next_seq, recorded, next_offsets, committed_at)
        if decided.after.rules.terms.digest != before.rules.terms.digest:
            terms = decided.after.rules.terms
            document = json.dumps(terms.document, ensure_ascii=False)
            await self._connection.execute(replacement.SQL["store_terms"], terms.digest, document)
        self._replay.keep(decided, log)
        self._messages += len(batch.taken)
        self._tell(batch.offsets, len(batch.taken))

    async def _commit_of(self, log: BatchLog) -> Any:
        """When the batch was committed; of one that the old schema lacks its lane time has to do."""
        if self._job.has_old and log.batch_seq > self._looked_up:
            first, self._looked_up = log.batch_seq, log.batch_seq + BATCHES_LOOKED_UP - 1
            self._committed_at = await replacement.committed_at(self._connection, self._lane, first, self._looked_up)
        return self._committed_at.get(log.batch_seq, log.lane_time)

    async def _outcomes(self) -> None:
        tables = self._replay.tables
        tables.flush_outcomes()
        for name in ("receipt", "dead_letter"):
            await self._copy.outcomes(name, (unpack(content) for _, content in tables.spill.outcomes(name)))

    async def _lane_itself(self, epoch: int) -> None:
        after = self._replay.standing
        await self._connection.execute(
            replacement.SQL["finish_lane"],
            self._lane,
            epoch,
            after.batch_seq,
            after.chain_hash,
            after.lane_time,
            after.next_seq,
            after.rules.terms.digest,
        )
        await self._connection.execute(replacement.SQL["note_relayed"], self._lane, after.batch_seq)

    async def _epoch(self) -> int:
        """The highest epoch that the lane-log knows, of claims and of batches."""
        topic = Topic.LANE_LOG.value
        extent = self._history.extents[self._lane]
        epoch = 0
        async with self._history.lane(self._lane) as opened:
            for first in range(extent.starts[topic], extent.ends[topic], READ):
                for record in await opened.records.read(topic, first, min(first + READ, extent.ends[topic])):
                    log = decode_log(record.value)
                    epoch = epoch if isinstance(log, BranchLog) else max(epoch, log.epoch)
        return epoch
