"""Records as the other services of the platform send them."""

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from contracts.topics import Topic

_ID_FIELDS = {
    Topic.MERCHANT: "merchant_id",
    Topic.DEPOSIT_REFUND_REQUEST: "merchant_id",
    Topic.PAYOUT_RESULT: "payee_id",
}
"""What names the record's key in the body; `account_id` elsewhere."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of an input topic. It is usually delivered when it occurred; `late` moves the delivery.

    `crc32` records come from a librdkafka client that was left at its own partitioner, so most miss their home lane.
    """

    topic: Topic
    key: bytes | None
    value: bytes | None
    occurred_at: datetime
    delivered_at: datetime
    crc32: bool = False

    def late(self, delivered_at: datetime) -> "Record":
        """The same record, delivered at another time."""
        return replace(self, delivered_at=delivered_at)

    def named(self, event_id: str) -> "Record":
        """The same message, sent once more as another event."""
        return replace(self, value=encoded(self.body | {"event_id": event_id}))

    @property
    def body(self) -> dict[str, Any]:
        """The message, of a record that holds one."""
        body: dict[str, Any] = json.loads(self.value or b"{}")
        return body


def record(topic: Topic, key: str, event_id: str, kind: str, occurred_at: datetime, /, **fields: Any) -> Record:
    """Make the record of a well-formed message; fields that are None are left out."""
    id_field = _ID_FIELDS.get(topic, "account_id")
    body = {
        "event_id": event_id,
        "type": kind,
        "occurred_at": occurred_at.isoformat(timespec="milliseconds"),
        id_field: key,
    }
    body |= {name: value for name, value in fields.items() if value is not None}
    return Record(topic, key.encode(), encoded(body), occurred_at, occurred_at)


def encoded(body: dict[str, Any]) -> bytes:
    """JSON as most clients write it."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
