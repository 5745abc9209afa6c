"""One batch of one lane: one database transaction from the lane's lock to COMMIT.

Lock the lane row and compare the epoch, leave out what is settled already, load, decide, encode, write. Nothing of it
is seen by anybody before COMMIT, and everything of it after. If the answer to COMMIT is lost, the lane row tells on the
next try whether it happened.

Protocol: docs/protocol.md, Input.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import asyncpg
import msgpack

from contracts.dead_letter import encode_dead_letter, of_input, of_rejected
from contracts.decode import restore
from contracts.encode import encode
from contracts.headers import MAX_READ
from contracts.reasons import RejectReason
from contracts.records import OutgoingMessage, RawRecord, Rejected
from contracts.reroute import encode_reroute
from contracts.topics import Topic
from settlement.batch import MAX_TIME_JUMP, Batch, Settled
from settlement.decision import InvariantBrokenError, Outcome
from settlement.draft import Rules
from settlement.messages import Input
from settlement.party import Party
from settlement.state import NotLoadedError
from settlement.subjects import references
from settlement.terms import TermsBook
from settlement.version import RULES_VERSION
from storage import chain, lanes, load, write
from storage.identity import Identity
from storage.lanes import LaneClaim, LaneLock, Position
from workers.kafka.homes import home_of
from workers.kafka.topics import OUTPUT_MAX_BYTES
from workers.lanes.checkpoints import reached
from workers.lanes.claims import LaneStoppedError, fingerprint
from workers.lanes.inbox import Taken
from workers.lanes.lanelog import BatchLog, OffsetRange, log_key
from workers.lanes.relay import OutboxMessage, Relayable
from workers.lanes.working_days import working_days
from workers.settings.model import Settings
from workers.status import WorkerStatus

PART_BYTES = 1024 * 1024
"""An outbox row is split into parts of about this size."""
MOST_LOADS = 100
"""A batch that needs yet more loadings has a rule that asks for ever new things."""
MORE_TIMERS = 4
# Room for what a record batch puts around a message of its own.
ENVELOPE_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Settlement:
    """A batch that was written; what the lane goes on from once it is committed."""

    relayable: Relayable
    chain_hash: bytes
    lane_time: datetime | None
    rules: Rules
    next_due_at: datetime | None
    positions: Mapping[str, Position]
    records: int
    results: Sequence[Settled] = ()
    rejected: Sequence[Rejected] = ()
    rerouted: Sequence[str] = ()


@dataclass(slots=True)
class _Work:
    """What one attempt at a batch has found so far."""

    inputs: list[Input] = field(default_factory=list)
    rejected: list[tuple[Rejected, Taken]] = field(default_factory=list)
    by_input: dict[int, Taken] = field(default_factory=dict)
    """Of each input, by its identity, the record it came in."""
    rerouted: list[Taken] = field(default_factory=list)
    due: list[Party] = field(default_factory=list)
    until: datetime | None = None


class Settler:
    """Settles the batches of one claim of one lane, one at a time.

    Args:
        claim: what the database says of the lane.
    """

    def __init__(
        self, claim: LaneClaim, *, settings: Settings, identity: Identity, pool: asyncpg.Pool, status: WorkerStatus
    ) -> None:
        self.lane = claim.lane
        self.epoch = claim.epoch
        self.batch_seq = claim.batch_seq
        self.chain_hash = claim.chain_hash
        self.lane_time = claim.lane_time
        self.next_due_at: datetime | None = datetime.min.replace(tzinfo=UTC)
        """When the next timer is due, or earlier; None when there is none. Before the first look: always."""
        self._rules = Rules(TermsBook.parse(claim.terms_document), working_days())
        self._positions = dict(claim.positions)
        self._attempted: Settlement | None = None
        self._confirmed: list[Settlement] = []
        self._settings = settings
        self._event_clock = settings.clock == "event"
        self._identity = identity
        self._pool = pool
        self._status = status

    @property
    def positions(self) -> Mapping[str, Position]:
        """What is settled, by topic."""
        return self._positions

    def timers_due(self, database_now: datetime) -> bool:
        """Whether a timer may be due by now."""
        now = self.lane_time if self._event_clock else database_now
        return self.next_due_at is not None and now is not None and self.next_due_at <= now

    async def settle(self, taken: Sequence[Taken], read_to: Mapping[str, int]) -> Settlement | None:
        """Settle records and due timers in one transaction.

        Args:
            taken: records in merged order.
            read_to: by topic, the position after what is taken, control records included.

        Returns:
            None when there was nothing left to do.

        Raises:
            FencedError: the lane has been claimed by somebody else.
            InvariantBrokenError, LaneStoppedError: the lane must stop.
            asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError: as they come. Whether the batch was
                committed shows when this is called again, with the same records.
        """
        begun = time.monotonic()
        async with self._pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                # Whoever waited for the row would keep other lanes from their turns.
                lock = await lanes.lock(connection, self.lane, self.epoch, wait=False)
                self._look_back(lock)
                settlement = await self._write(connection, lock, taken, read_to)
            except BaseException:
                await _roll_back(transaction)
                raise
            if settlement is None:
                await transaction.rollback()
                return None
            self._attempted = settlement
            reached("before_commit")
            await transaction.commit()
            reached("after_commit")
        self._adopt(settlement)
        self._status.batch_seconds.observe(time.monotonic() - begun)
        return settlement

    def take_confirmed(self) -> list[Settlement]:
        """Batches whose COMMIT turned out to have happened though its answer was lost; each is told once."""
        confirmed, self._confirmed = self._confirmed, []
        return confirmed

    def _look_back(self, lock: LaneLock) -> None:
        """Compare the lane row with what this claim believes; find out what became of an unanswered COMMIT."""
        attempted, self._attempted = self._attempted, None
        if attempted is not None and lock.batch_seq == attempted.relayable.batch_seq:
            self._adopt(attempted)
            self._confirmed.append(attempted)
        if (lock.batch_seq, lock.chain_hash) != (self.batch_seq, self.chain_hash):
            msg = (
                f"lane {self.lane} is at batch {lock.batch_seq} in the database and at {self.batch_seq} here, under the"
                f" same epoch {self.epoch}: somebody else has written to it"
            )
            raise InvariantBrokenError(msg)

    def _adopt(self, settlement: Settlement) -> None:
        self._attempted = None
        self.batch_seq = settlement.relayable.batch_seq
        self.chain_hash = settlement.chain_hash
        self.lane_time = settlement.lane_time
        self.next_due_at = settlement.next_due_at
        self._rules = settlement.rules
        self._positions |= settlement.positions
        self._count(settlement)

    def _count(self, settlement: Settlement) -> None:
        status = self._status
        for settled in settlement.results:
            decision = settled.decision
            if settled.input is not None:
                status.outcomes[settled.input.type, decision.outcome, decision.reason or ""] += 1
            elif settled.timer is not None:
                status.timers[settled.timer.kind, decision.outcome] += 1
        for rejected in settlement.rejected:
            status.outcomes[rejected.type or "", Outcome.DEAD_LETTERED, rejected.reason] += 1
        for message in settlement.relayable.messages:
            status.outputs[message[0]] += 1
        for topic in settlement.rerouted:
            status.rerouted[topic] += 1
        status.batch_records.observe(settlement.records)

    async def _write(
        self, connection: asyncpg.Connection, lock: LaneLock, taken: Sequence[Taken], read_to: Mapping[str, int]
    ) -> Settlement | None:
        self._status.clock_skew_s = (datetime.now(UTC) - lock.now).total_seconds()
        fresh = [each for each in taken if each.record.offset >= self._next_offset(each.topic)]
        positions = self._advanced(fresh, read_to)
        work = _sorted_out(fresh)
        lane_time = self._lane_time(lock)
        work.until = _time_reached(lane_time, work.inputs) if self._event_clock else lane_time
        await self._find_due(connection, work)
        if not positions and not work.due:
            self.next_due_at = await load.next_due(connection, self.lane)
            return None
        batch, loaded = await self._decide(connection, work, lane_time)
        return await self._store(connection, lock, fresh, positions, work, batch, loaded)

    def _next_offset(self, topic: str) -> int:
        position = self._positions.get(topic)
        return 0 if position is None else position.next_offset

    def _advanced(self, fresh: Sequence[Taken], read_to: Mapping[str, int]) -> dict[str, Position]:
        """Positions that this batch moves; where only control records follow, the last record stays the same."""
        last = {each.topic: each.record for each in fresh}
        advanced = {}
        for topic, position in read_to.items():
            if position > self._next_offset(topic):
                known = self._positions.get(topic)
                mark = fingerprint(last[topic]) if topic in last else known.last_fingerprint if known else None
                advanced[topic] = Position(position, mark)
        return advanced

    def _lane_time(self, lock: LaneLock) -> datetime | None:
        """The time this batch is decided at, never before the last one's; event clock: as the last batch left it."""
        if self._event_clock:
            return lock.lane_time
        return lock.now if lock.lane_time is None else max(lock.now, lock.lane_time)

    def _any_due(self, until: datetime) -> bool:
        """Whether the database may hold a timer of this lane that is due by then."""
        return self.next_due_at is not None and self.next_due_at <= until

    async def _find_due(self, connection: asyncpg.Connection, work: _Work) -> None:
        if work.until is None or not self._any_due(work.until):
            return
        limit = self._settings.worker.timers_per_batch
        work.due = list(await load.due_parties(connection, self.lane, work.until, limit))

    async def _decide(
        self, connection: asyncpg.Connection, work: _Work, lane_time: datetime | None
    ) -> tuple[Batch, load.Loaded]:
        """Decide all inputs, then the due timers of other parties. What turns out to be missing is loaded as well."""
        wanted = self._wanted(work)
        for _ in range(MOST_LOADS):
            loaded = await load.load(connection, self.lane, wanted, _restored, references)
            reached("loaded")
            if loaded.more_timers:
                wanted = replace(wanted, timer_limit=wanted.timer_limit * MORE_TIMERS)
                continue
            self._send_home(work, loaded.known)
            batch = Batch(loaded.states, self._rules, lane_time, event_clock=self._event_clock)
            try:
                for message in work.inputs:
                    batch.receive(message)
                for party in work.due:
                    batch.fire_due(party)
            except NotLoadedError as missing:
                _want(wanted, missing)
                continue
            return batch, loaded
        msg = f"a batch of lane {self.lane} was loaded {MOST_LOADS} times and still needs more"
        raise LaneStoppedError(msg)

    def _wanted(self, work: _Work) -> load.Wanted:
        until = work.until if work.until is not None and self._any_due(work.until) else None
        wanted = load.Wanted(
            parties=set(work.due),
            event_hashes={},
            entities={},
            timers_until=until,
            timer_limit=self._settings.worker.timers_per_batch,
        )
        for message in work.inputs:
            wanted.event_hashes.setdefault(message.party, set()).add(message.event_hash)
            if message.party is not None:
                wanted.parties.add(message.party)
                named = references(message)
                if named:
                    wanted.entities.setdefault(message.party, set()).update(named)
        return wanted

    def _send_home(self, work: _Work, known: set[Party]) -> None:
        """Take out inputs of parties that nobody knows here and whose home is another lane."""
        strangers = {message.party for message in work.inputs} - known - {None}
        away = {party for party in strangers if party and home_of(party.id, self._settings.lanes) != self.lane}
        if not away:
            return
        for message in [message for message in work.inputs if message.party in away]:
            work.inputs.remove(message)
            taken = work.by_input[id(message)]
            if taken.topic == Topic.REROUTED:
                work.rejected.append((_misrouted(message, taken), taken))
            else:
                work.rerouted.append(taken)

    async def _store(
        self,
        connection: asyncpg.Connection,
        lock: LaneLock,
        fresh: Sequence[Taken],
        positions: Mapping[str, Position],
        work: _Work,
        batch: Batch,
        loaded: load.Loaded,
    ) -> Settlement:
        batch_seq = lock.batch_seq + 1
        lane_time = batch.lane_time or lock.lane_time or lock.now
        recorded = chain.record(lock.chain_hash, batch_seq, lane_time, batch.results, lock.next_seq)
        activity = batch.activity_outputs(self.lane, batch_seq)
        messages = [
            *self._messages(batch.results, [rejected for rejected, _ in work.rejected], lane_time),
            *(self._out(encode(output, None), home_of(output.party.id, self._settings.lanes)) for output in activity),
            *(self._reroute(taken) for taken in work.rerouted),
        ]
        log = self._log(batch_seq, lane_time, fresh, positions, work, batch, recorded.chain_hash)
        messages.append((Topic.LANE_LOG.value, self.lane, log_key(self.lane), log.encode(), ()))
        parts = packed(messages)
        terms_changed = batch.rules.terms.digest != self._rules.terms.digest
        await write.write(
            connection,
            write.BatchToWrite(
                lane=self.lane,
                batch_seq=batch_seq,
                lane_time=lane_time,
                first_seq=lock.next_seq,
                results=batch.results,
                rejected=[_stored(rejected, taken, lane_time) for rejected, taken in work.rejected],
                states=loaded.states,
                positions=positions,
                counts=Counter(each.topic for each in fresh) - Counter(each.topic for each in work.rerouted),
                activity=activity,
                outbox_parts=parts,
                previous_hash=lock.chain_hash,
                terms_document=batch.rules.terms.document if terms_changed else None,
                recorded=recorded,
            ),
        )
        return Settlement(
            relayable=Relayable(batch_seq, messages, sum(map(len, parts))),
            chain_hash=recorded.chain_hash,
            lane_time=lane_time,
            rules=batch.rules,
            next_due_at=await self._next_due(connection, work, loaded),
            positions=positions,
            records=len(fresh),
            results=batch.results,
            rejected=[rejected for rejected, _ in work.rejected],
            rerouted=[taken.topic for taken in work.rerouted],
        )

    async def _next_due(self, connection: asyncpg.Connection, work: _Work, loaded: load.Loaded) -> datetime | None:
        """The database is asked only when timers were due; else only a new one can come before what is known."""
        if work.until is not None and self._any_due(work.until):
            return await load.next_due(connection, self.lane)
        known = [] if self.next_due_at is None else [self.next_due_at]
        changes = (timer for state in loaded.states.values() for timer in state.timer_changes.values())
        return min([*known, *(timer.due_at for timer in changes if timer is not None)], default=None)

    def _messages(
        self, results: Iterable[Settled], rejected: Iterable[Rejected], lane_time: datetime
    ) -> Iterable[OutboxMessage]:
        for settled in results:
            trace = settled.input.traceparent if settled.input is not None else None
            for output in settled.decision.outputs:
                yield self._out(encode(output, trace), self.lane)
            if settled.input is not None and settled.decision.outcome is Outcome.DEAD_LETTERED:
                reason = settled.decision.reason or RejectReason.INTERNAL_ERROR
                letter = of_input(settled.input, reason, _detail(settled), settled.decided_at)
                yield self._out(encode_dead_letter(letter), self.lane)
        for refused in rejected:
            yield self._out(encode_dead_letter(of_rejected(refused, lane_time)), self.lane)

    def _reroute(self, taken: Taken) -> OutboxMessage:
        message = encode_reroute(_raw(taken))
        assert taken.record.key is not None
        return self._out(message, home_of(taken.record.key.decode(), self._settings.lanes))

    def _out(self, message: OutgoingMessage, partition: int) -> OutboxMessage:
        """Check a message against what the broker takes.

        Raises:
            LaneStoppedError: it is too large; lists are bounded, so this is a defect.
        """
        size = ENVELOPE_BYTES + len(message.value) + len(message.key or b"")
        if message.topic == Topic.REROUTED:  # its headers are anybody's; ours have some 300 bytes
            size += sum(len(name) + len(content or b"") + 10 for name, content in message.headers)
        if size > OUTPUT_MAX_BYTES:
            msg = f"a message of lane {self.lane} to {message.topic} has {size} bytes; at most {OUTPUT_MAX_BYTES} fit"
            raise LaneStoppedError(msg)
        return (message.topic, partition, message.key, message.value, message.headers)

    def _log(
        self,
        batch_seq: int,
        lane_time: datetime,
        fresh: Sequence[Taken],
        positions: Mapping[str, Position],
        work: _Work,
        batch: Batch,
        chain_hash: bytes,
    ) -> BatchLog:
        counts = Counter(each.topic for each in fresh)
        outcomes = Counter(settled.decision.outcome.value for settled in batch.results if settled.input is not None)
        outcomes[Outcome.DEAD_LETTERED.value] += len(work.rejected)
        return BatchLog(
            database_id=str(self._identity.database_id),
            lane=self.lane,
            epoch=self.epoch,
            batch_seq=batch_seq,
            lane_time=lane_time,
            offsets={
                topic: OffsetRange(self._next_offset(topic), position.next_offset, counts[topic])
                for topic, position in positions.items()
            },
            timers_until=work.until if work.due else None,
            timer_parties=len(work.due),
            timers_fired=sum(settled.timer is not None for settled in batch.results),
            terms_digest=batch.rules.terms.digest,
            rules_version=RULES_VERSION,
            outcomes=+outcomes,
            chain_hash=chain_hash,
        )


def packed(messages: Sequence[OutboxMessage]) -> list[bytes]:
    """Pack messages for the outbox, in parts of about PART_BYTES."""
    parts: list[bytes] = []
    begin, size = 0, 0
    for end, message in enumerate(messages, start=1):
        size += len(message[3]) + len(message[2] or b"")
        if size >= PART_BYTES or end == len(messages):
            parts.append(msgpack.packb(messages[begin:end]))
            begin, size = end, 0
    return parts


async def _roll_back(transaction: asyncpg.transaction.Transaction) -> None:
    """End a transaction that failed; on a dead connection the server has done so already."""
    try:
        await transaction.rollback()
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
        return


def _sorted_out(fresh: Iterable[Taken]) -> _Work:
    work = _Work()
    for taken in fresh:
        if isinstance(taken.decoded, Rejected):
            work.rejected.append((taken.decoded, taken))
        else:
            work.inputs.append(taken.decoded)
            work.by_input[id(taken.decoded)] = taken
    return work


def _time_reached(lane_time: datetime | None, inputs: Iterable[Input]) -> datetime | None:
    """Lane time after the inputs, as the core will move it on (settlement/batch.py); under the event clock."""
    for message in inputs:
        if lane_time is None or lane_time < message.occurred_at <= lane_time + MAX_TIME_JUMP:
            lane_time = message.occurred_at
    return lane_time


def _want(wanted: load.Wanted, missing: NotLoadedError) -> None:
    """Load what was missing as well.

    Raises:
        LaneStoppedError: it was asked for already, so loading doesn't bring it.
    """
    reference = (missing.kind, missing.entity_id)
    if missing.party is None or reference in wanted.entities.get(missing.party, ()):
        raise LaneStoppedError(f"{missing}, although it was asked for")
    wanted.parties.add(missing.party)
    wanted.entities.setdefault(missing.party, set()).add(reference)


def _restored(row: load.ParkedRow) -> Input:
    return restore(row.source, row.party.id.encode(), row.raw, row.traceparent)


def _raw(taken: Taken) -> RawRecord:
    record = taken.record
    return RawRecord(
        taken.topic, record.partition, record.offset, record.timestamp, record.key, record.value, record.headers
    )


def _misrouted(message: Input, taken: Taken) -> Rejected:
    return Rejected(
        message.source,
        RejectReason.MISROUTED,
        f"re-routed to partition {taken.record.partition}, where its key is not at home",
        taken.record.key,
        message.raw,
        message.event_id,
        message.type,
        message.occurred_at,
        message.traceparent,
    )


def _detail(settled: Settled) -> str:
    """What the dead-letter topic says; tracebacks stay in Postgres."""
    if settled.decision.reason == RejectReason.INTERNAL_ERROR:
        return "a defect of postpay; the traceback is kept with the dead letter"
    if settled.decision.waits_for is not None:
        return f"{settled.decision.waits_for} did not become known in time"
    return settled.error or ""


def _stored(rejected: Rejected, taken: Taken, lane_time: datetime) -> write.RejectedRecord:
    return write.RejectedRecord(
        source=rejected.source,
        reason=rejected.reason,
        detail=rejected.detail,
        key=rejected.key,
        raw=rejected.raw,
        decided_at=lane_time,
        event_id=rejected.event_id,
        type=rejected.type,
        occurred_at=rejected.occurred_at,
        headers=taken.record.headers[:MAX_READ],
    )
