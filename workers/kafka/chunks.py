"""What passes between the consumer and the lanes: record batches one way, places to read on from the other.

A chunk says exactly what it follows, so a lane sees at once if one went missing. Protocol: docs/protocol.md, Input.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from aiokafka import ConsumerRecord, TopicPartition

RECORD_OVERHEAD_BYTES = 512
"""What a record costs in memory besides its key and value (measured: ConsumerRecord, tuple of headers, ints)."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """All that read_committed shows of one partition from position `start` up to `end`, in order.

    `token` names the seek it follows. `error` is what keeps `end` from being read; nothing more comes until a new seek.
    """

    tp: TopicPartition
    token: int
    start: int
    end: int
    records: list[ConsumerRecord]
    size_bytes: int
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """One fetch; `number` was taken before it started, so a fetch that is lost on the way leaves a hole."""

    number: int
    chunks: list[Chunk] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Seek:
    """Where to go on reading a partition, and the token of the seek; under token 0 nothing is handed on."""

    offset: int
    token: int


@dataclass(frozen=True, slots=True)
class Ends:
    """Where a read_committed reader has everything of a partition (`stable`), and where everybody has (`last`).

    They differ while a transaction is open: it begins at `stable`.
    """

    stable: int
    last: int


class Owner(Protocol):
    """Who owns the lanes of this worker (workers/lanes/assignment.py); everything is called on the main loop."""

    async def on_assigned(self, assigned: frozenset[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Claim the lanes of an assignment and seek; return the position of every partition."""

    async def on_revoked(self) -> None:
        """Finish, within bounds, what is in flight: lanes may go to others."""

    def on_refused(self, error: BaseException) -> None:
        """The group does not let this worker in; the consumer goes on trying."""

    def on_coordinator(self) -> None:
        """The group's coordinator answers again; an assignment that is in force stays so."""

    def deliver(self, fetched: Fetched) -> None:
        """Take over what was fetched; never waits."""
