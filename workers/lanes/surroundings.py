"""What a lane stands in: the consumer it reads from, and what it shares with the other lanes of its worker."""

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import asyncpg
from aiokafka import TopicPartition

from storage.identity import Identity
from workers import logs
from workers.kafka.chunks import Ends, Seek
from workers.lanes.claims import Claimer
from workers.lanes.lanelog import LaneLogReader
from workers.lanes.sender import OutputSender
from workers.lanes.taken import SentBatch
from workers.lanes.telling import Teller
from workers.lanes.turns import Turns
from workers.settings.model import Settings
from workers.status import WorkerStatus
from workers.tracing import UNTRACED, Tracing


class Partitions(Protocol):
    """What a lane needs of the consumer (workers/kafka/transport.py)."""

    async def seek_lanes(self, seeks: Mapping[TopicPartition, Seek]) -> bool:
        """Read on elsewhere, under new tokens."""

    async def still_member(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """Commit a hint; whether the group takes us for the owner."""

    def pause(self, tps: list[TopicPartition]) -> None:
        """Hand on nothing more of these."""

    def resume(self, tps: list[TopicPartition]) -> None:
        """Hand on these again."""

    def ends(self, tp: TopicPartition) -> Ends | None:
        """Where the partition ends, as far as is known."""


class SentBatches(Protocol):
    """Reads what a lane has sent again (workers/replay/sent.py)."""

    def __call__(self, lane: int, after: int, last: int, on_step: Callable[[], None]) -> AsyncGenerator[SentBatch]:
        """The batches after one and up to another, as the lane-log has them; `on_step` is called now and then.

        Raises:
            LaneStoppedError: the history has a hole.
            BrokerUnreachableError, KafkaError: the brokers are away.
        """


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all lanes of a worker share."""

    settings: Settings
    identity: Identity
    pool: asyncpg.Pool
    partitions: Callable[[], Partitions]
    claimer: Claimer
    reader: LaneLogReader
    sender: OutputSender
    sent_batches: SentBatches
    status: WorkerStatus
    owner: str
    next_token: Callable[[], int]
    states: logs.ChangeOfState
    turns: Turns
    on_defect: Callable[[Exception], None]
    """Called with what should not be and harms no money, such as a state that does not follow: tests raise it; a worker
    logs it and goes on, for what a lane may write never depends on the state it tells."""
    teller: Teller = field(default_factory=Teller)
    tracing: Tracing = UNTRACED
