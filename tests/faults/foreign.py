"""Clients of others: what librdkafka does in our group and our topics."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourcePatternType,
    ResourceType,
)

CALL_TIMEOUT_S = 10.0
POLL_S = 0.1
CLIENT_ID = "somebody-elses"


@asynccontextmanager
async def member(bootstrap: str, group: str, topics: list[str], **more: Any) -> AsyncIterator[None]:
    """A consumer that sits in a group and is polled meanwhile; it has its assignment when this is entered.

    Args:
        bootstrap: of the broker.
        group: whose group it joins.
        topics: what it subscribes to, with prefix.
        more: settings of librdkafka, with `_` for `.`.
    """
    settings = {name.replace("_", "."): value for name, value in more.items()}
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": group, "client.id": CLIENT_ID, "auto.offset.reset": "latest"}
        | settings
    )
    assigned, leaving = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    consumer.subscribe(topics, on_assign=lambda *_: loop.call_soon_threadsafe(assigned.set))

    async def poll() -> None:
        while not leaving.is_set():
            await asyncio.to_thread(consumer.poll, POLL_S)

    polling = asyncio.create_task(poll())
    try:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            await assigned.wait()
        yield
    finally:
        leaving.set()
        await polling
        await asyncio.to_thread(consumer.close)


@asynccontextmanager
async def open_transaction(
    bootstrap: str, send: Callable[[Producer], None], timeout_s: float = 60.0
) -> AsyncIterator[Producer]:
    """A transactional producer with a transaction that holds what `send` produces; aborted unless it was ended.

    Args:
        bootstrap: of the broker.
        send: calls `produce`; what it produced is on the broker when this is entered.
        timeout_s: after this the broker aborts it.
    """
    name = f"{CLIENT_ID}-{uuid4().hex[:8]}"
    timeout_ms = int(timeout_s * 1000)
    producer = Producer(
        {"bootstrap.servers": bootstrap, "transactional.id": name, "transaction.timeout.ms": timeout_ms}
    )
    await asyncio.to_thread(producer.init_transactions, CALL_TIMEOUT_S)
    producer.begin_transaction()
    send(producer)
    assert await asyncio.to_thread(producer.flush, CALL_TIMEOUT_S) == 0
    yield producer


@asynccontextmanager
async def denied(bootstrap: str, resource: str, name: str, operation: str) -> AsyncIterator[None]:
    """A right that everybody is denied meanwhile; the broker must have an authorizer."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    kind, pattern = ResourceType[resource], ResourcePatternType.LITERAL
    what = (kind, name, pattern, "User:ANONYMOUS", "*", AclOperation[operation])
    await _done(admin.create_acls([AclBinding(*what, AclPermissionType.DENY)]))
    try:
        yield
    finally:
        await _done(admin.delete_acls([AclBindingFilter(*what, AclPermissionType.DENY)]))


@asynccontextmanager
async def configured(bootstrap: str, topic: str, name: str, value: str) -> AsyncIterator[None]:
    """A setting that a topic has meanwhile, and not any more afterwards."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    (before,) = await _done(admin.describe_configs([resource]))

    async def alter(to: str) -> None:
        entry = ConfigEntry(name, to, incremental_operation=AlterConfigOpType.SET)
        changed = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
        await _done(admin.incremental_alter_configs([changed]))

    await alter(value)
    try:
        yield
    finally:
        await alter(before[name].value)


async def delete_topic(bootstrap: str, name: str) -> None:
    """Delete a topic behind everybody's back."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    await _done(admin.delete_topics([name]))


async def _done(futures: dict[Any, Any]) -> list[Any]:
    return await asyncio.gather(*(asyncio.wrap_future(future) for future in futures.values()))
