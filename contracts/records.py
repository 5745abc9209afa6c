"""Kafka records as postpay takes and sends them, and what becomes of one that can't be understood."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from settlement.dead_letter import DeadLetter, DeadLetterReason
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
    """A record that can't be understood: a dead letter, but for lane time, which its batch only finds out.

    Until then it has its place in the lane's order like an input, by `occurred_at`. `detail` holds no evidence URIs,
    contacts or free texts; the other fields are those of a dead letter.
    """

    source: Source
    reason: DeadLetterReason
    detail: str
    key: bytes | None
    raw: bytes | None
    event_id: str | None = None
    type: str | None = None
    occurred_at: datetime | None = None
    headers: tuple[tuple[str, bytes], ...] = ()

    def dead_letter(self, decided_at: datetime) -> DeadLetter:
        """Give the dead letter of a batch at this lane time."""
        return DeadLetter(
            self.source,
            None,
            self.reason,
            self.detail,
            decided_at,
            self.key,
            self.raw,
            self.event_id,
            self.type,
            self.occurred_at,
            self.headers,
        )


class RefusalError(Exception):
    """Raised within this package to end decoding; `decode` turns it into `Rejected`."""

    def __init__(self, reason: DeadLetterReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
