"""One batch of one lane: one database transaction from the lane's lock to COMMIT.

Lock the lane row and compare the epoch, leave out what is settled already, load, decide, encode, write. Nothing of it
is seen by anybody before COMMIT, and everything of it after. If the answer to COMMIT is lost, the lane row tells on the
next try whether it happened.

Protocol: docs/protocol.md, Input.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime

import asyncpg

from contracts.decode import restore
from settlement.batch import Settled
from settlement.decision import InvariantBrokenError, Outcome
from settlement.draft import Rules
from settlement.messages import Input
from settlement.party import Party
from settlement.subjects import references
from settlement.terms import TermsBook
from storage import lanes, load, write
from storage.company import Company
from storage.database import Connection, borrowed, suit
from storage.identity import Identity
from storage.lanes import FencedError, LaneClaim, LaneLock, Position
from storage.parked import ParkedRow
from workers.counted import type_of
from workers.lanes.claims import LaneStoppedError, fingerprint
from workers.lanes.deciding import Decided, Decider, Standing
from workers.lanes.fault_points import reached
from workers.lanes.lanelog import BatchLog, OffsetRange
from workers.lanes.outgoing import Outgoing, Relayable, packed
from workers.lanes.taken import SentBatch, Taken
from workers.lanes.working_days import working_days
from workers.settings.model import Settings
from workers.status import WorkerStatus
from workers.tracing import UNTRACED, BatchTrace

MORE_TIMERS = 4
MOST_TIMERS = 10_000_000
"""There can't be more of one lane: then there are fewer parties with due timers than are looked for."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """A batch that was written; what the lane goes on from once it is committed."""

    decided: Decided
    relayable: Relayable
    positions: Mapping[str, Position]
    next_due_at: datetime | None


class Settler:
    """Settles the batches of one claim of one lane, one at a time.

    Args:
        claim: what the database says of the lane.
    """

    def __init__(
        self,
        claim: LaneClaim,
        *,
        settings: Settings,
        identity: Identity,
        pool: asyncpg.Pool,
        status: WorkerStatus,
        trace: BatchTrace = UNTRACED,
    ) -> None:
        self.lane = claim.lane
        self.epoch = claim.epoch
        self.next_due_at: datetime | None = datetime.min.replace(tzinfo=UTC)
        """When the next timer is due, or earlier; None when there is none. Before the first look: always."""
        rules = Rules(TermsBook.parse(claim.terms_document), working_days())
        self._standing = Standing(
            claim.batch_seq, claim.chain_hash, claim.next_seq, claim.lane_time, rules, claim.totals
        )
        self._positions = dict(claim.positions)
        self._attempted: Settlement | None = None
        self._confirmed: list[Settlement] = []
        self._timers_per_batch = settings.worker.timers_per_batch
        self._decider = Decider(claim.lane, settings.lanes, event_clock=settings.clock == "event")
        self._outgoing = Outgoing(str(identity.database_id), claim.lane, claim.epoch, settings.lanes)
        self._pool = pool
        self._status = status
        self._trace = trace

    @property
    def batch_seq(self) -> int:
        """The last batch that is settled."""
        return self._standing.batch_seq

    @property
    def positions(self) -> Mapping[str, Position]:
        """What is settled, by topic."""
        return self._positions

    def timers_due(self, database_now: datetime) -> bool:
        """Whether a timer may be due by now."""
        now = self._standing.lane_time if self._decider.event_clock else database_now
        return self.next_due_at is not None and now is not None and self.next_due_at <= now

    async def settle(
        self, taken: Sequence[Taken], read_to: Mapping[str, int], company: Company | None = None
    ) -> Settlement | None:
        """Settle records and due timers in one transaction.

        Args:
            taken: records in merged order.
            read_to: by topic, the position after what is taken, control records included.
            company: in the transaction of which to do it; without one it has its own.

        Returns:
            None when there was nothing left to do.

        Raises:
            FencedError: the lane has been claimed by somebody else.
            InvariantBrokenError: the lane must stop.
            CompanyEndedError: it is to be done alone.
            asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError: as they come. Whether the batch was
                committed, as with a company's end, shows when this is called again, with the same records.
        """
        return await self._in_transaction(
            lambda connection, lock: self._decide_and_write(connection, lock, taken, read_to), company
        )

    async def settle_again(self, batch: SentBatch) -> Settlement:
        """Settle a batch that was sent, with what the lane-log says of it, in one transaction.

        Raises:
            LaneStoppedError: it does not come to what was sent.
            FencedError, InvariantBrokenError, asyncpg.PostgresError, …: as `settle` does.
        """
        settlement = await self._in_transaction(lambda connection, _: self._decide_again(connection, batch))
        assert settlement is not None  # there is always a batch
        return settlement

    async def _in_transaction(
        self, work: Callable[[Connection, LaneLock], Awaitable[Settlement | None]], company: Company | None = None
    ) -> Settlement | None:
        """Do work that writes a batch, or nothing, under the lane's lock."""
        begun = time.monotonic()
        self._trace.begin()
        own = borrowed(self._pool) if company is None else contextlib.nullcontext(company.member(self.lane))
        async with own as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                # Whoever waited for the row would keep other lanes from their turns.
                lock = await lanes.lock(connection, self.lane, self.epoch, wait=False)
                self._look_back(lock)
                settlement = await work(connection, lock)
            except BaseException:
                await _roll_back(transaction)
                raise
            if settlement is None:
                await transaction.rollback()
                return None
            self._attempted = settlement
            reached("before_commit")
            with self._trace.step("commit"):
                await transaction.commit()
            reached("after_commit")
        self._adopt(settlement)
        self._tell(settlement.decided)
        self._status.batch_seconds.observe(time.monotonic() - begun)
        return settlement

    def _tell(self, decided: Decided) -> None:
        records = (
            (taken.record.timestamp_ms, taken.decoded.traceparent if isinstance(taken.decoded, Input) else None)
            for taken in decided.records
        )
        self._trace.committed(decided.after.batch_seq, records)

    def unsettled(self, taken: Sequence[Taken]) -> list[Taken]:
        """Those of some records that are not settled yet."""
        return [each for each in taken if each.record.offset >= self._next_offset(each.record.topic)]

    def take_confirmed(self) -> list[Settlement]:
        """Batches whose COMMIT turned out to have happened though its answer was lost; each is told once."""
        confirmed, self._confirmed = self._confirmed, []
        return confirmed

    def _look_back(self, lock: LaneLock) -> None:
        """Compare the lane row with what this claim believes; find out what became of an unanswered COMMIT.

        Raises:
            FencedError: the database has lost what this claim wrote; the next claim finds out what was sent of it.
            InvariantBrokenError: somebody else has written under this epoch.
        """
        attempted, self._attempted = self._attempted, None
        if attempted is not None and lock.batch_seq == attempted.decided.after.batch_seq:
            self._adopt(attempted)
            self._confirmed.append(attempted)
        believed = self._standing
        if lock.batch_seq < believed.batch_seq:
            msg = (
                f"lane {self.lane} is at batch {lock.batch_seq} in the database, and batch {believed.batch_seq} was"
                " committed: the database was taken back to an earlier moment"
            )
            raise FencedError(msg)
        if (lock.batch_seq, lock.chain_hash) != (believed.batch_seq, believed.chain_hash):
            msg = (
                f"lane {self.lane} is at batch {lock.batch_seq} in the database and at {believed.batch_seq} here, under"
                f" the same epoch {self.epoch}: somebody else has written to it"
            )
            raise InvariantBrokenError(msg)

    def _adopt(self, settlement: Settlement) -> None:
        self._attempted = None
        self._standing = settlement.decided.after
        self.next_due_at = settlement.next_due_at
        self._positions |= settlement.positions
        _count(self._status, settlement)

    async def _decide_and_write(
        self, connection: Connection, lock: LaneLock, taken: Sequence[Taken], read_to: Mapping[str, int]
    ) -> Settlement | None:
        self._status.clock_skew_s = (datetime.now(UTC) - lock.now).total_seconds()
        fresh = self.unsettled(taken)
        positions = self._advanced(fresh, read_to)
        undecided = self._decider.sort_out(fresh, self._standing, lock.now)
        tables = LiveTables(connection, self.lane, self.next_due_at, self._timers_per_batch)
        due = await tables.due_parties(undecided.until)
        if not positions and not due:
            self.next_due_at = await load.next_due(connection, self.lane)
            return None
        await suit(connection, len(fresh) + len(due))
        with self._trace.step("decide"):
            decided = await self._decider.decide(undecided, due, tables.load)
        with self._trace.step("write"):
            relayable = await self._write(connection, decided, positions)
        return Settlement(decided, relayable, positions, await tables.next_due(decided))

    async def _decide_again(self, connection: Connection, batch: SentBatch) -> Settlement:
        log, taken = batch.log, batch.taken
        positions = self._advanced(taken, {topic: span.next_offset for topic, span in log.offsets.items()})
        undecided = self._decider.sort_out(taken, self._standing, log.lane_time)
        tables = LiveTables(connection, self.lane, self.next_due_at, self._timers_per_batch)
        due = await tables.first_due(undecided.until or log.lane_time, log.timer_parties)
        await suit(connection, len(taken) + len(due))
        decided = await self._decider.decide(undecided, due, tables.load, batch.failed)
        again = self._outgoing.log(decided, log.offsets)
        _require_as_sent(log, replace(again, epoch=log.epoch))
        relayable = await self._write(connection, decided, positions)
        return Settlement(decided, relayable, positions, await tables.next_due(decided))

    def _next_offset(self, topic: str) -> int:
        position = self._positions.get(topic)
        return 0 if position is None else position.next_offset

    def _advanced(self, fresh: Sequence[Taken], read_to: Mapping[str, int]) -> dict[str, Position]:
        """Positions that this batch moves; where only control records follow, the last record stays the same."""
        last = {each.record.topic: each.record for each in fresh}
        advanced = {}
        for topic, position in read_to.items():
            if position > self._next_offset(topic):
                known = self._positions.get(topic)
                mark = fingerprint(last[topic]) if topic in last else known.last_fingerprint if known else None
                advanced[topic] = Position(position, mark)
        return advanced

    async def _write(self, connection: Connection, decided: Decided, positions: Mapping[str, Position]) -> Relayable:
        """Write the batch, what it sends included."""
        records = Counter(each.record.topic for each in decided.records)
        offsets = {
            topic: OffsetRange(self._next_offset(topic), position.next_offset, records[topic])
            for topic, position in positions.items()
        }
        messages = self._outgoing.messages(decided, offsets)
        parts = packed(messages)
        before, after = decided.before, decided.after
        terms = after.rules.terms
        await write.write(
            connection,
            write.BatchToWrite(
                lane=self.lane,
                batch_seq=after.batch_seq,
                lane_time=decided.lane_time,
                first_seq=before.next_seq,
                results=decided.results,
                rejected=decided.rejected,
                states=decided.states,
                positions=positions,
                counts=records - Counter(each.record.topic for each in decided.rerouted),
                activity=decided.activity,
                outbox_parts=parts,
                previous_hash=before.chain_hash,
                terms_document=terms.document if terms.digest != before.rules.terms.digest else None,
                recorded=decided.recorded,
            ),
        )
        return Relayable(after.batch_seq, messages, sum(map(len, parts)))


class LiveTables:
    """The lane's tables in a batch's transaction, as deciding loads from them.

    Args:
        connection: in the transaction that holds the lane.
        lane: its number.
        next_due_at: no timer is due earlier, so what lies before needs no look; None: there is none.
        timers: so many of other parties fire in one batch.
    """

    def __init__(self, connection: Connection, lane: int, next_due_at: datetime | None, timers: int) -> None:
        self._connection = connection
        self._lane = lane
        self._next_due_at = next_due_at
        self._timers_per_batch = timers
        self._timer_limit = timers

    async def due_parties(self, until: datetime | None) -> Sequence[Party]:
        """Parties with timers due by then, earliest first; not all of them if they are very many."""
        if until is None or not self._any_due(until):
            return ()
        return await load.due_parties(self._connection, self._lane, until, self._timers_per_batch)

    async def first_due(self, until: datetime, parties: int) -> Sequence[Party]:
        """The first so many parties with timers due by then; fewer where there are not so many."""
        limit = parties
        while parties:
            found = await load.due_parties(self._connection, self._lane, until, limit)
            if len(found) >= parties or limit > MOST_TIMERS:
                return found[:parties]
            limit *= MORE_TIMERS
        return ()

    async def load(self, wanted: load.ReadSet) -> load.Loaded:
        """Load what is wanted, once more with more timers of a party that has very many."""
        until = wanted.timers_until
        if until is not None and not self._any_due(until):
            until = None
        while True:
            bounded = replace(wanted, timers_until=until, timer_limit=self._timer_limit)
            loaded = await load.load(self._connection, self._lane, bounded, _restored, references)
            reached("loaded")
            if not loaded.more_timers:
                return loaded
            self._timer_limit *= MORE_TIMERS

    async def next_due(self, decided: Decided) -> datetime | None:
        """When a timer is due next.

        The database is asked only when timers were due; else only a new one can come before what is known.
        """
        if decided.until is not None and self._any_due(decided.until):
            return await load.next_due(self._connection, self._lane)
        known = [] if self._next_due_at is None else [self._next_due_at]
        changes = (timer for state in decided.states.values() for timer in state.timer_changes.values())
        return min([*known, *(timer.due_at for timer in changes if timer is not None)], default=None)

    def _any_due(self, until: datetime) -> bool:
        return self._next_due_at is not None and self._next_due_at <= until


def _require_as_sent(log: BatchLog, again: BatchLog) -> None:
    """A batch that is settled again must come to what was sent.

    Raises:
        LaneStoppedError: it does not.
    """
    apart = [
        f"{each.name} {getattr(log, each.name)!s} there and {getattr(again, each.name)!s} here"
        for each in fields(BatchLog)
        if each.name != "rules_version" and getattr(log, each.name) != getattr(again, each.name)
    ]
    if apart:
        other = "" if log.rules_version == again.rules_version else f" (by rules version {log.rules_version})"
        msg = (
            f"batch {log.batch_seq} of lane {log.lane} was sent{other}, and settled again in this older database it"
            f" comes to something else than the lane-log says: {'; '.join(apart)}."
            " See docs/runbooks/database-restored.md"
        )
        raise LaneStoppedError(msg)


async def _roll_back(transaction: asyncpg.transaction.Transaction) -> None:
    """End a transaction that failed; on a dead connection the server has done so already."""
    try:
        await transaction.rollback()
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
        return


def _count(status: WorkerStatus, settlement: Settlement) -> None:
    """Count a committed batch for the metrics."""
    decided = settlement.decided
    for settled in decided.results:
        _count_result(status, settled)
    for letter in decided.rejected:
        status.outcomes[type_of(letter.type), Outcome.DEAD_LETTERED, letter.reason] += 1
    for message in settlement.relayable.messages:
        status.outputs[message.topic] += 1
    for taken in decided.rerouted:
        status.rerouted[taken.record.topic] += 1
    status.batch_records.observe(len(decided.records))


def _count_result(status: WorkerStatus, settled: Settled) -> None:
    decision = settled.decision
    if settled.input is not None:
        status.outcomes[settled.input.type, decision.outcome, decision.reason or ""] += 1
    elif settled.timer is not None:
        status.timers[settled.timer.kind, decision.outcome] += 1


def _restored(row: ParkedRow) -> Input:
    return restore(row.source, row.party.id.encode(), row.raw, row.traceparent)
