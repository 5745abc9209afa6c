"""What takes a second person: asked for by one operator, carried out when another approves.

Request and decision are entries of the operator log, which the database lets nobody make about a request of their own.
A request is decided once. What is carried out has its own entries besides, under the name of who asked, with who
approved in the reason. Source: docs/console.md, Approvals.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import asyncpg

from operating.refusal import ActionRefusedError
from settlement.dead_letter import spelled_out
from storage import approvals, operator_log
from storage.approvals import ApprovalRequest, ApprovalStatus
from storage.database import Connection, first_line
from storage.operator_log import MAX_REASON, Action, Because, LogOutcome, Note

CarryOut = Callable[[Connection, ApprovalRequest, Because], Awaitable[Mapping[str, Any]]]
"""Does what was asked for, and says what it did; raises ActionRefusedError where it can't be done any more."""


async def ask(
    connection: Connection, kind: str, subject: str, document: Mapping[str, Any], because: Because
) -> ApprovalRequest:
    """Ask for an approval.

    Args:
        connection: outside a transaction, of a member of postpay_ops.
        kind: what is to be done, one of those that the caller of `approve` can carry out; no blanks.
        subject: what to, as the operator log names it.
        document: all that carrying it out takes.
        because: who asks, and why.
    """
    note = Note(
        because=because,
        action=Action.REQUEST_APPROVAL,
        subject=f"{kind} {subject}",
        outcome=LogOutcome.INTENDED,
        after=document,
    )
    (entry,) = await operator_log.append(connection, [note])
    return await _found(connection, entry)


async def approve(
    connection: Connection, entry: int, kinds: Mapping[str, CarryOut], because: Because
) -> Mapping[str, Any]:
    """Approve a request, and have it carried out.

    Args:
        connection: outside a transaction, of a member of postpay_ops.
        entry: the request's.
        kinds: how each kind is carried out.
        because: who approves, and why.

    Raises:
        ActionRefusedError: there is no such request, it is decided already, is the approver's own, or can't be carried
            out any more.
        Exception: whatever carrying it out raises; the request has failed then, and may be made anew.
    """
    request = await _found(connection, entry)
    intention = await _decide(connection, request, Action.APPROVE, LogOutcome.INTENDED, because)
    try:
        done = await kinds[request.kind](connection, request, _both(request, because))
    except Exception as error:
        await _end(connection, request, intention, LogOutcome.FAILED, because, {"error": first_line(error)})
        raise
    await _end(connection, request, intention, LogOutcome.DONE, because, done)
    return done


async def refuse(connection: Connection, entry: int, because: Because) -> None:
    """Refuse a request.

    Raises:
        ActionRefusedError: as `approve`.
    """
    request = await _found(connection, entry)
    await _decide(connection, request, Action.REFUSE_APPROVAL, LogOutcome.DONE, because)


async def _found(connection: Connection, entry: int) -> ApprovalRequest:
    request = await approvals.request(connection, entry)
    if request is None:
        raise ActionRefusedError(f"expected the entry of a request for an approval, got {entry}")
    return request


async def _decide(
    connection: Connection, request: ApprovalRequest, action: Action, outcome: LogOutcome, because: Because
) -> int:
    if request.status is not ApprovalStatus.PENDING:
        raise _decided(request)
    if request.requested_by == because.operator:
        raise ActionRefusedError(f"request {request.entry} is your own: another person has to decide on it")
    note = Note(because=because, action=action, subject=_subject(request), outcome=outcome, follows=request.entry)
    try:
        (entry,) = await operator_log.append(connection, [note])
    except asyncpg.UniqueViolationError as error:  # somebody was faster
        raise _decided(await _found(connection, request.entry)) from error
    return entry


def _decided(request: ApprovalRequest) -> ActionRefusedError:
    return ActionRefusedError(f"request {request.entry} is decided already: {request.status} by {request.decided_by}")


def _both(request: ApprovalRequest, approved: Because) -> Because:
    """Who asked, with who approved in the reason. Long reasons are cut: both stand whole in entries of their own."""
    why = spelled_out(approved.reason)[: MAX_REASON // 4]
    approval = f" (approved by {approved.operator}: {why}; entry {request.entry})"
    return Because(request.requested_by, request.reason[: MAX_REASON - len(approval)] + approval)


async def _end(
    connection: Connection,
    request: ApprovalRequest,
    intention: int,
    outcome: LogOutcome,
    because: Because,
    after: Mapping[str, Any],
) -> None:
    note = Note(
        because=because,
        action=Action.APPROVE,
        subject=_subject(request),
        outcome=outcome,
        follows=intention,
        after=after,
    )
    await operator_log.append(connection, [note])


def _subject(request: ApprovalRequest) -> str:
    return f"{request.kind} {request.subject}"
