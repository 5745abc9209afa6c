"""The least that an answer takes with the same clients: read, COMMIT, send in a transaction, and nothing else.

    python -m benchmarks.bare_loop BOOTSTRAP PREFIX LANES DSN

Whatever a fetch brings is one COMMIT (a row for each record) and one transaction of the producer (a notice for each
record). It prints `ready` when it would answer, and goes on until it is told to end.
"""

import asyncio
import json
import signal
import sys

import uvloop
from aiokafka import ConsumerRecord, TopicPartition

from contracts.topics import Topic
from storage.database import connect
from workers.kafka.clients import producing, reading
from workers.settings.model import Kafka

FETCH_WAIT_MS = 100
TABLE = "CREATE TABLE IF NOT EXISTS public.answered (event_id text PRIMARY KEY)"
INSERT = "INSERT INTO public.answered SELECT unnest($1::text[])"


async def answer(bootstrap: str, prefix: str, lanes: int, dsn: str) -> None:
    """Answer every order on `purchase` with a notice, until cancelled."""
    kafka = Kafka(bootstrap=bootstrap)
    partitions = [TopicPartition(prefix + Topic.PURCHASE, lane) for lane in range(lanes)]
    connection = await connect(dsn, application_name="bare loop")
    await connection.execute(TABLE)
    try:
        async with (
            producing(kafka, transactional_id=f"{prefix}bare-loop") as producer,
            reading(kafka, fetch_max_wait_ms=FETCH_WAIT_MS) as consumer,
        ):
            consumer.assign(partitions)
            await consumer.seek_to_end(*partitions)
            print("ready", flush=True)
            while True:
                fetched = await consumer.getmany(timeout_ms=1000)
                ids = [_event_id(record) for records in fetched.values() for record in records]
                if ids:
                    await connection.execute(INSERT, ids)
                    async with producer.transaction():
                        for event_id in ids:
                            notice = json.dumps({"causation_id": event_id}).encode()
                            await producer.send(prefix + Topic.NOTIFICATION, notice, event_id.encode())
    finally:
        await connection.close()


def _event_id(record: ConsumerRecord) -> str:
    return str(json.loads(record.value)["event_id"])


async def main() -> None:
    """End with SIGTERM, in good order."""
    bootstrap, prefix, lanes, dsn = sys.argv[1:]
    answering = asyncio.create_task(answer(bootstrap, prefix, int(lanes), dsn))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, answering.cancel)
    try:
        await answering
    except asyncio.CancelledError:
        return


if __name__ == "__main__":
    uvloop.run(main())
