"""*Approvals*: what waits for a second person, and approving or refusing it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from console import queries
from console.access import Permission
from console.pages import lanes, repair, terms
from console.routes import Asked, AskedWronglyError, Done, Form, Page
from operating import approvals
from operating.approvals import CarryOut
from storage.approvals import ApprovalRequest, requests
from storage.database import Connection
from storage.operator_log import Because
from workers.settings.model import Settings

PAGE_ROWS = 50

KINDS: Mapping[str, Callable[[Connection, Settings, ApprovalRequest, Because], Awaitable[Mapping[str, Any]]]] = {
    "accept_gap": lanes.accept_gap,
    repair.EDITED_REDRIVE: repair.carry_out,
    terms.PUBLISH_TERMS: terms.carry_out,
}
"""How each kind is carried out."""


async def read(asked: Asked) -> Mapping[str, Any]:
    """What is pending, and what was decided, the newest first; `before` an entry."""
    pending = await requests(asked.connection, pending=True, limit=PAGE_ROWS)
    before = queries.whole(asked.query, "before")
    rows = await requests(asked.connection, pending=False, limit=PAGE_ROWS, before_entry=before)
    return {
        "pending": [_row(each, asked) for each in pending],
        "decided": [_row(each, asked) for each in rows if each.decided_by is not None],
        "before_number": rows[-1].entry if len(rows) == PAGE_ROWS else None,
    }


def _row(request: ApprovalRequest, asked: Asked) -> dict[str, Any]:
    fields = {name: getattr(request, name) for name in ApprovalRequest.__dataclass_fields__}
    return {**fields, "is_own": request.requested_by == asked.user.name}


async def approve(asked: Asked) -> Done:
    """Approve a request, which carries it out."""

    def carrying_out(kind: str) -> CarryOut:
        async def carry_out(connection: Connection, request: ApprovalRequest, because: Because) -> Mapping[str, Any]:
            return await KINDS[kind](connection, asked.settings, request, because)

        return carry_out

    kinds = {kind: carrying_out(kind) for kind in KINDS}
    done = await approvals.approve(asked.connection, _entry(asked), kinds, asked.because())
    return Done({"done": done}, to="/approvals", notice="approved")


async def refuse(asked: Asked) -> Done:
    """Refuse a request."""
    await approvals.refuse(asked.connection, _entry(asked), asked.because())
    return Done({"refused": _entry(asked)}, to="/approvals", notice="refused")


def _entry(asked: Asked) -> int:
    entry = queries.whole(asked.query, "entry")
    if entry is None:
        raise AskedWronglyError("expected the entry of a request, got none")
    return entry


PAGE = Page("approvals", "/approvals", read)
FORMS = (
    Form("approve", "/approvals/approve", approve, Permission.APPROVE),
    Form("refuse", "/approvals/refuse", refuse, Permission.APPROVE),
)
