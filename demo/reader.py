"""What other services see: topics, read with isolation level read_committed."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from contracts.headers import ORIGIN
from contracts.topics import OUTPUT_TOPICS, Topic
from workers.kafka.clients import ends_of, reading
from workers.settings.model import Settings

POLL_MS = 200

WRITTEN_TOPICS = (*(topic for topic in OUTPUT_TOPICS if topic is not Topic.LANE_LOG), Topic.MERCHANT_ACTIVITY)
"""Everything postpay sends that carries an event_id of its own."""

NOTICE = "notification.requested"
OPENED = b'"credit_line.opened"'
SHOPS = "shops"
"""Who is told when it is not the buyer of some programme."""


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
        ends = await ends_of(consumer, self._partitions)
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
    notices: Counter[tuple[str, str]] = field(default_factory=Counter)
    """What people were told, by template and programme (or SHOPS)."""
    followed: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Everything about the parties that were followed, by their id, in order per topic."""

    @property
    def records(self) -> int:
        """All of them."""
        return sum(self.by_type.values())


async def count_delivered(
    settings: Settings, programmes: Mapping[str, str] | None = None, follow: Collection[str] = ()
) -> Delivered:
    """Read all that postpay ever sent, with a reader of its own, and look for anything that came twice.

    Args:
        settings: of the brokers.
        programmes: of the accounts whose notices are told apart.
        follow: ids of the parties whose messages are kept.

    Raises:
        BrokerUnreachableError: no broker answered.
    """
    delivered = Delivered(followed={party_id: [] for party_id in follow})
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
            if kind == NOTICE:
                notice = json.loads(record.value)
                delivered.notices[notice["template"], (programmes or {}).get(notice["recipient_id"], SHOPS)] += 1
            party_id = (record.key or b"").decode(errors="replace")
            if "ce_type" in headers and party_id in delivered.followed:
                delivered.followed[party_id].append(json.loads(record.value))
    return delivered


async def programmes(settings: Settings) -> dict[str, str]:
    """Whose account belongs to which programme, as topic `credit-line` has it.

    Raises:
        BrokerUnreachableError: no broker answered.
    """
    found: dict[str, str] = {}
    async with TopicReader(settings, [Topic.CREDIT_LINE]) as reader:
        async for record in reader.up_to_now():
            if record.value is not None and OPENED in record.value:
                opened = json.loads(record.value)
                found.setdefault(opened["account_id"], opened["programme"])
    return found
