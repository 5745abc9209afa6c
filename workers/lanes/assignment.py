"""The lanes of this worker: what the group assigns is claimed, what it takes away is given up.

Source: docs/protocol.md, Claim.
"""

import asyncio
import itertools
import time
from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from aiokafka import TopicPartition
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    KafkaConnectionError,
    KafkaError,
    NodeNotReadyError,
)

from contracts.topics import LANE_TOPICS
from storage.database import first_line
from workers import logs
from workers.kafka.chunks import Fetched, Seek
from workers.lanes.lane import Lane
from workers.lanes.surroundings import Partitions, Surroundings
from workers.status import LaneState, LaneStatus, WorkerStatus

CLAIM_WAIT_S = 5.0
"""How long a rebalance waits for claims, within what Faust waits for us; a lane that takes longer goes on in the
background and holds up no other."""
REST_TIMEOUT_S = 4.0
"""How long a rebalance waits for batches in flight and what they send, well within what the group waits for a member.
At worst what is not finished by then is fenced by the next owner, and settled by it."""
HINT_INTERVAL_S = 5.0
"""How often the group is told what is settled: as often as consumers commit by themselves. At worst lag monitors are so
far behind; nothing else reads it."""

AWAY = (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, KafkaConnectionError, NodeNotReadyError)
"""Why a coordinator does not answer: brokers are away, which is told by itself, or it is just moving."""
AWAY_TOLD_AFTER_S = 30.0
"""A coordinator that moves is back sooner. At worst one that is gone, while other brokers answer, is told so late."""

LOG = logs.get(__name__)


class GroupConsumer(Partitions, Protocol):
    """What the lanes need of the consumer."""

    def partition_count(self, topic: str) -> int:
        """Partitions a topic has."""


class Assignment:
    """Owns the lanes (see `workers.kafka.chunks.Owner`)."""

    def __init__(self, status: WorkerStatus) -> None:
        self.lanes: dict[int, Lane] = {}
        self._status = status
        self._around: Surroundings | None = None
        self._consumer: GroupConsumer | None = None
        self._tokens = itertools.count(1)
        self._expected: int | None = None
        self._stopping = False
        self._away_since: float | None = None
        """Since when the group's coordinator does not answer."""
        self._assignments = asyncio.Lock()

    def next_token(self) -> int:
        """A number no seek of this process had before."""
        return next(self._tokens)

    def attach(self, around: Surroundings, consumer: GroupConsumer) -> None:
        """Say what the lanes work with; before the consumer starts."""
        self._around, self._consumer = around, consumer

    async def on_assigned(self, assigned: frozenset[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Claim new lanes, go on with kept ones, give up the others; return the position of every partition."""
        async with self._assignments:
            around, consumer = self._require()
            self._away_since = None
            around.states.leave("group", "the group has let this worker in")
            whole = self._whole_lanes(assigned)
            detail = self._told_parts({tp.partition for tp in assigned} - whole)
            await self._give_up(
                number for number, lane in list(self.lanes.items()) if number not in whole or lane.ended
            )
            for number in self._status.lanes.keys() - self.lanes.keys():
                del self._status.lanes[number]
            wrong = self._wrong_counts(consumer)
            if wrong:
                await self._give_up(list(self.lanes))
                detail = self._refuse(whole, wrong)
                whole = set()
            else:
                around.states.leave("partitions", "topics have as many partitions as there are lanes")
            await asyncio.gather(*(lane.go_on() for lane in self.lanes.values()))
            # A partition without a position would be reset to what Kafka remembers; token 0 is never handed on.
            ours = {tp for tp in assigned if tp.partition not in self.lanes}
            await consumer.seek_lanes({tp: Seek(0, 0) for tp in ours})
            new = [Lane(number, around) for number in sorted(whole - self.lanes.keys())]
            for lane in new:
                self.lanes[lane.number] = lane
                lane.start()
            if new:
                await asyncio.wait([asyncio.create_task(lane.claimed()) for lane in new], timeout=CLAIM_WAIT_S)
            self._status.noted_assignment(detail)
            LOG.info("lanes assigned", lanes=sorted(self.lanes))
        positions = {tp: position for lane in self.lanes.values() for tp, position in lane.intake.positions().items()}
        return {tp: positions.get(tp, 0) for tp in assigned}

    async def on_revoked(self) -> None:
        """Let batches in flight come to an end, within bounds; nobody begins another until the next assignment."""
        self._status.noted_revocation()
        for lane in self.lanes.values():
            lane.hold()
        await asyncio.gather(*(lane.rest(REST_TIMEOUT_S) for lane in self.lanes.values()))

    def on_refused(self, error: BaseException) -> None:
        """Say that the group does not let this worker in, and why; the consumer goes on trying."""
        around, _ = self._require()
        said = first_line(error)
        self._status.noted_refusal(f"it does not let this worker in: {said}")
        if isinstance(error, AWAY):
            self._away_since = self._away_since or time.monotonic()
            if self._status.broker_away or time.monotonic() - self._away_since < AWAY_TOLD_AFTER_S:
                return
        around.states.enter(
            "group",
            "the group does not let this worker in: it goes on trying",
            group=around.settings.group,
            error=said,
        )

    def on_coordinator(self) -> None:
        """Say that the group's coordinator answers again; who waits for an assignment hears of that instead."""
        around, _ = self._require()
        self._away_since = None
        if self._status.assigned:
            self._status.group_detail = ""
            around.states.leave("group", "the group's coordinator answers again")

    def deliver(self, fetched: Fetched) -> None:
        """Hand chunks to their lanes. If a fetch got lost on the way, every lane goes back to where it was."""
        if self._expected is not None and fetched.number != self._expected:
            for lane in self.lanes.values():
                lane.intake.seek_again()
        self._expected = fetched.number + 1
        for chunk in fetched.chunks:
            if chunk.tp.partition in self.lanes:
                self.lanes[chunk.tp.partition].intake.deliver(chunk)
        self._status.noted_fetch()

    async def finish(self, timeout_s: float) -> bool:
        """Finish what is in flight, relay it, then give up all lanes; whether all of it was relayed in time."""
        for lane in self.lanes.values():
            lane.hold()
        rested = await asyncio.gather(*(lane.rest(timeout_s) for lane in self.lanes.values()))
        await asyncio.gather(self.hint(), self._give_up(list(self.lanes)))  # what is settled is looked up before
        return all(rested)

    async def hint(self) -> None:
        """Tell the group what is settled, for lag monitors; Postgres has the truth."""
        offsets = {tp: offset for lane in self.lanes.values() for tp, offset in lane.settled_offsets().items()}
        if offsets and self._consumer is not None:
            try:
                await self._consumer.still_member(offsets)
            except (KafkaError, TimeoutError):
                return

    async def keep_hinting(self) -> None:
        """Do so now and then, for ever."""
        while True:
            await asyncio.sleep(HINT_INTERVAL_S)
            if self._status.assigned:
                await self.hint()

    def measure(self) -> None:
        """Bring the status' lags up to date."""
        for lane in self.lanes.values():
            lane.measure()

    def _require(self) -> tuple[Surroundings, GroupConsumer]:
        if self._around is None or self._consumer is None:
            msg = "lanes were assigned before they were attached to anything"
            raise RuntimeError(msg)
        return self._around, self._consumer

    def _whole_lanes(self, assigned: frozenset[TopicPartition]) -> set[int]:
        """Lanes of which every topic's partition is ours; parts of lanes are not touched."""
        around, _ = self._require()
        prefix = around.settings.topics.prefix
        numbers = {tp.partition for tp in assigned}
        return {
            number
            for number in numbers
            if all(TopicPartition(prefix + topic, number) in assigned for topic in LANE_TOPICS)
        }

    def _wrong_counts(self, consumer: GroupConsumer) -> list[str]:
        around, _ = self._require()
        names = [around.settings.topics.prefix + topic for topic in LANE_TOPICS]
        counts = {name: consumer.partition_count(name) for name in names}
        lanes = around.identity.lanes
        return [f"{name} has {count}" for name, count in counts.items() if count != lanes]

    def _refuse(self, numbers: Collection[int], wrong: list[str]) -> str:
        """Take no lane; what is said of each, and of the group where it gives none, as of a topic that is gone."""
        around, _ = self._require()
        detail = f"topics must have {around.identity.lanes} partitions, as the database has lanes: {'; '.join(wrong)}"
        around.states.enter("partitions", "lanes refused: wrong number of partitions", level="error", detail=detail)
        for number in numbers:
            self._status.lanes[number] = LaneStatus(number, LaneState.STOPPED, detail)
        return "" if numbers else detail

    def _told_parts(self, lanes: Collection[int]) -> str:
        """What is wrong when lanes are given in part, as the broker itself gives them; empty when they are not."""
        around, _ = self._require()
        if not lanes:
            around.states.leave("parts", "the group gives whole lanes again")
            return ""
        detail = (
            f"it gives this worker only parts of lanes {', '.join(map(str, sorted(lanes)))}, and nobody settles these:"
            " a consumer that is no worker of postpay shares the group"
        )
        around.states.enter("parts", "the group gives parts of lanes", level="error", detail=detail)
        return detail

    async def _give_up(self, numbers: Iterable[int]) -> None:
        given_up = [self.lanes.pop(number) for number in numbers]
        await asyncio.gather(*(lane.stop() for lane in given_up))
