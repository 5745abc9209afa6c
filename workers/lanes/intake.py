"""What comes in to a lane, from consumer to batch: buffered, paused when it is too much, sought again when lost.

Nothing here waits but for a seek. Protocol: docs/protocol.md, Input.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from aiokafka import TopicPartition

from contracts.decode import decode
from contracts.topics import LANE_TOPICS
from workers.kafka.chunks import Chunk, Seek
from workers.kafka.clients import age_s
from workers.lanes.fault_points import reached
from workers.lanes.inbox import Buffer, Inbox
from workers.lanes.open_transactions import OpenTransactions
from workers.lanes.pausing import Pausing
from workers.lanes.surroundings import Surroundings
from workers.lanes.taken import Taken
from workers.lanes.unreadable import READ_AGAIN_AFTER_S, Break, Unreadable
from workers.status import LaneStatus, Unsettled


class Intake:
    """Of one lane, through all of its claims.

    Args:
        status: of the lane; told what is buffered.
        around: what it shares with the other lanes.
        on_moved: called when there is something new to look at.
    """

    def __init__(self, status: LaneStatus, around: Surroundings, on_moved: Callable[[], None]) -> None:
        self.token = 0
        """Of the seek whose chunks are taken over; 0: of none, while the lane has no claim."""
        self._status = status
        self._around = around
        self._on_moved = on_moved
        self._topics = {
            str(topic): TopicPartition(around.settings.topics.prefix + topic, status.lane) for topic in LANE_TOPICS
        }
        self._by_tp = {tp: topic for topic, tp in self._topics.items()}
        self._event_clock = around.settings.clock == "event"
        self._inbox = Inbox(list(self._topics), decode, event_clock=self._event_clock)
        self._pausing = Pausing(self._inbox, around.settings.worker.inbox_bytes)
        self._unreadable = Unreadable()
        self._open_transactions = OpenTransactions(status.lane, around.states)
        self._waits_since: dict[str, float] = {}
        self._seeking: set[asyncio.Task[bool]] = set()

    def restart(self, positions: Mapping[str, int]) -> None:
        """Drop what is buffered and begin at these positions, by topic; 0 where none is given."""
        self._inbox.restart(positions)
        self._unreadable.clear()
        self._waits_since.clear()
        self._resume(self._pausing.forgotten())

    def close(self) -> None:
        """Take nothing over until the next seek."""
        self.token = 0

    # Reading.

    async def seek(self) -> bool:
        """Read on behind what is buffered, under a new token; False when a partition is not ours any more."""
        self.token = self._around.next_token()
        return await self._seek(self.token)

    async def _seek(self, token: int) -> bool:
        seeks = {tp: Seek(position, token) for tp, position in self.positions().items()}
        return await self._around.partitions().seek_lanes(seeks)

    async def go_on(self) -> None:
        """Read on after a rebalance: the consumer has forgotten where it was, and what was paused."""
        self._pausing.forgotten()
        if self.token:
            await self.seek()
            self._pause(self._pausing.filled(self._topics))

    def seek_again(self) -> None:
        """The same in the background, because something was lost; what was fetched otherwise is dropped."""
        if not self.token:
            return
        self._around.status.reseeks += 1
        self.token = self._around.next_token()
        task = asyncio.create_task(self._seek(self.token))
        self._seeking.add(task)
        task.add_done_callback(self._seeking.discard)

    def positions(self) -> dict[TopicPartition, int]:
        """Where each partition is read next."""
        return {tp: self._inbox.buffers[topic].fetched_to for topic, tp in self._topics.items()}

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
            self._unreadable.forget(topic)
        self._pause(self._pausing.filled([topic]))
        self.note()
        self._on_moved()

    def _note_broken(self, topic: str, chunk: Chunk) -> None:
        again = self._unreadable.note(topic, chunk)
        self._on_moved()
        if again:
            asyncio.get_running_loop().call_later(READ_AGAIN_AFTER_S, self.seek_again)

    def _pause(self, topics: Sequence[str]) -> None:
        if topics:
            self._around.partitions().pause([self._topics[topic] for topic in topics])

    def _resume(self, topics: Sequence[str]) -> None:
        if topics:
            self._around.partitions().resume([self._topics[topic] for topic in topics])

    # Taking.

    def __len__(self) -> int:
        """Records buffered."""
        return len(self._inbox)

    def take(self) -> tuple[list[Taken], dict[str, int]]:
        """Take what makes the next batch; where each topic then stands."""
        worker = self._around.settings.worker
        taken = self._inbox.take(worker.batch_max_messages, worker.batch_max_bytes, self._may_bring)
        self._resume(self._pausing.emptied())
        return taken, self.read_to()

    def read_to(self) -> dict[str, int]:
        """By topic, the position after what was taken, control records included."""
        return {topic: buffer.read_to for topic, buffer in self._inbox.buffers.items()}

    def is_complete(self) -> bool:
        """Whether something is buffered, and no empty topic may still bring what comes before it."""
        return bool(len(self._inbox)) and not self._inbox.missing(self._may_bring)

    def broken(self) -> Break | None:
        """A place that was tried often enough, once all that could be read before it is taken."""
        if not self._unreadable:
            return None
        given_up = self._unreadable.given_up().items()
        return next((each for topic, each in given_up if not self._inbox.buffers[topic].records), None)

    def _may_bring(self, buffer: Buffer) -> bool:
        """Whether an empty topic has to be waited for: the broker says, or has not said yet, that there is more."""
        ends = self._around.partitions().ends(self._topics[buffer.topic])
        if ends is not None and buffer.fetched_to >= ends.stable:
            self._waits_since.pop(buffer.topic, None)
            return False
        if buffer.topic in self._unreadable:
            return False
        if self._event_clock:
            return True
        since = self._waits_since.setdefault(buffer.topic, time.monotonic())
        return time.monotonic() - since < self._around.settings.worker.merge_wait_s

    # Telling.

    def by_partition(self, by_topic: Mapping[str, int]) -> dict[TopicPartition, int]:
        """The same by partition; 0 where nothing is given."""
        return {tp: by_topic.get(topic, 0) for topic, tp in self._topics.items()}

    def note(self) -> None:
        """Tell the status what is buffered."""
        if not self._status.inbox_records:  # it counts from here: a lane without work may rest for ever
            self._status.settled_at = time.monotonic()
        self._status.inbox_records, self._status.inbox_bytes = len(self._inbox), self._inbox.size_bytes

    def measure(self, settled: Mapping[str, int] | None) -> None:
        """Tell the status how far each topic is behind.

        Args:
            settled: next offsets by topic; None while the lane is not claimed, and then nothing is known.
        """
        now_ms = time.time() * 1000
        for topic, tp in self._topics.items():
            ends = self._around.partitions().ends(tp)
            records = 0 if ends is None or settled is None else max(0, ends.stable - settled.get(topic, 0))
            buffered = self._inbox.buffers[topic].records
            waiting_s = age_s(buffered[0].timestamp_ms, now_ms) if buffered else 0.0
            held_back = self._open_transactions.look(topic, ends)
            self._status.unsettled[topic] = Unsettled(records, waiting_s, *held_back)
