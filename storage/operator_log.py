"""The operator log: what people changed, who, when and why. Append-only, each entry's hash covers the one before.

What is done in the database is written in the same transaction. What is sent to Kafka is written twice: as an intention
before the sending, and as done or failed after it.

Source: docs/operations.md, Operator log.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from settlement.dead_letter import spelled_out
from storage.database import Connection, Row
from storage.queries import read

_SQL = read("operator_log")

GENESIS = hashlib.sha256(b"postpay operator log").digest()
"""The hash before the first entry."""

MAX_REASON = 2000


class Action(StrEnum):
    """What operators do; the names are public."""

    REDRIVE = "redrive"
    ACCEPT_GAP = "accept_gap"
    PUBLISH_TERMS = "publish_terms"
    ASSIGN_SUSPENSE = "assign_suspense"
    MIGRATE = "migrate"
    REBUILD = "rebuild"
    CLOSE_DEAD_LETTER = "close_dead_letter"
    REOPEN_DEAD_LETTER = "reopen_dead_letter"
    AUDIT = "audit"
    UNMASK = "unmask"
    REQUEST_APPROVAL = "request_approval"
    APPROVE = "approve"
    REFUSE_APPROVAL = "refuse_approval"
    SPLIT_LANES = "split_lanes"
    ARCHIVE = "archive"


class LogOutcome(StrEnum):
    """How far it came. Of what is `failed` nobody knows whether the broker took it: it may be done again."""

    INTENDED = "intended"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Because:
    """Who does something, and why; both are asked of people."""

    operator: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What is to be entered. `before` and `after` say what changed; `follows` is the entry it is the end of."""

    because: Because
    action: Action
    subject: str
    outcome: LogOutcome
    follows: int | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry as it is stored; `before` and `after` are JSON texts, exactly those the hash covers."""

    entry: int
    at: datetime
    operator: str
    database_user: str
    action: str
    subject: str
    outcome: str
    follows: int | None
    reason: str
    before: str | None
    after: str | None
    entry_hash: bytes

    def document(self) -> dict[str, Any]:
        """The entry as JSON has it."""
        return {
            "entry": self.entry,
            "at": self.at,
            "operator": self.operator,
            "database_user": self.database_user,
            "action": self.action,
            "subject": self.subject,
            "outcome": self.outcome,
            "follows": self.follows,
            "reason": self.reason,
            "before": None if self.before is None else json.loads(self.before),
            "after": None if self.after is None else json.loads(self.after),
            "entry_hash": self.entry_hash.hex(),
        }

    def hash_after(self, previous: bytes) -> bytes:
        """The hash it must have after an entry of this hash; the database computes the same when it is entered."""
        fields = (
            str(self.entry),
            self.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            self.operator,
            self.database_user,
            self.action,
            self.subject,
            self.outcome,
            None if self.follows is None else str(self.follows),
            self.reason,
            self.before,
            self.after,
        )
        return hashlib.sha256(previous + b"".join(map(_netstring, fields))).digest()


@dataclass(frozen=True, slots=True)
class LogFilter:
    """What listed entries must agree with; None is anything."""

    action: str | None = None
    subject: str | None = None
    operator: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def lock(connection: Connection) -> None:
    """Keep others from appending until the caller's transaction ends, so that what is read here stays true."""
    await connection.execute(_SQL["lock"])


@asynccontextmanager
async def alone(connection: Connection, action: Action) -> AsyncIterator[bool]:
    """Be the only session that does something; gives whether it is. `connection` is outside a transaction."""
    is_alone = await connection.fetchval(_SQL["begin_alone"], action.value)
    try:
        yield is_alone
    finally:
        if is_alone:
            await connection.execute(_SQL["end_alone"], action.value)


async def is_under_way(connection: Connection, action: Action) -> bool:
    """Whether some session is `alone` with it; a standby can't tell, and says yes."""
    found: bool = await connection.fetchval(_SQL["is_under_way"], action.value)
    return found


async def append(connection: Connection, notes: Sequence[Note]) -> list[int]:
    """Enter notes in their order, in the caller's transaction; gives their numbers.

    Raises:
        asyncpg.InsufficientPrivilegeError: the log-in is no member of postpay_ops.
    """
    rows = await connection.fetch(
        _SQL["append"],
        [spelled_out(note.because.operator) for note in notes],
        [note.action.value for note in notes],
        [spelled_out(note.subject) for note in notes],
        [note.outcome.value for note in notes],
        [note.follows for note in notes],
        [spelled_out(note.because.reason)[:MAX_REASON] for note in notes],
        [_text(note.before) for note in notes],
        [_text(note.after) for note in notes],
    )
    return [row["entry"] for row in rows]


async def accept_gap(connection: Connection, lane: int, topic: str, first_offset: int, because: Because) -> int:
    """Set where a lane goes on in a topic, and enter that; gives the offset it would have gone on at.

    Raises:
        asyncpg.NoDataFoundError: there is no such lane.
    """
    reason = spelled_out(because.reason)[:MAX_REASON]
    before: int = await connection.fetchval(
        _SQL["accept_gap"], lane, topic, first_offset, spelled_out(because.operator), reason
    )
    return before


async def entries(
    connection: Connection, wanted: LogFilter, limit: int, before_entry: int | None = None
) -> list[LogEntry]:
    """List entries, the newest first, only those below `before_entry` if one is given."""
    rows = await connection.fetch(
        _SQL["entries"],
        before_entry,
        wanted.action,
        wanted.subject,
        wanted.operator,
        wanted.since,
        wanted.until,
        limit,
    )
    return [*map(_entry, rows)]


async def latest(connection: Connection, action: Action, subjects: Iterable[str]) -> dict[str, LogEntry]:
    """How far an action has come with each of some subjects: the entry that says it is done, or else the last one."""
    rows = await connection.fetch(_SQL["latest"], action.value, list(subjects))
    return {row["subject"]: _entry(row) for row in rows}


async def of_numbers(connection: Connection, numbers: Sequence[int]) -> dict[int, LogEntry]:
    """Some entries by their numbers."""
    return {row["entry"]: _entry(row) for row in await connection.fetch(_SQL["of_numbers"], numbers)}


async def next_of_chain(connection: Connection, after_entry: int, limit: int) -> list[LogEntry]:
    """The entries that follow one, in order."""
    return [*map(_entry, await connection.fetch(_SQL["chain"], after_entry, limit))]


def _entry(row: Row) -> LogEntry:
    return LogEntry(**{name: row[name] for name in LogEntry.__dataclass_fields__})


def _text(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else json.dumps(value, default=str)


def _netstring(field: str | None) -> bytes:
    if field is None:
        return b"-,"
    raw = field.encode()
    return b"%d:%b," % (len(raw), raw)
