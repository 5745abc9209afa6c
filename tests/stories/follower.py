"""Reads along what postpay says while stories are played."""

import asyncio
import json
import time
from collections import Counter, defaultdict
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts.topics import Topic

LOOK_AT_LOG_S = 2.0

REQUESTS = {"debit": "auto_debit.requested", "payout": "payout.requested"}


class Follower:
    """Reads along: how far each lane is settled, and what was asked for.

    Args:
        consumer: of the lane-log, debits and payouts, read_committed.
        looker: a consumer that is not, to look at ends with.
    """

    def __init__(self, consumer: AIOKafkaConsumer, looker: AIOKafkaConsumer) -> None:
        self.settled: dict[tuple[int, str], int] = defaultdict(int)
        """Next offset that is not settled, by lane and topic."""
        self._requests: dict[str, list[dict[str, Any]]] = {kind: [] for kind in REQUESTS.values()}
        """Requested debits and payouts by type; those of one lane in order."""
        self.lone: dict[tuple[int, str, int], str] = {}
        """Outcome of each record that was a batch of its own, by lane, topic and offset."""
        self._consumer = consumer
        self._looker = looker
        self._moved = asyncio.Condition()

    async def follow(self) -> None:
        """Read for ever."""
        while True:
            fetched = await self._consumer.getmany(timeout_ms=500)
            async with self._moved:
                for records in fetched.values():
                    for record in records:
                        self._note(record.partition, json.loads(record.value))
                if fetched:
                    self._moved.notify_all()

    def requested(self, word: str, parties: frozenset[str]) -> list[dict[str, Any]]:
        """The debits or payouts that were asked for of these parties, in order."""
        found = self._requests[REQUESTS[word]]
        return [each for each in found if each.get("account_id", each.get("payee_id")) in parties]

    async def until(self, condition: Any, within_s: float) -> bool:
        """Wait until something is so; whether it was in time."""
        try:
            async with asyncio.timeout(within_s), self._moved:
                await self._moved.wait_for(condition)
        except TimeoutError:
            return False
        return True

    async def until_all_settled(self, tp: TopicPartition, topic: str, within_s: float) -> bool:
        """Wait until nothing is on its way in a partition that transactions write to, and all of it is settled."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            end = (await self._looker.end_offsets([tp]))[tp]
            stable_end = (await self._consumer.end_offsets([tp]))[tp]
            # The last one is the marker of the last transaction.
            settled = await self.until(lambda end=end: self.settled[tp.partition, topic] >= end - 1, LOOK_AT_LOG_S)
            if settled and stable_end == end:
                return True
        return False

    def _note(self, partition: int, document: dict[str, Any]) -> None:
        if document.get("kind") == "batch":
            for topic, (_, next_offset, _) in document["offsets"].items():
                self.settled[partition, topic] = max(self.settled[partition, topic], next_offset)
            self._note_lone(partition, document)
        elif document.get("type") in self._requests:
            self._requests[document["type"]].append(document)

    def _note_lone(self, lane: int, batch: dict[str, Any]) -> None:
        spans = {topic: span for topic, span in batch["offsets"].items() if span[2]}
        outcomes = Counter(batch["outcomes"])
        # What the lane sends itself about merchants is applied, and comes when it comes.
        _, _, activity = spans.pop(Topic.MERCHANT_ACTIVITY, (0, 0, 0))
        outcomes["applied"] -= activity
        left = list((+outcomes).elements())
        if len(left) == 1 and len(spans) == 1:
            ((topic, (first, _, _)),) = spans.items()
            self.lone[lane, topic, first] = left[0]
