"""Sends what a lane has settled: each batch's outputs and its lane-log record in one Kafka transaction, exactly once.

It sends through the worker's one producer (workers/lanes/sender.py), and only while the lane is ours. First it finds
where its predecessor left off (workers/lanes/takeover.py); the outbox must go on with the next number.

After any error or time-out the producer is thrown away and the relay takes over from itself. A transaction may carry
several batches, each followed by its lane-log record. Protocol: docs/protocol.md, Output.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence

import asyncpg

from storage import outbox
from storage.database import first_line
from storage.identity import Identity
from storage.lanes import FencedError
from workers import logs
from workers.kafka.clients import is_broker_away
from workers.lanes.backoff import Backoff
from workers.lanes.lanelog import LaneLogError, LaneLogReader
from workers.lanes.outgoing import Relayable, unpack
from workers.lanes.sender import (
    TRANSACTION_BYTES,
    LaneShare,
    OutputSender,
    SenderSession,
    SessionOverError,
    SharedFailureError,
)
from workers.lanes.takeover import DatabaseAwayError, RelayError, Takeover, asking
from workers.settings.model import Settings
from workers.status import LaneStatus
from workers.tracing import UNTRACED, RelayTrace

END_TIMEOUT_S = 3.0
"""Of the relay's task: more than a producer of its own and the reader of the lane-log may take. At worst it is left
behind, and the next relay fences it."""
RELEASE_TIMEOUT_S = 1.0
"""Of telling the lane-log that nothing of a lane is left to send. At worst whoever claims the lane next fences this
worker's sender, and its other lanes take over again."""
CLAIM_AGAIN_AFTER = 200
"""Batches, of which each takes two offsets at most: so there is always a claim record within LOOKED_FOR_CLAIMS."""
BACKLOG_BYTES = 4 * 1024 * 1024
"""Of what is settled and not sent, packed; in memory it takes twice that, and as much again while it is sent."""
MOST_ODD_ERRORS = 5
"""In a row, without a transaction between them: then it is no accident of the broker's, and a person has to look."""
TELL_INTERVAL_S = 5.0
"""How often the database is told how far the relay is; only a hint, for people and for dropping old outbox rows, which
are kept for days: nothing depends on its age."""


class Relay:
    """Sends the batches of one claim of one lane.

    Args:
        lane: its status; told how far the relay is.
        epoch: of the claim; once the lane has another, this relay ends.
        settled: batch_seq of the last batch committed before the claim.
        states: says what lasts once.
        on_moved: called when there is room again, or the relay has ended.
    """

    def __init__(
        self,
        lane: LaneStatus,
        epoch: int,
        settled: int,
        *,
        owner: str,
        settings: Settings,
        identity: Identity,
        pool: asyncpg.Pool,
        reader: LaneLogReader,
        sender: OutputSender,
        states: logs.ChangeOfState,
        on_moved: Callable[[], None],
        trace: RelayTrace = UNTRACED,
    ) -> None:
        self.lane = lane.lane
        self.relayed = 0
        self.settled = settled
        self.error: BaseException | None = None
        """What ended the relay; the lane raises it."""
        self.agreed = False
        """The lane-log and the database have been compared and agree. Before that nothing may be settled: a restored
        database would decide anew, and differently, what is sent already."""
        self._takeover = Takeover(
            lane.lane, epoch, owner, sender.name, settings, identity, pool, reader, on_step=self._note_step
        )
        self._sender = sender
        self._settings = settings
        self._pool = pool
        self._lane_status = lane
        self._states = states
        self._on_moved = on_moved
        self._trace = trace
        self._handed: deque[Relayable] = deque()
        self._handed_bytes = 0
        self._work = asyncio.Event()
        self._drained = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._hinted = 0
        self._hinted_at = 0.0
        self._backoff = Backoff()
        self._odd_errors = 0
        self._is_alone = False
        """After a transaction failed, until something of this lane has got through on a producer of its own."""
        self._session: SenderSession | None = None
        """In which the lane was taken over."""
        self._since_claim = 0
        """Batches sent since the last claim record."""

    def start(self) -> None:
        """Begin to take over and send, in the background."""
        self._lane_status.relayed_at = time.monotonic()
        self._task = asyncio.create_task(self._run(), name=f"relay-{self.lane}")

    def hand_over(self, batch: Relayable) -> None:
        """Take a batch that has just been committed."""
        if not self._handed:  # the watchdog counts from here: a relay without work may rest for ever
            self._lane_status.relayed_at = time.monotonic()
        self._handed.append(batch)
        self._handed_bytes += batch.size_bytes
        self.settled = batch.batch_seq
        self._drained.clear()
        self._work.set()

    @property
    def has_room(self) -> bool:
        """Whether the lane may settle another batch before more is sent."""
        return (
            len(self._handed) < self._settings.worker.relay_backlog and self._handed_bytes < BACKLOG_BYTES
        ) or self.error is not None

    async def drained(self, timeout_s: float) -> bool:
        """Wait until everything settled has been sent; False when time or the relay ended first."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._drained.wait()
        return self._is_drained()

    def _is_drained(self) -> bool:
        return self.error is None and self.agreed and self.relayed >= self.settled

    async def stop(self) -> None:
        """End at once; what is not sent stays in the outbox. If there is nothing, the lane-log tells that, too."""
        if self._task is None:
            return
        session = self._session if self._is_drained() else None
        self._task.cancel()
        await asyncio.wait([self._task], timeout=END_TIMEOUT_S)
        if session is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(RELEASE_TIMEOUT_S):
                    await session.send(LaneShare([self._takeover.claim_message(session.name, released=True)]))

    async def _run(self) -> None:
        try:
            while True:
                try:
                    await self._take_over_and_send()
                    continue
                except (FencedError, RelayError, LaneLogError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    raise
                except (SessionOverError, SharedFailureError):
                    continue  # nothing is known to be wrong with this lane
                except DatabaseAwayError as error:
                    self._said_away(f"the database: {error}")
                except Exception as error:  # noqa: BLE001  see below
                    # Whatever it was, and whatever became of the transaction: the log will tell the next producer.
                    # aiokafka answers an unexpected state with assertions, too, which another producer doesn't meet.
                    self._count_odd(error)
                    self._said_away(f"the broker: {first_line(error)}")
                await self._backoff.wait()
        except asyncio.CancelledError:
            self.error = self.error or FencedError(f"the relay of lane {self.lane} was stopped")
            raise
        except Exception as error:  # noqa: BLE001  handed to the lane, which stops or claims again
            self.error = error
        finally:
            self._drained.set()
            self._on_moved()

    def _count_odd(self, error: Exception) -> None:
        """Let an error that no broker's absence explains pass a few times only."""
        self._odd_errors = 0 if is_broker_away(error) else self._odd_errors + 1
        if self._odd_errors >= MOST_ODD_ERRORS:
            raise error

    def _said_away(self, reason: str) -> None:
        lane = self._lane_status
        lane.relay_detail = f"relay waits for {reason}"
        self._states.enter(("relay", self.lane), "relay interrupted: it takes over again", lane=self.lane, error=reason)
        lane.relayed_at = time.monotonic()

    def _said_well(self) -> None:
        """All is sent, or at least something: a broker may take claims and refuse outputs, so a claim ends nothing."""
        self._backoff.reset()
        self._lane_status.relay_detail = ""
        self._states.leave(("relay", self.lane), "relay goes on", lane=self.lane)

    async def _take_over_and_send(self) -> None:
        await self._takeover.require_epoch()
        session = await self._sender.session()
        if not self._is_alone:
            await self._send_in(session)
            return
        alone = self._sender.alone(self.lane)
        try:
            await self._send_in(await alone.session())
        finally:
            await alone.close()

    async def _send_in(self, session: SenderSession) -> None:
        """Take over, and send until the session is over; or, alone, until it is shown that nothing is refused."""
        try:
            await self._take_over(session)
            self._session = session
            if not self._handed:
                self._said_well()
            while self._handed or not self._is_alone:
                await self._send_next(session)
                if self._is_alone:
                    break
            self._is_alone = False
        except (FencedError, RelayError, LaneLogError, DatabaseAwayError, SessionOverError):
            raise
        except Exception:
            self._is_alone = True
            raise
        finally:
            self._session = None

    async def _take_over(self, session: SenderSession) -> None:
        self._since_claim = 0
        self._move_to(await self._takeover.last_sent(session))
        await self._read_outbox()
        self.agreed = True
        self._note_progress()

    async def _read_outbox(self) -> None:
        """Bring in what lies between the log and what the lane has handed over.

        Raises:
            RelayError: a batch is missing.
        """
        missing: list[Relayable] = []
        position = self.relayed
        while position < self._first_in_memory() - 1:
            async with asking(self._pool) as connection_:
                rows = await outbox.read_after(connection_, self.lane, position, TRANSACTION_BYTES)
            rows = [row for row in rows if row.batch_seq < self._first_in_memory()]
            if not rows or rows[0].batch_seq != position + 1:
                msg = (
                    f"the outbox of lane {self.lane} has a hole: batch {position + 1} was never sent and is not there"
                    f" (the last sent is {self.relayed}, the last settled {self.settled})"
                )
                raise RelayError(msg)
            missing += [unpack(row.batch_seq, row.parts) for row in rows]
            position = rows[-1].batch_seq
        for batch in reversed(missing):
            self._handed.appendleft(batch)
            self._handed_bytes += batch.size_bytes
        if self._handed:
            self._work.set()

    def _first_in_memory(self) -> int:
        return self._handed[0].batch_seq if self._handed else self.settled + 1

    def _move_to(self, batch_seq: int) -> None:
        """Everything up to `batch_seq` is known to be sent."""
        self.relayed = batch_seq
        while self._handed and self._handed[0].batch_seq <= batch_seq:
            self._handed_bytes -= self._handed.popleft().size_bytes

    async def _send_next(self, session: SenderSession) -> None:
        if not self._handed:
            self._drained.set()
            self._work.clear()
            await self._wait_for_work()
        sending = self._next_transaction()
        self._trace.begin()
        await self._send(session, sending)
        topics = (message.topic for batch in sending for message in batch.messages)
        self._trace.sent([batch.batch_seq for batch in sending], topics)
        self._move_to(sending[-1].batch_seq)
        self._odd_errors = 0
        self._said_well()
        self._note_progress()
        await self._hint()

    async def _wait_for_work(self) -> None:
        """Wait for a batch; before a long wait the database is told how far the lane is relayed."""
        try:
            async with asyncio.timeout(TELL_INTERVAL_S):
                await self._work.wait()
        except TimeoutError:
            await self._hint()
            await self._work.wait()

    def _next_transaction(self) -> list[Relayable]:
        """The batches of the next transaction; their numbers must follow what was sent.

        Raises:
            RelayError: they do not.
        """
        sending: list[Relayable] = []
        size_bytes = 0
        for expected, batch in enumerate(self._handed, start=self.relayed + 1):
            if sending and (size_bytes + batch.size_bytes > TRANSACTION_BYTES or len(sending) == CLAIM_AGAIN_AFTER):
                break
            if batch.batch_seq != expected:
                msg = f"batch {expected} of lane {self.lane} should be sent next, and {batch.batch_seq} was handed over"
                raise RelayError(msg)
            sending.append(batch)
            size_bytes += batch.size_bytes
        return sending

    async def _send(self, session: SenderSession, batches: Sequence[Relayable]) -> None:
        """Send batches, after a claim record when the last one is far behind.

        Raises:
            SessionOverError, SharedFailureError: take over again.
            Exception: whatever it was, and whatever became of the transaction: the lane-log will tell.
        """
        messages = [message for batch in batches for message in batch.messages]
        size_bytes = sum(batch.size_bytes for batch in batches)
        if self._since_claim + len(batches) > CLAIM_AGAIN_AFTER:
            messages.insert(0, self._takeover.claim_message(session.name))
            self._since_claim = 0
        self._since_claim += len(batches)
        await session.send(
            LaneShare(messages, size_bytes, has_batches=True, on_step=self._note_step, trace=self._trace)
        )

    def _note_step(self) -> None:
        self._lane_status.relayed_at = time.monotonic()

    def _note_progress(self) -> None:
        self._lane_status.relayed = self.relayed
        self._note_step()
        if not self._handed:
            self._drained.set()
        self._on_moved()

    async def _hint(self) -> None:
        if self._hinted == self.relayed or time.monotonic() - self._hinted_at < TELL_INTERVAL_S:
            return
        self._hinted, self._hinted_at = self.relayed, time.monotonic()
        async with asking(self._pool) as connection_:
            await outbox.relayed(connection_, self.lane, self.relayed)
