"""Sending to Kafka on record: the intention is entered before, the outcome after.

Whoever is killed in between leaves an intention without an outcome: nobody knows whether the broker took it. So what is
sent bears event ids that stay the same when it is done again.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.errors import KafkaError

from storage import operator_log
from storage.database import Connection
from storage.operator_log import Action, Because, LogOutcome, Note
from workers.kafka.clients import BrokerUnreachableError

NOT_SENT = (KafkaError, BrokerUnreachableError, TimeoutError, OSError)
"""What a broker that does not take something looks like."""


@asynccontextmanager
async def on_record(
    connection: Connection,
    because: Because,
    action: Action,
    subject: str,
    *,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
) -> AsyncIterator[None]:
    """Enter an intention, let the caller send, enter what came of it. `connection` is outside a transaction."""

    def note(outcome: LogOutcome, **more: Any) -> Note:
        return Note(because=because, action=action, subject=subject, outcome=outcome, **more)

    (intention,) = await operator_log.append(connection, [note(LogOutcome.INTENDED, before=before, after=after)])
    try:
        yield
    except NOT_SENT as error:
        failed = {"error": str(error) or type(error).__name__}
        await operator_log.append(connection, [note(LogOutcome.FAILED, follows=intention, after=failed)])
        raise
    await operator_log.append(connection, [note(LogOutcome.DONE, follows=intention)])
