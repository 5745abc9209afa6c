"""What other services see: the output topics, read with isolation level read_committed."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from contracts.headers import ORIGIN
from contracts.topics import OUTPUT_TOPICS, Topic
from workers.kafka_clients import reading, stable_ends
from workers.settings import Settings

POLL_MS = 200

WRITTEN_TOPICS = (*(topic for topic in OUTPUT_TOPICS if topic is not Topic.LANE_LOG), Topic.MERCHANT_ACTIVITY)
"""Everything postpay sends that carries an event_id of its own."""


class TopicReader:
    """Reads topics from their beginning, as far as they are committed, and goes on from there the next time."""

    def __init__(self, settings: Settings, topics: Iterable[Topic]) -> None:
        names = [settings.topics.prefix + topic for topic in topics]
        self._partitions = [TopicPartition(name, lane) for name in names for lane in range(settings.lanes)]
        self._context = reading(settings.kafka, fetch_max_wait_ms=POLL_MS)
        self._consumer: AIOKafkaConsumer | None = None

    async def __aenter__(self) -> Self:
        self._consumer = await self._context.__aenter__()
        self._consumer.assign(self._partitions)
        await self._consumer.seek_to_beginning()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._context.__aexit__(kind, error, traceback)

    async def up_to_now(self) -> AsyncIterator[ConsumerRecord]:
        """Give what is committed by now and was not given yet, in order per partition."""
        consumer = self._consumer
        if consumer is None:
            raise RuntimeError("use the reader in `async with`")
        ends = await stable_ends(consumer, self._partitions)
        behind = set(self._partitions)
        while behind := {each for each in behind if await consumer.position(each) < ends[each]}:
            for records in (await consumer.getmany(*behind, timeout_ms=POLL_MS)).values():
                for record in records:
                    yield record


@dataclass(slots=True)
class Delivered:
    """Everything a read_committed reader finds, counted from the first record to the last."""

    by_type: Counter[str] = field(default_factory=Counter)
    twice: list[str] = field(default_factory=list)
    """event_ids (or, re-routed, origins) that were found more than once."""

    @property
    def records(self) -> int:
        """All of them."""
        return sum(self.by_type.values())


async def count_delivered(settings: Settings) -> Delivered:
    """Read all that postpay ever sent, with a reader of its own, and look for anything that came twice.

    Raises:
        BrokerUnreachableError: no broker answered.
    """
    delivered = Delivered()
    seen: set[object] = set()
    async with TopicReader(settings, (*WRITTEN_TOPICS, Topic.REROUTED)) as reader:
        async for record in reader.up_to_now():
            headers = dict(record.headers)
            kind = headers.get("ce_type", b"rerouted").decode()
            identity = headers.get("ce_id") or tuple(headers.get(name) for name in ORIGIN[:3])
            delivered.by_type[kind] += 1
            if identity in seen:
                delivered.twice.append(f"{record.topic}: {identity!r}")
            seen.add(identity)
    return delivered
