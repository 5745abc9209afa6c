"""Kafka clients as the settings describe them: the one place that turns settings into aiokafka's arguments."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.abc import AbstractTokenProvider
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from contracts.records import RawRecord
from storage.database import first_line
from workers.kafka import metadata  # noqa: F401  paces what every client asks for
from workers.kafka.login import credentials, tls
from workers.settings.model import Kafka

CONNECT_TIMEOUT_S = 10.0
"""Longer than a broker's restart takes to refuse connections, short enough for a person who waits."""
STOP_TIMEOUT_S = 1.5
"""A client that is thrown away says goodbye to a broker that answers within milliseconds; to one that doesn't it need
not. At worst its connections stay until the process ends or the broker drops them as idle."""
ADMIN_REQUEST_TIMEOUT_S = 30.0
"""Making topics takes a cluster seconds. At worst a person who runs a command waits this long for a hanging broker."""
LARGEST_REQUEST_BYTES = 8 * 1024 * 1024


class BrokerUnreachableError(Exception):
    """No broker answered in time, or it refused the log-in."""


class BrokerRefusesError(BrokerUnreachableError):
    """It refused the log-in, or one of the two certificates."""


_AWAY = (KafkaError, OSError, TimeoutError)


def is_broker_away(error: BaseException) -> bool:
    """Tell whether trying again later can help. All errors of Kafka count: a broker that is starting refuses."""
    return isinstance(error, (*_AWAY, BrokerUnreachableError))


class FileToken(AbstractTokenProvider):  # type: ignore[misc] # aiokafka has no types
    """An OAUTHBEARER token kept up to date in a file by somebody else, such as Kubernetes."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka

    async def token(self) -> str:
        """Give the token as the file has it now."""
        password = await asyncio.to_thread(self._kafka.password)
        return "" if password is None else password.get_secret_value()


def connection(kafka: Kafka) -> dict[str, Any]:
    """The arguments every aiokafka client needs to find the brokers and log in.

    Raises:
        OSError: a certificate's file can no longer be read.
    """
    arguments: dict[str, Any] = {
        "bootstrap_servers": kafka.brokers,
        "security_protocol": kafka.security_protocol,
        # Whatever the protocol is: these make the connection (workers/kafka/login.py).
        "sasl_plain_password": credentials(kafka),
    }
    if kafka.uses_tls:
        arguments["ssl_context"] = tls(kafka)  # aiokafka insists on one from the beginning
    if kafka.uses_sasl:
        arguments["sasl_mechanism"] = kafka.sasl_mechanism
        if kafka.sasl_mechanism == "OAUTHBEARER":
            arguments["sasl_oauth_token_provider"] = FileToken(kafka)
        else:
            arguments["sasl_plain_username"] = kafka.username
    return arguments


def lane_of(key: bytes, lanes: int) -> int:
    """The partition that Kafka's Java clients and aiokafka give a key: its home lane."""
    hashed: int = murmur2(key)
    return (hashed & 0x7FFFFFFF) % lanes


def raw_record(topic: str, record: ConsumerRecord) -> RawRecord:
    """A consumed record as the contracts take it, under its topic's name without prefix."""
    return RawRecord(topic, record.partition, record.offset, record.timestamp, record.key, record.value, record.headers)


def age_s(timestamp_ms: int, now_ms: float) -> float:
    """How old a record is by its own time; 0 of one that bears none (-1)."""
    return 0.0 if timestamp_ms < 0 else max(0.0, (now_ms - timestamp_ms) / 1000)


@asynccontextmanager
async def producing(kafka: Kafka, **more: Any) -> AsyncIterator[AIOKafkaProducer]:
    """A started idempotent producer that waits for all replicas; flushed and closed at the end.

    Raises:
        BrokerUnreachableError: no broker answered.
    """
    producer = AIOKafkaProducer(
        **connection(kafka),
        enable_idempotence=True,
        acks="all",
        max_request_size=LARGEST_REQUEST_BYTES,
        **more,
    )
    await _start(producer, kafka)
    try:
        with _named(kafka):
            yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def reading(kafka: Kafka, **more: Any) -> AsyncIterator[AIOKafkaConsumer]:
    """A started consumer without a group or any partitions, read_committed unless told otherwise.

    Raises:
        BrokerUnreachableError: no broker answered.
    """
    consumer = consumer_of(kafka, **more)
    await _start(consumer, kafka)
    try:
        with _named(kafka):
            yield consumer
    finally:
        await stop_reading(consumer)


def consumer_of(kafka: Kafka, *, isolation_level: str = "read_committed", **more: Any) -> AIOKafkaConsumer:
    """A consumer without a group or any partitions, to be started."""
    return AIOKafkaConsumer(
        **connection(kafka),
        isolation_level=isolation_level,
        enable_auto_commit=False,
        auto_offset_reset="none",
        **more,
    )


async def stop_reading(consumer: AIOKafkaConsumer) -> None:
    """Stop a consumer, in bounded time.

    aiokafka's fetch routine loses a cancellation that comes just after `assign`, and then waits for ever. Being
    cancelled while it waits for the routine, `stop` cancels that once more.
    """
    await stop_within(STOP_TIMEOUT_S, consumer.stop())


async def stop_within(timeout_s: float, stopping: Coroutine[Any, Any, Any]) -> None:
    """Let a client that is thrown away stop, in bounded time whatever it does with a cancellation.

    It is asked once, then cancelled, then left behind. Errors are of no interest to anybody.
    """
    task = asyncio.create_task(stopping)
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    for _ in range(2):
        done, _ = await asyncio.wait([task], timeout=timeout_s / 2)
        if done:
            return
        task.cancel()


@asynccontextmanager
async def administering(kafka: Kafka) -> AsyncIterator[AIOKafkaAdminClient]:
    """A started admin client.

    Raises:
        BrokerUnreachableError: no broker answered.
    """
    admin = AIOKafkaAdminClient(**connection(kafka), request_timeout_ms=int(ADMIN_REQUEST_TIMEOUT_S * 1000))
    await _start(admin, kafka)
    try:
        with _named(kafka):
            yield admin
    finally:
        await stop_within(STOP_TIMEOUT_S, admin.close())


@contextmanager
def _named(kafka: Kafka) -> Iterator[None]:
    """Note of an error of Kafka's which brokers it was: commands tell it."""
    try:
        yield
    except KafkaError as error:
        error.add_note(f"the brokers are {kafka.bootstrap} (POSTPAY_KAFKA__BOOTSTRAP)")
        raise


async def _start(client: Any, kafka: Kafka) -> None:
    """Start a client within CONNECT_TIMEOUT_S; one that could not is closed, so that it doesn't retry for ever."""
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await client.start()
    except _AWAY as error:
        await stop_within(STOP_TIMEOUT_S, client.close() if isinstance(client, AIOKafkaAdminClient) else client.stop())
        refusal = credentials(kafka).logins.refusal
        if refusal is not None:
            raise BrokerRefusesError(refused(kafka, refusal)) from error
        raise BrokerUnreachableError(unreachable(kafka, error)) from error


def refused(kafka: Kafka, refusal: Exception) -> str:
    """One line for people: whom the brokers refuse, why, what to look at."""
    who = f"the log-in of {kafka.username}" if kafka.username else "this client"
    shown = {
        "PASSWORD_FILE": kafka.password_file,
        "CERTIFICATE_FILE": kafka.certificate_file,
        "CA_FILE": kafka.ca_file,
    }
    names = [f"POSTPAY_KAFKA__{name}" for name, file in shown.items() if file] or ["POSTPAY_KAFKA__SECURITY_PROTOCOL"]
    return f"Kafka at {kafka.bootstrap} refuses {who} ({first_line(refusal)}); is {' and '.join(names)} right?"


def unreachable(kafka: Kafka, error: BaseException) -> str:
    """One line for people: which brokers, what was wrong, what to look at."""
    said = first_line(error)
    return f"Kafka at {kafka.bootstrap} cannot be reached ({said}); is it up, and is POSTPAY_KAFKA__BOOTSTRAP right?"


async def ends_of(consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
    """Where a reader has everything of each partition, markers included.

    Of a read_committed consumer that is the last stable offset, where the first open transaction begins; else the end.
    """
    by_topic: dict[str, list[TopicPartition]] = defaultdict(list)
    for tp in partitions:
        by_topic[tp.topic].append(tp)
    # One call each, side by side: a call waits for the metadata of one new topic after the other, 0.5 s each.
    answers = await asyncio.gather(*(consumer.end_offsets(topic) for topic in by_topic.values()))
    return {tp: end for ends in answers for tp, end in ends.items()}
