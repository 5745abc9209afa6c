"""What waits for a second person: requests in the operator log, and what was decided on them."""

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from storage.database import Connection, Row
from storage.queries import read

_SQL = read("approvals")


class ApprovalStatus(StrEnum):
    """How far a request has come."""

    PENDING = "pending"
    REFUSED = "refused"
    APPROVED = "approved"
    """Being carried out, or interrupted in it: what became of it is in the operator log. It is not done again."""
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """What somebody asks a second person to approve; `document` is all that carrying it out takes."""

    entry: int
    requested_at: datetime
    requested_by: str
    kind: str
    subject: str
    document: dict[str, Any]
    reason: str
    status: ApprovalStatus
    decided_by: str | None
    decided_at: datetime | None
    decided_because: str | None


async def requests(
    connection: Connection, *, pending: bool, limit: int, before_entry: int | None = None
) -> list[ApprovalRequest]:
    """List requests, the newest first."""
    return [*map(_request, await connection.fetch(_SQL["requests"], before_entry, pending, limit))]


async def request(connection: Connection, entry: int) -> ApprovalRequest | None:
    """One request by the number of its entry; None when there is none."""
    row = await connection.fetchrow(_SQL["request"], entry)
    return None if row is None else _request(row)


def _request(row: Row) -> ApprovalRequest:
    kind, _, subject = row["subject"].partition(" ")
    return ApprovalRequest(
        entry=row["entry"],
        requested_at=row["at"],
        requested_by=row["operator"],
        kind=kind,
        subject=subject,
        document=json.loads(row["after"]),
        reason=row["reason"],
        status=_status(row),
        decided_by=row["decided_by"],
        decided_at=row["decided_at"],
        decided_because=row["decided_because"],
    )


def _status(row: Row) -> ApprovalStatus:
    if row["decision"] is None:
        return ApprovalStatus.PENDING
    if row["decision"] == "refuse_approval":
        return ApprovalStatus.REFUSED
    return ApprovalStatus.APPROVED if row["ended"] is None else ApprovalStatus(row["ended"])
