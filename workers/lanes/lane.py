"""One lane of this worker, from claim to hand-over: inbox, settling, relay.

A lane is one task. It claims, then settles whatever is there, one batch at a time; it waits only for input, for the
next timer, for its relay's backlog, for the database or for its turn, of which a worker gives few at a time. Lanes
share nothing but turns and the pool, and none waits for a lock, for its relay or for a database that is away during its
turn, so one that is blocked or stopped holds up no other.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import asyncpg
from aiokafka.errors import KafkaError
from faust.types import TP

from contracts.decode import decode
from contracts.topics import LANE_TOPICS
from storage.database import is_transient
from storage.identity import Identity
from storage.lanes import FencedError
from workers import logs
from workers.kafka.transport import Chunk, Seek
from workers.lanes.backoff import Backoff
from workers.lanes.checkpoints import reached
from workers.lanes.claims import Claimer, LaneStoppedError
from workers.lanes.inbox import Buffer, Inbox
from workers.lanes.lanelog import LaneLogReader
from workers.lanes.relay import Relay, RelayError
from workers.lanes.taken import Taken
from workers.lanes.transaction import Settlement, Settler
from workers.settings.model import Settings
from workers.status import LaneState, LaneStatus, TopicLag, WorkerStatus

IDLE_S = 1.0
"""A lane with nothing to do looks around this often."""
CATCH_UP_POLL_S = 0.01
"""How often a lane that waits for a topic to catch up looks at its end."""
MARKERS_SETTLED_AFTER_S = 2.0
"""Control records at the end of a topic are settled after a quiet time like this, so that the lag becomes 0."""
HEAL_S = 5.0
"""A lane stopped for something a person can mend is claimed again this often."""
TOPIC_QUOTA = 4
"""One topic alone may fill a quarter of the inbox: with the default that is more than a thousand messages."""
STOP_TIMEOUT_S = 10.0
"""A lane that does not end in time is left behind: its epoch keeps it from doing harm."""
READS_OF_A_BROKEN_BATCH = 3
"""A batch that cannot be decoded is fetched this often before the lane stops: the network may have broken it."""
BROKEN_READ_WAIT_S = 0.5

LOG = logs.get(__name__)

PASSING = (OSError, TimeoutError, KafkaError)


class Partitions(Protocol):
    """What a lane needs of the consumer (workers/kafka/transport.py)."""

    async def seek_lanes(self, seeks: Mapping[TP, Seek]) -> bool:
        """Read on elsewhere, under new tokens."""

    async def still_member(self, offsets: Mapping[TP, int]) -> bool:
        """Commit a hint; whether the group takes us for the owner."""

    def pause(self, tps: list[TP]) -> None:
        """Hand on nothing more of these."""

    def resume(self, tps: list[TP]) -> None:
        """Hand on these again."""

    def stable_end(self, tp: TP) -> int | None:
        """Where a read_committed reader had everything."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all lanes of a worker share."""

    settings: Settings
    identity: Identity
    pool: asyncpg.Pool
    partitions: Callable[[], Partitions]
    claimer: Claimer
    reader: LaneLogReader
    status: WorkerStatus
    owner: str
    next_token: Callable[[], int]
    states: logs.ChangeOfState
    turns: asyncio.Semaphore
    """Lanes settle in turns, few at a time: a process has one interpreter, and every batch in progress takes memory."""


def is_passing(error: BaseException) -> bool:
    """Whether trying again may help: the database or the broker is away, or busy with somebody else."""
    return isinstance(error, PASSING) or is_transient(error)


class Lane:
    """A lane that the group has given to this worker.

    Args:
        number: k: partition k of all lane topics.
        around: what it shares with the other lanes.
    """

    def __init__(self, number: int, around: Surroundings) -> None:
        self.number = number
        self.token = 0
        """Of the seek whose chunks are taken over; 0: of none."""
        self.status = around.status.lanes[number] = LaneStatus(number)
        self._around = around
        self._settings = around.settings
        self._topics = {str(topic): TP(around.settings.topics.prefix + topic, number) for topic in LANE_TOPICS}
        self._by_tp = {tp: topic for topic, tp in self._topics.items()}
        self._event_clock = around.settings.clock == "event"
        self._inbox = Inbox([str(topic) for topic in LANE_TOPICS], decode, event_clock=self._event_clock)
        self._most_bytes = around.settings.worker.inbox_bytes
        self._topic_share = self._most_bytes // len(LANE_TOPICS)
        self._paused: set[str] = set()
        self._broken: dict[str, tuple[int, int, BaseException]] = {}
        """By topic: position that cannot be read, how often that was tried, why."""
        self._waits_since: dict[str, float] = {}
        self._moved = asyncio.Event()
        self._may_run = asyncio.Event()
        self._may_run.set()
        self._at_rest = asyncio.Event()
        self._at_rest.set()
        self._settler: Settler | None = None
        self._relay: Relay | None = None
        self._claimed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._seeking: set[asyncio.Task[bool]] = set()
        self._backoff = Backoff()
        self._idle_since = time.monotonic()

    # What the owner of the lanes calls.

    def start(self) -> None:
        """Begin to claim and settle, in the background."""
        self._task = asyncio.create_task(self._run(), name=f"lane-{self.number}")

    @property
    def ended(self) -> bool:
        """Whether the lane has been given up."""
        return self._task is not None and self._task.done()

    async def claimed(self) -> None:
        """Wait until the lane has been claimed and sought, or given up, or stopped."""
        await self._claimed.wait()

    def positions(self) -> dict[TP, int]:
        """Where each partition is read next."""
        return {tp: self._inbox.buffers[topic].fetched_to for topic, tp in self._topics.items()}

    def settled_offsets(self) -> dict[TP, int]:
        """What is settled, by partition; empty while the lane is not claimed."""
        if self._settler is None:
            return {}
        return {tp: self._next_offset(topic) for topic, tp in self._topics.items()}

    def deliver(self, chunk: Chunk) -> None:
        """Buffer a fetched chunk; never waits.

        One of an older seek is dropped: a newer one brings it again. One that does not begin where the last ended means
        that something got lost on the way, so the lane goes back to where it was.
        """
        if chunk.token != self.token or not self.token:
            return
        topic = self._by_tp[chunk.tp]
        if chunk.error is not None and not chunk.records:
            self._note_broken(topic, chunk)
            return
        if not self._inbox.append(topic, chunk):
            self.seek_again()
            return
        reached("fetched")
        self._waits_since.pop(topic, None)
        if chunk.error is not None:
            self._note_broken(topic, chunk)
        else:
            self._broken.pop(topic, None)
        if topic not in self._paused and self._is_full(self._inbox.buffers[topic]):
            self._paused.add(topic)
            self._around.partitions().pause([chunk.tp])
        self._note_inbox()
        self._moved.set()

    def seek_again(self) -> None:
        """Read on, under a new token, behind what is buffered; what was fetched otherwise is dropped."""
        if self._settler is None:
            return
        self._around.status.reseeks += 1
        self.token = self._around.next_token()
        task = asyncio.create_task(self._seek(self.token))
        self._seeking.add(task)
        task.add_done_callback(self._seeking.discard)

    def hold(self) -> None:
        """Begin no further batch until `go_on`."""
        self._may_run.clear()
        self._moved.set()

    async def rest(self, timeout_s: float) -> bool:
        """Wait for the batch in flight, then for the relay; whether both came to an end in time."""
        deadline = time.monotonic() + timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                await self._at_rest.wait()
        except TimeoutError:
            return False
        if self._relay is None:
            return True
        return await self._relay.drained(max(0.0, deadline - time.monotonic()))

    async def go_on(self) -> None:
        """The lane is still ours after a rebalance: read on behind what is buffered."""
        self._paused.clear()
        if self._settler is not None:
            self.token = self._around.next_token()
            await self._seek(self.token)
            self._pause_what_is_full()
        self._may_run.set()
        self._moved.set()

    async def stop(self) -> None:
        """Give the lane up at once; what is not settled or sent is left to whoever claims it next."""
        self.token = 0
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=STOP_TIMEOUT_S)
        self._around.status.lanes.pop(self.number, None)

    def measure(self) -> None:
        """Take the lag of each topic for the status."""
        now_ms = time.time() * 1000
        for topic, tp in self._topics.items():
            buffer = self._inbox.buffers[topic]
            settled = self._next_offset(topic)
            end = self._around.partitions().stable_end(tp)
            records = 0 if end is None or self._settler is None else max(0, end - settled)
            oldest = buffer.records[0].timestamp if buffer.records else now_ms
            self.status.lags[topic] = TopicLag(records, max(0.0, (now_ms - oldest) / 1000))

    # The lane's own task.

    async def _run(self) -> None:
        try:
            while True:
                await self._may_run.wait()
                try:
                    await self._claim()
                    await self._work()
                except FencedError:
                    self._around.status.fenced += 1
                    if not await self._still_ours():
                        LOG.info("lane given up: another worker has it", lane=self.number)
                        return
                except Exception as error:  # noqa: BLE001  sorted by what it means for the lane
                    await self._after(error)
                finally:
                    await self._end_claim()
        finally:
            self._claimed.set()

    async def _claim(self) -> None:
        self._enter(LaneState.CLAIMING)
        self.status.settled_at = time.monotonic()
        around = self._around
        claim = await around.claimer.claim(self.number)
        reached("claimed")
        around.status.claims += 1
        self._settler = Settler(
            claim, settings=self._settings, identity=around.identity, pool=around.pool, status=around.status
        )
        self._inbox.restart({topic: position.next_offset for topic, position in claim.positions.items()})
        self._broken.clear()
        self._waits_since.clear()
        self._unpause_all()
        self.status.epoch, self.status.settled, self.status.lane_time = claim.epoch, claim.batch_seq, claim.lane_time
        self._relay = Relay(
            self.number,
            claim.epoch,
            claim.batch_seq,
            owner=around.owner,
            settings=self._settings,
            identity=around.identity,
            pool=around.pool,
            reader=around.reader,
            status=around.status,
            states=around.states,
            on_moved=self._moved.set,
        )
        self._relay.start()
        self.token = around.next_token()
        if not await self._seek(self.token):
            msg = f"the partitions of lane {self.number} are being given out anew"
            raise TimeoutError(msg)
        self._claimed.set()
        self._enter(LaneState.RUNNING)
        around.states.leave(("lane", self.number), "lane runs again", lane=self.number, epoch=claim.epoch)

    async def _seek(self, token: int) -> bool:
        seeks = {tp: Seek(position, token) for tp, position in self.positions().items()}
        return await self._around.partitions().seek_lanes(seeks)

    async def _work(self) -> None:
        while True:
            self._moved.clear()
            relay, settler = self._require_claim()
            if relay.error is not None:
                raise relay.error
            if not self._may_run.is_set():
                self._enter(LaneState.HELD)
                await self._wait(IDLE_S)
                self.status.settled_at = time.monotonic()
                continue
            self._enter(LaneState.RUNNING)
            self.status.waits_for_relay = not (relay.agreed and relay.has_room)
            if self.status.waits_for_relay:
                await self._wait(IDLE_S)
                continue
            if self._has_work(settler):
                await self._settle(relay, settler)
            else:
                await self._wait_for_work(settler)

    def _has_work(self, settler: Settler) -> bool:
        """Whether there is something to take, due, or read and not settled."""
        if len(self._inbox) and not self._inbox.missing(self._may_bring):
            return True
        return settler.timers_due(self._database_now()) or self._markers_wait()

    async def _settle(self, relay: Relay, settler: Settler) -> None:
        """Take a batch when it is the lane's turn, and settle it until it is known to be committed.

        The database may go away meanwhile: other lanes have their turns while this one waits for it.
        """
        taken: list[Taken] | None = None
        read_to: dict[str, int] = {}
        try:
            while True:
                try:
                    async with self._turn():
                        if taken is None:
                            if not self._may_run.is_set():  # held while it waited for its turn
                                return
                            self._at_rest.clear()
                            taken, read_to = self._take()
                        settlement = await settler.settle(taken, read_to)
                except Exception as error:
                    if not is_passing(error):
                        raise
                    await self._wait_for_database(error)
                    continue
                break
            # First what an unanswered COMMIT had done after all, then what was left over for another.
            for committed in [*settler.take_confirmed(), *([settlement] if settlement else [])]:
                self._committed(relay, committed)
            if settlement is None:
                await self._wait(CATCH_UP_POLL_S)
        finally:
            self._at_rest.set()
        self._backoff.reset()
        self._around.states.leave(("database", self.number), "database is back", lane=self.number)

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        self.status.waits_for_turn = True
        try:
            await self._around.turns.acquire()
        finally:
            self.status.waits_for_turn = False
        try:
            yield
        finally:
            self._around.turns.release()
            self._around.status.noted_turn()

    def _take(self) -> tuple[list[Taken], dict[str, int]]:
        """Take what makes the next batch; where each topic then stands."""
        worker = self._settings.worker
        taken = self._inbox.take(worker.batch_max_messages, worker.batch_max_bytes, self._may_bring)
        self._unpause_what_has_room()
        return taken, {topic: buffer.read_to for topic, buffer in self._inbox.buffers.items()}

    def _committed(self, relay: Relay, settlement: Settlement) -> None:
        relay.hand_over(settlement.relayable)
        self.status.settled = settlement.relayable.batch_seq
        self.status.lane_time = settlement.decided.lane_time
        self.status.settled_at = self._idle_since = time.monotonic()
        self._note_inbox()

    async def _wait_for_database(self, error: BaseException) -> None:
        self._around.status.retries += 1
        self.status.settled_at = time.monotonic()
        self._enter(LaneState.RETRYING, f"the database: {_said(error)}")
        self._around.states.enter(
            ("database", self.number),
            "database away: the lane waits and tries again",
            lane=self.number,
            error=_said(error),
        )
        await self._backoff.wait()

    def _may_bring(self, buffer: Buffer) -> bool:
        """Whether an empty topic has to be waited for: the broker says, or has not said yet, that there is more."""
        end = self._around.partitions().stable_end(self._topics[buffer.topic])
        if end is not None and buffer.fetched_to >= end:
            self._waits_since.pop(buffer.topic, None)
            return False
        if buffer.topic in self._broken:
            return False
        if self._event_clock:
            return True
        since = self._waits_since.setdefault(buffer.topic, time.monotonic())
        return time.monotonic() - since < self._settings.worker.merge_wait_s

    def _markers_wait(self) -> bool:
        """Whether control records alone have been read and nothing else came for a while."""
        if time.monotonic() - self._idle_since < MARKERS_SETTLED_AFTER_S:
            return False
        return any(buffer.read_to > self._next_offset(topic) for topic, buffer in self._inbox.buffers.items())

    def _next_offset(self, topic: str) -> int:
        position = self._settler.positions.get(topic) if self._settler is not None else None
        return 0 if position is None else position.next_offset

    async def _wait_for_work(self, settler: Settler) -> None:
        if self._broken:
            await self._stop_if_broken()
        if len(self._inbox):
            await self._wait(CATCH_UP_POLL_S)
            return
        wait_s = IDLE_S
        if settler.next_due_at is not None and not self._event_clock:
            wait_s = min(wait_s, max(0.0, (settler.next_due_at - self._database_now()) / timedelta(seconds=1)))
        await self._wait(wait_s)

    def _database_now(self) -> datetime:
        return datetime.now(UTC) - timedelta(seconds=self._around.status.clock_skew_s)

    async def _wait(self, timeout_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._moved.wait()

    # What cannot be read.

    def _note_broken(self, topic: str, chunk: Chunk) -> None:
        assert chunk.error is not None
        position, times, _ = self._broken.get(topic, (chunk.end, 0, chunk.error))
        times = times + 1 if position == chunk.end else 1
        self._broken[topic] = (chunk.end, times, chunk.error)
        self._moved.set()
        if times < READS_OF_A_BROKEN_BATCH:
            asyncio.get_running_loop().call_later(BROKEN_READ_WAIT_S, self.seek_again)

    async def _stop_if_broken(self) -> None:
        """Stop once all that could be read before the broken place is settled.

        Raises:
            LaneStoppedError: it was tried often enough.
        """
        for topic, (position, times, error) in self._broken.items():
            if times >= READS_OF_A_BROKEN_BATCH and not self._inbox.buffers[topic].records:
                tp = self._topics[topic]
                msg = (
                    f"{tp.topic}[{tp.partition}] cannot be read at offset {position}: {_said(error)}."
                    " All before it is settled. See docs/runbooks/lane-stopped.md"
                )
                raise LaneStoppedError(msg, may_heal=True)

    # Pausing.

    def _is_full(self, buffer: Buffer) -> bool:
        """Whether a topic has its fill: a quarter of the inbox, or its even share once the whole inbox is full.

        A topic that is empty is never full, for the others may have to wait for it.
        """
        if buffer.size_bytes >= self._most_bytes // TOPIC_QUOTA:
            return True
        return buffer.size_bytes >= self._topic_share and self._inbox.size_bytes >= self._most_bytes

    def _pause_what_is_full(self) -> None:
        full = [topic for topic, buffer in self._inbox.buffers.items() if self._is_full(buffer)]
        self._paused.update(full)
        self._around.partitions().pause([self._topics[topic] for topic in full])

    def _unpause_what_has_room(self) -> None:
        """Resume at half, so that a partition is not paused and resumed with every batch."""
        if not self._paused:
            return
        room = self._topic_share if self._inbox.size_bytes >= self._most_bytes else self._most_bytes // TOPIC_QUOTA
        roomy = [topic for topic in self._paused if self._inbox.buffers[topic].size_bytes <= room // 2]
        self._paused.difference_update(roomy)
        if roomy:
            self._around.partitions().resume([self._topics[topic] for topic in roomy])

    def _unpause_all(self) -> None:
        paused, self._paused = self._paused, set()
        if paused:
            self._around.partitions().resume([self._topics[topic] for topic in paused])

    # Ends.

    async def _still_ours(self) -> bool:
        """Whether the group still takes us for the lane's owner: then somebody claimed it by mistake, or long ago."""
        while True:
            try:
                return await self._around.partitions().still_member(self.settled_offsets())
            except (KafkaError, TimeoutError):
                await self._backoff.wait()

    async def _after(self, error: Exception) -> None:
        """Wait for what is away, or stop for a person."""
        if is_passing(error):
            self._enter(self.status.state, _said(error))
            self._around.states.enter(
                ("lane", self.number), "lane waits to be claimed", lane=self.number, error=_said(error)
            )
            self.status.settled_at = time.monotonic()
            await self._backoff.wait()
            return
        await self._stopped(error)

    async def _stopped(self, error: Exception) -> None:
        self._enter(LaneState.STOPPED, _said(error))
        said = self._around.states.enter(
            ("lane", self.number),
            "lane stopped: a person has to look",
            level="error",
            lane=self.number,
            detail=_said(error),
        )
        if said and not isinstance(error, (LaneStoppedError, RelayError)):
            LOG.error("what stopped the lane", lane=self.number, exc_info=error)
        self._claimed.set()
        await self._end_claim()
        self.status.state = LaneState.STOPPED
        if not (isinstance(error, LaneStoppedError) and error.may_heal):
            await asyncio.Event().wait()  # until the lane goes to somebody else or the worker ends
        await asyncio.sleep(HEAL_S)

    async def _end_claim(self) -> None:
        self.token = 0
        relay, self._relay = self._relay, None
        self._settler = None
        self._at_rest.set()
        if relay is not None:
            await relay.stop()

    def _require_claim(self) -> tuple[Relay, Settler]:
        assert self._relay is not None and self._settler is not None  # noqa: PT018  both belong to one claim
        return self._relay, self._settler

    def _enter(self, state: LaneState, detail: str = "") -> None:
        self.status.state, self.status.detail = state, detail

    def _note_inbox(self) -> None:
        if not self.status.inbox_records:  # the watchdog counts from here: a lane without work may rest for ever
            self.status.settled_at = time.monotonic()
        self.status.inbox_records, self.status.inbox_bytes = len(self._inbox), self._inbox.size_bytes


def _said(error: BaseException) -> str:
    """The first line of an error, without values: Postgres puts rows on the lines after it, asyncpg after a colon."""
    first = str(error).partition("\n")[0] or type(error).__name__
    return (first.partition(":")[0] if isinstance(error, asyncpg.DataError) else first)[:500]
