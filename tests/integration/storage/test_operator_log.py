import asyncio

import asyncpg
import pytest

from storage import operator_log
from storage.audit.operator_chain import operator_chain
from storage.operator_log import Action, Because, LogFilter, LogOutcome, Note


def note(subject: str = "purchase/0/1", outcome: LogOutcome = LogOutcome.DONE, **more) -> Note:
    given = {"because": Because("ann", "why"), "action": Action.REDRIVE, **more}
    return Note(subject=subject, outcome=outcome, **given)


async def test_entries_tell_who_when_what_why_before_and_after(connection):
    (intention,) = await operator_log.append(connection, [note(outcome=LogOutcome.INTENDED, before={"a": 1})])
    await operator_log.append(connection, [note(follows=intention, after={"b": "先用后付"})])
    done, intended = [each.document() for each in await operator_log.entries(connection, LogFilter(), 10)]
    assert (intended["entry"], intended["outcome"], intended["before"], intended["after"]) == (
        1,
        "intended",
        {"a": 1},
        None,
    )
    assert (done["entry"], done["follows"], done["outcome"], done["after"]) == (2, 1, "done", {"b": "先用后付"})
    assert {each: done[each] for each in ("operator", "action", "subject", "reason")} == {
        "operator": "ann",
        "action": "redrive",
        "subject": "purchase/0/1",
        "reason": "why",
    }
    assert done["database_user"] == await connection.fetchval("SELECT session_user")
    assert abs((await connection.fetchval("SELECT clock_timestamp()") - done["at"]).total_seconds()) < 60


@pytest.mark.parametrize(
    ("wanted", "entries"),
    [
        (LogFilter(action="accept_gap"), [3]),
        (LogFilter(subject="b"), [2]),
        (LogFilter(operator="bob"), [4]),
        (LogFilter(), [4, 3, 2, 1]),
    ],
)
async def test_entries_are_found(connection, wanted, entries):
    notes = [note("a"), note("b"), note("c", action=Action.ACCEPT_GAP), note("d", because=Because("bob", "so"))]
    assert await operator_log.append(connection, notes) == [1, 2, 3, 4]
    assert [each.entry for each in await operator_log.entries(connection, wanted, 10)] == entries
    assert [each.entry for each in await operator_log.entries(connection, wanted, 10, entries[0])] == entries[1:]
    third = (await operator_log.entries(connection, LogFilter(subject="c"), 1))[0].at
    since = await operator_log.entries(connection, LogFilter(since=third), 10)
    until = await operator_log.entries(connection, LogFilter(until=third), 10)
    assert ([each.entry for each in since], [each.entry for each in until]) == ([4, 3], [2, 1])


async def test_what_is_done_comes_before_what_was_begun_since(connection):
    await operator_log.append(connection, [note("a"), note("a", LogOutcome.INTENDED), note("b", LogOutcome.INTENDED)])
    latest = await operator_log.latest(connection, Action.REDRIVE, ["a", "b", "c"])
    assert {subject: entry.entry for subject, entry in latest.items()} == {"a": 1, "b": 3}


async def test_the_database_and_the_audit_compute_the_same_hashes(connection):
    texts = ["plain", "", "ünï 先用后付 \U0001f600", 'quotes " and \\ and : , -', "line\nbreak"]
    notes = [note(text or "-", because=Because("ann", text), before={"text": text}) for text in texts]
    await operator_log.append(connection, notes)
    check = await operator_chain(connection)
    assert (check.ok, check.detail) == (True, "5 entries")


async def test_entries_of_sessions_at_the_same_time_follow_one_another(pool, connection):
    async def enter(number: int) -> None:
        async with pool.acquire() as own, own.transaction():
            await operator_log.append(own, [note(f"{number}"), note(f"{number}")])

    await asyncio.gather(*(enter(number) for number in range(8)))
    found = await operator_log.entries(connection, LogFilter(), 100)
    assert [each.entry for each in found] == list(range(16, 0, -1))
    assert [first.subject for first in found[::2]] == [second.subject for second in found[1::2]]
    assert (await operator_chain(connection)).ok


@pytest.mark.parametrize(
    "statement", ["UPDATE operator_log SET reason = 'x'", "DELETE FROM operator_log", "TRUNCATE operator_log"]
)
@pytest.mark.parametrize("role", [None, "postpay_owner", "postpay_ops", "postpay_worker", "postpay_auditor"])
async def test_nobody_changes_what_is_on_record(connection, statement, role):
    await operator_log.append(connection, [note()])
    if role is not None:
        await connection.execute(f"SET ROLE {role}")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)
    assert len(await operator_log.entries(connection, LogFilter(), 10)) == 1


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        ("UPDATE operator_log SET reason = 'better' WHERE entry = 2", "entry 2: expected"),
        ("UPDATE operator_log SET at = at + interval '1 microsecond' WHERE entry = 2", "entry 2: expected"),
        ("UPDATE operator_log SET follows = 1 WHERE entry = 2", "entry 2: expected"),
        ("UPDATE operator_log SET after = before, before = after WHERE entry = 2", "entry 2: expected"),
        ("DELETE FROM operator_log WHERE entry = 2", "expected entry 2 after entry 1; found entry 3"),
        ("DELETE FROM operator_log WHERE entry = 1", "expected entry 1 after entry 0; found entry 2"),
        ("UPDATE operator_log SET entry = 5 WHERE entry = 4", "expected entry 4 after entry 3; found entry 5"),
    ],
)
async def test_the_audit_notices_what_was_changed_past_the_triggers(connection, tampering, found):
    await operator_log.append(connection, [note(f"{number}", before={"n": number}) for number in range(4)])
    assert (await operator_chain(connection)).ok
    await connection.execute("SET session_replication_role = replica")
    await connection.execute(tampering)
    check = await operator_chain(connection)
    assert not check.ok
    assert found in check.detail
