"""Puts the services' records on their topics, each with its own partitioner."""

import asyncio
import zlib
from collections.abc import Iterable

from aiokafka import AIOKafkaProducer

from contracts.topics import BROADCAST_TOPICS
from demo.record import Record
from workers.kafka.homes import home_of
from workers.settings.model import Settings


class Sender:
    """Sends records through one producer, which the caller owns."""

    def __init__(self, producer: AIOKafkaProducer, settings: Settings) -> None:
        self._producer = producer
        self._prefix = settings.topics.prefix
        self._lanes = settings.lanes
        self.sent = 0
        """Records the broker has acknowledged."""

    async def send(self, records: Iterable[Record]) -> None:
        """Send and wait until all are acknowledged; what goes to one partition keeps its order.

        Raises:
            KafkaError: a record was refused.
        """
        waiting = [
            await self._producer.send(self._prefix + each.topic, each.value, each.key, partition=partition)
            for each in records
            for partition in self._partitions(each)
        ]
        await self._producer.flush()
        await asyncio.gather(*waiting)
        self.sent += len(waiting)

    def _partitions(self, each: Record) -> Iterable[int]:
        if each.topic in BROADCAST_TOPICS:
            return range(self._lanes)
        key = each.key or b""
        return (zlib.crc32(key) % self._lanes if each.crc32 else home_of(key.decode(), self._lanes),)
