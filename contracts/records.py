"""Kafka records as postpay takes and sends them, and what becomes of one that can't be understood."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from contracts.reasons import RejectReason
from settlement.messages import Source


class RawRecord(NamedTuple):
    """A consumed record as it came; `topic` is without prefix, `timestamp_ms` the broker's."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class OutgoingMessage(NamedTuple):
    """A record to send; `topic` is without prefix. Only a dead letter or re-routed record may have no key."""

    topic: str
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that can't be understood: one dead letter.

    `source` is where it was produced to (the origin, if it was re-routed). `detail` says what was expected, what came
    and where; it holds no evidence URIs, contacts or free texts, so it may be logged. `event_id`, `type` and
    `occurred_at` are given where they could be read all the same.
    """

    source: Source
    reason: RejectReason
    detail: str
    key: bytes | None
    raw: bytes | None
    event_id: str | None = None
    type: str | None = None
    occurred_at: datetime | None = None
    traceparent: str | None = None


class RefusalError(Exception):
    """Raised within this package to end decoding; `decode` turns it into `Rejected`."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
