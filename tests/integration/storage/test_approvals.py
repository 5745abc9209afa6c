"""What takes a second person, straight on the database: the log itself refuses what the code would."""

import re

import asyncpg
import pytest

from console.pages import lanes
from operating import approvals
from operating.refusal import ActionRefusedError
from storage import operator_log
from storage.approvals import ApprovalStatus, request, requests
from storage.audit import audit
from storage.operator_log import MAX_REASON, Action, Because, LogFilter, LogOutcome, Note
from workers.settings.model import Settings

MEI, CHEN, LI = (Because(name, f"{name}'s reason") for name in ("mei", "chen", "li"))


async def asked(connection, because=MEI):
    await connection.execute("SET ROLE postpay_ops")
    return await approvals.ask(connection, "paint", "shed", {"colour": "green"}, because)


async def painted(_connection, wanted, because):
    return {"colour": wanted.document["colour"], "told": because.reason}


async def fails(_connection, _wanted, _because):
    raise RuntimeError("no paint")


def decision(entry: int, operator: str, action=Action.APPROVE, outcome=LogOutcome.INTENDED) -> Note:
    return Note(because=Because(operator, "why"), action=action, subject="paint shed", outcome=outcome, follows=entry)


async def test_what_is_approved_is_carried_out_in_both_names(connection):
    wanted = await asked(connection)
    assert (wanted.status, wanted.kind, wanted.subject) == (ApprovalStatus.PENDING, "paint", "shed")
    assert [each.entry for each in await requests(connection, pending=True, limit=9)] == [wanted.entry]
    done = await approvals.approve(connection, wanted.entry, {"paint": painted}, CHEN)
    assert done == {
        "colour": "green",
        "told": f"mei's reason (approved by chen: chen's reason; entry {wanted.entry})",
    }
    assert (await request(connection, wanted.entry)).status is ApprovalStatus.DONE
    assert await requests(connection, pending=True, limit=9) == []
    told = [(each.action, each.outcome) for each in await operator_log.entries(connection, LogFilter(), 9)]
    assert told == [("approve", "done"), ("approve", "intended"), ("request_approval", "intended")]
    await connection.execute("RESET ROLE")
    assert [check.name for check in await audit(connection) if not check.ok] == []


async def test_who_approved_stands_after_the_longest_reason(connection):
    longest = Because("mei", "m" * MAX_REASON)
    wanted = await asked(connection, longest)
    done = await approvals.approve(connection, wanted.entry, {"paint": painted}, Because("chen", "c" * MAX_REASON))
    assert len(done["told"]) == MAX_REASON
    assert re.fullmatch(rf"m+ \(approved by chen: c+; entry {wanted.entry}\)", done["told"])


async def test_what_fails_on_the_way_has_failed_and_is_not_done_again(connection):
    wanted = await asked(connection)
    with pytest.raises(RuntimeError, match="no paint"):
        await approvals.approve(connection, wanted.entry, {"paint": fails}, CHEN)
    assert (await request(connection, wanted.entry)).status is ApprovalStatus.FAILED
    with pytest.raises(ActionRefusedError, match="decided already: failed by chen"):
        await approvals.approve(connection, wanted.entry, {"paint": painted}, LI)


async def test_a_gap_is_accepted_only_where_the_lane_was_when_it_was_asked_for(connection):
    async def accept(session, wanted, because):
        return await lanes.accept_gap(session, Settings.model_construct(), wanted, because)

    await connection.execute("SET ROLE postpay_ops")
    gap = {"lane": 0, "topic": "purchase", "next_offset": 41, "offset_before": 0}
    first, second = [await approvals.ask(connection, "accept_gap", "purchase/0", gap, MEI) for _ in range(2)]
    done = await approvals.approve(connection, first.entry, {"accept_gap": accept}, CHEN)
    assert done == {"offset_before": 0, "next_offset": 41}
    await connection.execute("RESET ROLE")
    await connection.execute("UPDATE lane_offset SET next_offset = 1000, last_fingerprint = '\\x01' WHERE lane = 0")
    await connection.execute("SET ROLE postpay_ops")
    with pytest.raises(ActionRefusedError, match=r"at offset 0 of purchase.*found it at 1000"):
        await approvals.approve(connection, second.entry, {"accept_gap": accept}, CHEN)
    row = await connection.fetchrow("SELECT next_offset, last_fingerprint FROM lane_offset WHERE lane = 0")
    assert tuple(row) == (1000, b"\x01")
    assert (await request(connection, second.entry)).status is ApprovalStatus.FAILED
    assert len(await operator_log.entries(connection, LogFilter(action="accept_gap"), 9)) == 1


async def test_a_request_is_decided_once_and_by_somebody_else(connection):
    wanted = await asked(connection)
    with pytest.raises(ActionRefusedError, match="your own"):
        await approvals.approve(connection, wanted.entry, {"paint": painted}, MEI)
    with pytest.raises(ActionRefusedError, match="your own"):
        await approvals.refuse(connection, wanted.entry, MEI)
    await approvals.refuse(connection, wanted.entry, CHEN)
    assert (await request(connection, wanted.entry)).status is ApprovalStatus.REFUSED
    with pytest.raises(ActionRefusedError, match="decided already: refused by chen"):
        await approvals.approve(connection, wanted.entry, {"paint": painted}, LI)
    with pytest.raises(ActionRefusedError, match="expected the entry of a request"):
        await approvals.refuse(connection, 9999, CHEN)


@pytest.mark.parametrize(
    ("action", "outcome"),
    [(Action.APPROVE, LogOutcome.INTENDED), (Action.REFUSE_APPROVAL, LogOutcome.DONE)],
)
async def test_the_database_refuses_what_the_code_would(connection, action, outcome):
    wanted = await asked(connection)
    with pytest.raises(asyncpg.CheckViolationError, match="their own"):
        await operator_log.append(connection, [decision(wanted.entry, "mei", action, outcome)])
    with pytest.raises(asyncpg.CheckViolationError, match="no request"):
        await operator_log.append(connection, [decision(wanted.entry + 1, "chen", action, outcome)])
    await operator_log.append(connection, [decision(wanted.entry, "chen", action, outcome)])
    with pytest.raises(asyncpg.UniqueViolationError):
        await operator_log.append(connection, [decision(wanted.entry, "li", Action.APPROVE, LogOutcome.INTENDED)])
