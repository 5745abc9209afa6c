"""One lane of this worker, from claim to hand-over: inbox, settling, relay.

A lane is one task. It claims, then settles whatever is there, one batch at a time; it waits only for input, for the
next timer, for its relay's backlog, for the database or for its turn, of which a worker gives few at a time. Lanes
share nothing but turns and the pool, and none waits for a lock, for its relay or for a database that is away during its
turn, so one that is blocked or stopped holds up no other.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from settlement.decision import InvariantBrokenError
from storage.company import Company, CompanyEndedError
from storage.database import first_line
from storage.lanes import FencedError
from workers import logs
from workers.lanes.backoff import Backoff, is_passing
from workers.lanes.claims import LaneStoppedError
from workers.lanes.fault_points import reached
from workers.lanes.intake import Intake
from workers.lanes.relay import Relay
from workers.lanes.splitting import settle_in_parts
from workers.lanes.surroundings import Surroundings
from workers.lanes.taken import Taken
from workers.lanes.takeover import LogAheadError, RelayError
from workers.lanes.transaction import Settlement, Settler
from workers.status import LaneState, LaneStatus

IDLE_S = 1.0
"""A lane with nothing to do looks around this often: whatever it waits for wakes it up, so this only makes good what
nobody told. At worst that is noticed a second late."""
CATCH_UP_POLL_S = 0.01
"""How often a lane that waits for a topic to catch up looks at its end: nobody tells when that comes. At worst a batch
is this much later; how long a lane waits at all is POSTPAY_WORKER__MERGE_WAIT_S."""
MARKERS_SETTLED_AFTER_S = 2.0
"""Control records at the end of a topic are settled after a quiet time like this, so that the lag becomes 0. Under load
they go with the next batch, and no batch is made for them alone."""
HEAL_S = 5.0
"""A lane stopped for something a person can mend is claimed again this often: soon enough for who has just mended it,
and seldom enough for the epochs it takes."""
GIVE_UP_TIMEOUT_S = 4.0
"""Of a lane that is given up: more than its relay takes, and not much more, for a rebalance and the end of the worker
wait for it. At worst it is left behind: its epoch keeps it from doing harm."""

TAKEN_BACK = "the database was taken back: what was sent is settled again, and not sent again"

LOG = logs.get(__name__)


class Lane:
    """A lane that the group has given to this worker.

    Args:
        number: k: partition k of all lane topics.
        around: what it shares with the other lanes.
    """

    def __init__(self, number: int, around: Surroundings) -> None:
        self.number = number
        self.status = around.status.lanes[number] = LaneStatus(number)
        self._around = around
        self._settings = around.settings
        self._event_clock = around.settings.clock == "event"
        self._moved = asyncio.Event()
        self.intake = Intake(self.status, around, self._moved.set)
        self._may_run = asyncio.Event()
        self._may_run.set()
        self._at_rest = asyncio.Event()
        self._at_rest.set()
        self._settler: Settler | None = None
        self._relay: Relay | None = None
        self._claimed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
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

    def settled_offsets(self) -> dict[TopicPartition, int]:
        """What is settled, by partition; empty while the lane is not claimed."""
        settled = self._next_offsets()
        return {} if settled is None else self.intake.by_partition(settled)

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
        await self.intake.go_on()
        self._may_run.set()
        self._moved.set()

    async def stop(self) -> None:
        """Give the lane up at once; what is not settled or sent is left to whoever claims it next."""
        self.intake.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=GIVE_UP_TIMEOUT_S)
        self._around.status.lanes.pop(self.number, None)

    def measure(self) -> None:
        """Take the lag of each topic for the status."""
        self.intake.measure(self._next_offsets())

    # The lane's own task.

    async def _run(self) -> None:
        try:
            while True:
                await self._may_run.wait()
                try:
                    await self._claim()
                    await self._work()
                except FencedError as fenced:
                    self._around.status.fenced += 1
                    self._enter(LaneState.CLAIMING, first_line(fenced))
                    if not await self._still_ours():
                        LOG.info("lane given up: another worker has it", lane=self.number)
                        self._around.status.lanes.pop(self.number, None)
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
        claim = await around.claimer.claim(self.status)
        self.status.settled_at = time.monotonic()
        reached("claimed")
        around.status.claims += 1
        self._settler = Settler(
            claim,
            settings=self._settings,
            identity=around.identity,
            pool=around.pool,
            status=around.status,
            trace=around.tracing.of_batches(self.number),
        )
        self.intake.restart({topic: position.next_offset for topic, position in claim.positions.items()})
        self.status.epoch, self.status.settled, self.status.lane_time = claim.epoch, claim.batch_seq, claim.lane_time
        self._relay = Relay(
            self.status,
            claim.epoch,
            claim.batch_seq,
            owner=around.owner,
            settings=self._settings,
            identity=around.identity,
            pool=around.pool,
            reader=around.reader,
            sender=around.sender,
            states=around.states,
            on_moved=self._moved.set,
            trace=around.tracing.of_relay(self.number),
        )
        self._relay.start()
        if not await self.intake.seek():
            msg = f"the partitions of lane {self.number} are being given out anew"
            raise TimeoutError(msg)
        self._claimed.set()
        self._enter(LaneState.RUNNING)
        around.states.leave(("lane", self.number), "lane runs again", lane=self.number, epoch=claim.epoch)

    async def _work(self) -> None:
        while True:
            self._moved.clear()
            relay, settler = self._require_claim()
            if isinstance(relay.error, LogAheadError):
                await self._settle_again(settler, relay.error)
                return  # to be claimed anew: relay and input begin where the database is then
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
                self.status.settled_at = time.monotonic()
                continue
            if self._has_work(settler):
                await self._settle(relay, settler)
            else:
                await self._wait_for_work(settler)

    def _has_work(self, settler: Settler) -> bool:
        """Whether there is something to take, due, or read and not settled."""
        if self.intake.is_complete():
            return True
        return self._timers_due(settler) or self._markers_wait()

    def _timers_due(self, settler: Settler) -> bool:
        return settler.timers_due(self._database_now())

    async def _settle(self, relay: Relay, settler: Settler) -> None:
        """Take a batch when it is the lane's turn, and settle it until it is known to be committed.

        The database may go away meanwhile: other lanes have their turns while this one waits for it.
        """
        taken: list[Taken] | None = None
        read_to: dict[str, int] = {}

        def committed(settlement: Settlement) -> None:
            # First what an unanswered COMMIT had done after all, then what was left over for another.
            self._take_confirmed(relay, settler)
            self._committed(relay, settlement)

        try:
            while True:
                try:
                    async with self._turn(alone=taken is not None or self._timers_due(settler)) as company:
                        if taken is None:
                            if not self._may_run.is_set():  # held while it waited for its turn
                                return
                            self._at_rest.clear()
                            taken, read_to = self.intake.take()
                        found_work = await settle_in_parts(settler, taken, read_to, committed, company)
                except CompanyEndedError as ended:
                    LOG.info(
                        "settled in company in vain: the lane tries alone", lane=self.number, why=first_line(ended)
                    )
                    continue
                except Exception as error:
                    if not is_passing(error):
                        raise
                    await self._wait_for_database(error)
                    continue
                break
            self._take_confirmed(relay, settler)
            if not found_work:
                await self._wait(CATCH_UP_POLL_S)
        finally:
            self._at_rest.set()
        self._backoff.reset()
        self._around.states.leave(("database", self.number), "database is back", lane=self.number)

    async def _settle_again(self, settler: Settler, ahead: LogAheadError) -> None:
        """Settle what was sent and is not in the database any more, batch by batch as the lane-log has it.

        Nothing of it is sent: the relay begins behind the last batch in the lane-log.

        Raises:
            LaneStoppedError: a batch does not come to what was sent, or its records are gone.
        """
        last = ahead.logged.batch_seq
        if settler.batch_seq >= last:
            msg = (
                f"lane {self.number} is settled up to batch {settler.batch_seq}, and batch {last}, which was sent, is"
                " not among them: somebody deleted it. See docs/runbooks/database-restored.md"
            )
            raise LaneStoppedError(msg)
        about = {"lane": self.number, "from_batch": settler.batch_seq + 1, "to_batch": last}
        LOG.warning(TAKEN_BACK, **about)
        self._around.status.taken_back += 1
        self._enter(LaneState.RUNNING, f"settles again what was sent, up to batch {last}")
        sent = self._around.sent_batches(self.number, settler.batch_seq, last, self._note_settling)
        async with contextlib.aclosing(sent):
            async for batch in sent:
                if not self._may_run.is_set():
                    return
                async with self._turn(alone=True):
                    settlement = await settler.settle_again(batch)
                self.status.settled, self.status.lane_time = settler.batch_seq, settlement.decided.lane_time
                self._note_settling()
        LOG.warning("the database has again all that was sent", **about)

    def _note_settling(self) -> None:
        self.status.settled_at = time.monotonic()

    @contextlib.asynccontextmanager
    async def _turn(self, *, alone: bool) -> AsyncIterator[Company | None]:
        around = self._around
        self.status.waits_for_turn = True
        try:
            async with around.turns.one(self.number, lambda: len(self.intake), alone=alone) as company:
                self.status.waits_for_turn = False
                try:
                    yield company
                finally:
                    around.status.noted_turn()
        finally:
            self.status.waits_for_turn = False

    def _take_confirmed(self, relay: Relay, settler: Settler) -> None:
        for confirmed in settler.take_confirmed():
            self._committed(relay, confirmed)

    def _committed(self, relay: Relay, settlement: Settlement) -> None:
        relay.hand_over(settlement.relayable)
        self._around.teller.tell(self.number, settlement.decided)
        self.status.settled = settlement.relayable.batch_seq
        self.status.lane_time = settlement.decided.lane_time
        self.status.settled_at = self._idle_since = time.monotonic()
        self.intake.note()

    async def _wait_for_database(self, error: BaseException) -> None:
        self._around.status.retries += 1
        self.status.settled_at = time.monotonic()
        self._enter(LaneState.RETRYING, f"the database: {first_line(error)}")
        self._around.states.enter(
            ("database", self.number),
            "database away: the lane waits and tries again",
            lane=self.number,
            error=first_line(error),
        )
        await self._backoff.wait()

    def _markers_wait(self) -> bool:
        """Whether control records alone have been read and nothing else came for a while."""
        if time.monotonic() - self._idle_since < MARKERS_SETTLED_AFTER_S:
            return False
        settled = self._next_offsets() or {}
        return any(read_to > settled.get(topic, 0) for topic, read_to in self.intake.read_to().items())

    def _next_offsets(self) -> dict[str, int] | None:
        """By topic, what is settled next; None while the lane is not claimed."""
        if self._settler is None:
            return None
        return {topic: position.next_offset for topic, position in self._settler.positions.items()}

    async def _wait_for_work(self, settler: Settler) -> None:
        self._require_readable()
        if len(self.intake):
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

    def _require_readable(self) -> None:
        """Stop once all that could be read before a broken place is settled.

        Raises:
            LaneStoppedError: it was tried often enough.
        """
        broken = self.intake.broken()
        if broken is not None:
            msg = (
                f"{broken.tp.topic}[{broken.tp.partition}] cannot be read at offset {broken.position}:"
                f" {first_line(broken.error)}. All before it is settled. See docs/runbooks/lane-stopped.md"
            )
            raise LaneStoppedError(msg, may_heal=True)

    # Ends.

    async def _still_ours(self) -> bool:
        """Whether the group still takes us for the lane's owner: then somebody claimed it by mistake, or long ago."""
        while True:
            try:
                return await self._around.partitions().still_member(self.settled_offsets())
            except (KafkaError, TimeoutError):
                self.status.settled_at = time.monotonic()
                await self._backoff.wait()

    async def _after(self, error: Exception) -> None:
        """Wait for what is away, or stop for a person."""
        if is_passing(error):
            self._enter(LaneState.CLAIMING, first_line(error))
            self._around.states.enter(
                ("lane", self.number), "lane waits to be claimed", lane=self.number, error=first_line(error)
            )
            self.status.settled_at = time.monotonic()
            await self._backoff.wait()
            return
        await self._stopped(error)

    async def _stopped(self, error: Exception) -> None:
        self._enter(LaneState.STOPPED, first_line(error))
        said = self._around.states.enter(
            ("lane", self.number),
            "lane stopped: a person has to look",
            level="error",
            lane=self.number,
            detail=first_line(error),
        )
        if said and not isinstance(error, (LaneStoppedError, RelayError)):
            LOG.error("what stopped the lane", lane=self.number, exc_info=error)
        self._claimed.set()
        await self._end_claim()
        if not (isinstance(error, LaneStoppedError) and error.may_heal):
            await asyncio.Event().wait()  # until the lane goes to somebody else or the worker ends
        await asyncio.sleep(HEAL_S)

    async def _end_claim(self) -> None:
        self.intake.close()
        relay, self._relay = self._relay, None
        self._settler = None
        self._at_rest.set()
        if relay is not None:
            await relay.stop()

    def _require_claim(self) -> tuple[Relay, Settler]:
        assert self._relay is not None and self._settler is not None  # noqa: PT018  both belong to one claim
        return self._relay, self._settler

    def _enter(self, state: LaneState, detail: str = "") -> None:
        try:
            self.status.enter(state, detail)
        except InvariantBrokenError as defect:
            self._around.on_defect(defect)
