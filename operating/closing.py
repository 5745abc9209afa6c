"""Closing dead letters that need no redrive: with the reason on record, and so that no redrive takes them up.

Nothing is sent and nothing is settled: the dead letter stays as it came. The operator log is the only place that says
so; the database notes the entry's number with the letter. Source: docs/operations.md, Closing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from storage import operator_log
from storage.database import Connection
from storage.dead_letters import KeptLetter, ends
from storage.operator_log import Action, Because, LogEntry, LogOutcome, Note


class ClosingStatus(StrEnum):
    """What closing or reopening did with one dead letter."""

    CLOSED = "closed"
    CLOSED_BEFORE = "closed_before"
    REDRIVEN = "redriven_before"
    REOPENED = "reopened"
    OPEN = "open_before"


@dataclass(frozen=True, slots=True)
class Closing:
    """One dead letter afterwards; `detail` says who was there before."""

    kept: KeptLetter
    status: ClosingStatus
    detail: str | None = None

    def document(self) -> dict[str, Any]:
        """What became of it as JSON has it."""
        return {"id": self.kept.letter.dead_letter_id, "status": self.status, "detail": self.detail}


async def close(connection: Connection, letters: Sequence[KeptLetter], because: Because) -> list[Closing]:
    """Close some dead letters; what is done with already stays as it is.

    Args:
        connection: outside a transaction, of a member of postpay_ops.
        letters: in their order.
        because: who closes them, and why.
    """
    return await _enter(connection, letters, because, Action.CLOSE_DEAD_LETTER)


async def reopen(connection: Connection, letters: Sequence[KeptLetter], because: Because) -> list[Closing]:
    """Open again what somebody has closed; what was redriven stays so. Arguments as of `close`."""
    return await _enter(connection, letters, because, Action.REOPEN_DEAD_LETTER)


async def _enter(
    connection: Connection, letters: Sequence[KeptLetter], because: Because, action: Action
) -> list[Closing]:
    async with connection.transaction():
        await operator_log.lock(connection)
        found = await ends(connection, [each.letter.dead_letter_id for each in letters])
        closings = [_closing(each, found.get(each.letter.dead_letter_id), action) for each in letters]
        changed = [each for each in closings if each.status in {ClosingStatus.CLOSED, ClosingStatus.REOPENED}]
        await operator_log.append(connection, [_note(each.kept, because, action) for each in changed])
    return closings


def _closing(kept: KeptLetter, end: LogEntry | None, action: Action) -> Closing:
    detail = None if end is None else f"{end.operator} at {end.at.isoformat()}: {end.reason}"
    if end is not None and end.action == Action.REDRIVE:
        return Closing(kept, ClosingStatus.REDRIVEN, detail)
    if action is Action.REOPEN_DEAD_LETTER:
        return Closing(kept, ClosingStatus.OPEN if end is None else ClosingStatus.REOPENED, detail)
    return Closing(kept, ClosingStatus.CLOSED if end is None else ClosingStatus.CLOSED_BEFORE, detail)


def _note(kept: KeptLetter, because: Because, action: Action) -> Note:
    letter = kept.letter
    before = {"reason": letter.reason, "event_id": letter.event_id}
    return Note(because=because, action=action, subject=letter.dead_letter_id, outcome=LogOutcome.DONE, before=before)
