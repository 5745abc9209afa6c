"""Audits on record: who ran one, when, and what each check found. They are entries of the operator log, hashes and all.

The intention is entered before, the findings after it: an intention without findings is a run in progress, or one that
was ended. Source: docs/operations.md, Audits on record.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from operating.refusal import ActionRefusedError
from storage import figures, operator_log
from storage.audit import Check, audit, unheard
from storage.database import Connection
from storage.figures import LedgerTotal
from storage.operator_log import Action, Because, LogEntry, LogFilter, LogOutcome, Note

BOOKS = "books"
"""The subject of their entries."""

MAX_DETAIL = 2_000
"""Characters of a finding on record."""

ENTRIES_OF_RUN = 2


@dataclass(frozen=True, slots=True)
class AuditRun:
    """One run: its first entry, and the one with what it found; None of one that has not ended, or was ended."""

    begun: LogEntry
    ended: LogEntry | None

    @property
    def found(self) -> dict[str, Any]:
        """`ok`, `checks` and `balances`; nothing while it has not ended."""
        found: dict[str, Any] = {} if self.ended is None else self.ended.document()["after"]
        return found

    def document(self) -> dict[str, Any]:
        """The run as JSON has it."""
        ended = self.ended
        return {
            "entry": self.begun.entry,
            "begun_at": self.begun.at,
            "ended_at": None if ended is None else ended.at,
            "operator": self.begun.operator,
            "database_user": self.begun.database_user,
            "reason": self.begun.reason,
            "ok": self.found.get("ok"),
            "checks": self.found.get("checks", []),
            "balances": self.found.get("balances", []),
        }


async def audit_on_record(
    connection: Connection, because: Because, progress: Callable[[str], None] = unheard
) -> tuple[list[Check], int]:
    """Run all checks and enter what they found; gives the checks, and the number of the entry that has them.

    Args:
        connection: outside a transaction, of a member of postpay_ops.
        because: who runs them, and why.
        progress: told the name of each check as it begins.

    Raises:
        ActionRefusedError: somebody else runs them on record now.
    """

    def note(outcome: LogOutcome, **more: Any) -> Note:
        return Note(because=because, action=Action.AUDIT, subject=BOOKS, outcome=outcome, **more)

    async with operator_log.alone(connection, Action.AUDIT) as is_alone:
        if not is_alone:
            raise ActionRefusedError("an audit is being put on record already: wait for what it finds")
        (begun,) = await operator_log.append(connection, [note(LogOutcome.INTENDED)])
        checks = await audit(connection, progress)
        found = _found(checks, await figures.ledger_totals(connection))
        (ended,) = await operator_log.append(connection, [note(LogOutcome.DONE, follows=begun, after=found)])
    return checks, ended


async def runs(connection: Connection, limit: int) -> list[AuditRun]:
    """The latest runs, at most so many, the newest first."""
    wanted = LogFilter(action=Action.AUDIT, subject=BOOKS)
    entries = await operator_log.entries(connection, wanted, ENTRIES_OF_RUN * limit)
    ends: dict[int, LogEntry] = {each.follows: each for each in entries if each.follows is not None}
    begun = [each for each in entries if each.outcome == LogOutcome.INTENDED]
    return [AuditRun(each, ends.get(each.entry)) for each in begun[:limit]]


def _found(checks: Sequence[Check], totals: Sequence[LedgerTotal]) -> dict[str, Any]:
    return {
        "ok": all(check.ok for check in checks),
        "checks": [{**asdict(check), "detail": check.detail[:MAX_DETAIL]} for check in checks],
        "balances": [{**asdict(each), "side": each.ledger_account.normal_side} for each in totals],
    }


def history(found: Sequence[AuditRun]) -> dict[str, list[tuple[datetime, bool]]]:
    """By check, in the order of the newest run, when it was made and whether it held, the newest first."""
    made: dict[str, list[tuple[datetime, bool]]] = {}
    for run in found:
        if run.ended is not None:
            for check in run.found["checks"]:
                made.setdefault(check["name"], []).append((run.ended.at, check["ok"]))
    return made
