"""A consumer without a group that several tasks share: whoever wants to read here and there in a log borrows it.

Opening a consumer takes a dozen requests, so one is kept. But it is kept only as long as nothing goes wrong: what state
aiokafka's client is in after an error, a time-out or a cancellation nobody promises.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer

from workers.kafka.clients import consumer_of, stop_reading
from workers.settings.model import Kafka

FETCH_AT_MOST_MS = 50
"""How long the broker may hold a fetch that has nothing to bring: somebody waits for what is there, not for more."""
POLL_MS = 4 * FETCH_AT_MOST_MS
"""What to wait in one `getmany`: a fetch and its way, on a busy machine too."""


class SharedConsumer:
    """Opened when it is first needed, thrown away after any error, used by one at a time.

    Args:
        kafka: how to reach the brokers.
        partition_bytes: of one partition in one fetch at most.
        isolation_level: `read_uncommitted` to see what is in open and aborted transactions, too.
    """

    def __init__(self, kafka: Kafka, *, partition_bytes: int, isolation_level: str = "read_committed") -> None:
        self._kafka = kafka
        self._partition_bytes = partition_bytes
        self._isolation_level = isolation_level
        self._turn = asyncio.Lock()
        self._consumer: AIOKafkaConsumer | None = None

    @asynccontextmanager
    async def borrowed(self, within_s: float) -> AsyncIterator[AIOKafkaConsumer]:
        """The consumer, started, and nobody else's meanwhile.

        Waiting for the turn is not bounded here; everybody's turn is: it ends after `within_s`, the start included, and
        the throwing away after an error takes STOP_TIMEOUT_S at most.

        Raises:
            TimeoutError: the time is up.
            KafkaError, OSError: the broker is away.
        """
        async with self._turn:
            try:
                async with asyncio.timeout(within_s):
                    yield await self._started()
            except BaseException:
                await self.close()
                raise

    async def _started(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            self._consumer = consumer_of(
                self._kafka,
                isolation_level=self._isolation_level,
                fetch_max_wait_ms=FETCH_AT_MOST_MS,
                max_partition_fetch_bytes=self._partition_bytes,
            )
            await self._consumer.start()
        return self._consumer

    async def close(self) -> None:
        """Throw the consumer away; whoever comes next opens another."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await stop_reading(consumer)
