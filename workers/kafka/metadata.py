"""How often aiokafka asks where partitions are led: not again at once while nobody leads them.

Its fetcher and its sender ask whenever they miss a partition's leader, and again with each answer: every 2 ms while a
broker's partitions look for leaders, or when a topic is gone, which took a worker half a processor. Kafka's own clients
wait for 0.1 s between two such questions (retry.backoff.ms). So its way to ask is wrapped here, for all clients.
tests/unit/workers/kafka/test_transport_pins.py fails when an upgrade moves what this touches.
"""
# ruff: noqa: SLF001  as in transport.py

import asyncio
import time
from collections.abc import Collection
from typing import Any
from weakref import WeakKeyDictionary

from aiokafka.client import AIOKafkaClient

PACE_S = 0.1
"""From an answer to the next question about the same topics. At worst a new leader is found this much later."""

_ask = AIOKafkaClient._metadata_update
_answered: WeakKeyDictionary[AIOKafkaClient, tuple[frozenset[str], float]] = WeakKeyDictionary()
"""What each client asked about last, and when that was answered."""


async def _ask_in_time(client: AIOKafkaClient, cluster: Any, topics: Collection[str]) -> bool:
    """Stands in for aiokafka's `_metadata_update`: whether there was an answer. About other topics it asks at once."""
    before, at = _answered.get(client, (None, 0.0))
    if frozenset(topics) == before:
        await asyncio.sleep(at + PACE_S - time.monotonic())
    asked = frozenset(topics)  # which may have become more meanwhile
    answered: bool = await _ask(client, cluster, topics)
    _answered[client] = asked, time.monotonic()
    return answered


AIOKafkaClient._metadata_update = _ask_in_time
