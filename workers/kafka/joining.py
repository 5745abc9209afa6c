# ruff: noqa: SLF001  private parts of aiokafka's coordinator, pinned like those of transport.py
"""Getting into the group, however long it takes: what keeps a worker out is told, and tried again.

aiokafka gives what it takes for a lasting error (a foreign protocol in the group, no right to the group) to whoever
asks for records next, and waits for that before it goes on. Here nobody asks for records before there is an assignment,
so it would wait for ever. A coordinator that is not available it asks again by itself, and tells nobody.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

JOIN_AGAIN_S = 2.0
"""From one refusal to the next try: soon enough for who has just mended it. At worst a worker joins this late."""
MEMBERS_NAMED = 5


def keep_joining(
    consumer: AIOKafkaConsumer,
    on_refused: Callable[[BaseException], None],
    on_found: Callable[[], None],
    on_ended: Callable[[BaseException], None],
) -> None:
    """Have a started consumer join its group again after whatever kept it out. Runs in the consumer's thread.

    Args:
        consumer: with a group.
        on_refused: called with each error that keeps it out, or the group's coordinator from it.
        on_found: called when there is a coordinator again. A member that was one before needs no new assignment then.
        on_ended: called with what has ended its coordination for good.
    """
    coordinator, client = consumer._coordinator, consumer._client

    async def refused(error: BaseException) -> None:
        on_refused(error)
        # It may have been a heartbeat that failed; only joining anew starts them again.
        coordinator.request_rejoin()
        await asyncio.wait([coordinator._closing], timeout=JOIN_AGAIN_S)

    def ended(task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            on_ended(error)

    coordinator._push_error_to_user = refused
    coordinator._coordination_task.add_done_callback(ended)
    client.coordinator_lookup = _told(client.coordinator_lookup, on_refused, on_found)


def _told(
    call: Callable[..., Awaitable[Any]], on_error: Callable[[BaseException], None], on_success: Callable[[], None]
) -> Callable[..., Awaitable[Any]]:
    """Have each error of a call told, and its first success after one."""
    failed = False

    async def told(*arguments: Any) -> Any:
        nonlocal failed
        try:
            result = await call(*arguments)
        except KafkaError as error:
            failed = True
            on_error(error)
            raise
        if failed:
            failed = False
            on_success()
        return result

    return told


async def members(admin: AIOKafkaAdminClient, group: str) -> str:
    """What sits in a group, for people; empty where nobody does, or the broker does not say.

    It says nothing of a group that its members made in the protocol that brokers lead (group.protocol=consumer).
    """
    try:
        (answer,) = await admin.describe_consumer_groups([group])
    except KafkaError:
        return ""
    (found,) = answer.to_object()["groups"]
    sitting = [f"{each['client_id']} at {each['client_host'].lstrip('/')}" for each in found["members"]]
    if not sitting:
        return ""
    more = ["…"] if len(sitting) > MEMBERS_NAMED else []
    return f"{', '.join(sitting[:MEMBERS_NAMED] + more)} (protocol {found['protocol'] or 'not agreed yet'})"
