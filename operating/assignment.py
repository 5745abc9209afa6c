"""Giving money in suspense to the account it belongs to."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.instants import format_instant
from contracts.topics import Topic
from operating.refusal import ActionRefusedError
from operating.sending import on_record
from settlement.ids import derived_id
from settlement.suspense import SuspenseEntry
from storage import suspense
from storage.database import Connection
from storage.operator_log import Action, Because
from workers.kafka.clients import producing
from workers.settings.model import Settings

SOURCE = "postpay suspense assign"


@dataclass(frozen=True, slots=True)
class SuspenseAssignment:
    """Money on its way from suspense to an account."""

    entry: SuspenseEntry
    to: str
    event_ids: tuple[str, ...]


async def assign(
    connection: Connection, settings: Settings, entry: SuspenseEntry, to: str, occurred_at: datetime, because: Because
) -> SuspenseAssignment:
    """Send `suspense.released`, and a `repayment.received` for the account as of when the money came.

    Doing it again does no harm: the event ids are the same.

    Args:
        connection: outside a transaction, of a member of postpay_ops.
        settings: where to send.
        entry: the money.
        to: the account it belongs to.
        occurred_at: when it was assigned.
        because: who assigns it, and why; the reason goes with the message.

    Raises:
        ActionRefusedError: it is not in suspense any more, or the account is not known or has another currency.
    """
    if entry.released_at is not None:
        raise ActionRefusedError(f"{entry.suspense_id} is not in suspense any more: released: {entry.reason}")
    currency = await suspense.currency_of(connection, to)
    if currency != entry.currency:
        found = "no such account is known" if currency is None else f"its currency is {currency}"
        raise ActionRefusedError(f"expected an account in {entry.currency} to give the money to, got {to!r}: {found}")
    messages = _messages(entry, to, because.reason, occurred_at)
    assignment = SuspenseAssignment(entry, to, tuple(message["event_id"] for message in messages))
    topic = settings.topics.prefix + Topic.REPAYMENT
    subject = f"{entry.account_id}/{entry.suspense_id}"
    before = {"account_id": entry.account_id, "amount_minor": entry.amount_minor, "currency": entry.currency}
    after = {"account_id": to, "event_ids": assignment.event_ids}
    async with (
        on_record(connection, because, Action.ASSIGN_SUSPENSE, subject, before=before, after=after),
        producing(settings.kafka) as producer,
    ):
        for message in messages:
            value = json.dumps(message, ensure_ascii=False).encode()
            await producer.send_and_wait(topic, value=value, key=message["account_id"].encode())
    return assignment


def _messages(entry: SuspenseEntry, to: str, reason: str, occurred_at: datetime) -> list[dict[str, Any]]:
    """First the repayment: should only one be sent, the entry still shows that it is to be assigned (again)."""
    seed = f"suspense\0{entry.account_id}\0{entry.suspense_id}"
    return [
        {
            "event_id": derived_id(f"{seed}\0{to}", 1),
            "type": "repayment.received",
            "occurred_at": format_instant(entry.received_at),
            "source": SOURCE,
            "account_id": to,
            "repayment_id": entry.suspense_id,
            "amount_minor": entry.amount_minor,
            "currency": entry.currency,
            "purpose": "account",
            "channel": entry.channel,
        },
        {
            "event_id": derived_id(seed, 2),
            "type": "suspense.released",
            "occurred_at": format_instant(occurred_at),
            "source": SOURCE,
            "account_id": entry.account_id,
            "suspense_id": entry.suspense_id,
            "reason": reason,
        },
    ]
