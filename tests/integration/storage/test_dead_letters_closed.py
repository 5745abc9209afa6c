"""Dead letters that are done with: what is listed, counted and sent again of them."""

import pytest

from operating import closing
from operating.redriving import Redriven, RedriveStatus, plan
from operating.resending import Resending
from operating.selection import selection
from storage import dead_letters, operator_log
from storage.dead_letters import dead_letter
from storage.operator_log import Action, Because, LogFilter, LogOutcome, Note
from storage.outcome_search import ANY, OutcomeFilter, producer_name

ANN = Because("ann", "its producer sent it anew")
UNDERSTOOD = b"""
    {"event_id":"e","type":"purchase.received","occurred_at":"2026-01-01T00:00:00Z","account_id":"key","order_id":"o"}
"""


@pytest.fixture
async def letters(lane):
    """Three letters in their order: of the shop, of somebody else, and one that could be sent again as it came."""
    lane.reject("purchase", b'{"source": "shop", ')
    lane.reject("repayment", '{"source":"银行 \\u94f6","x'.encode())
    lane.reject("purchase", UNDERSTOOD)
    await lane.settle()
    return [await dead_letter(lane.connection, each) for each in ("purchase/0/0", "repayment/0/0", "purchase/0/1")]


def ids(found) -> set[str]:
    return {kept.letter.dead_letter_id for kept in found}


async def listed(connection, wanted=ANY, **given) -> set[str]:
    return ids(await dead_letters.dead_letters(connection, wanted, **given))


async def test_what_is_closed_is_listed_apart_and_can_be_reopened(connection, letters):
    first, _, third = letters
    (closed,) = await closing.close(connection, [first], ANN)
    assert closed.status == "closed"
    assert await listed(connection, is_open=True) == {"repayment/0/0", "purchase/0/1"}
    assert await listed(connection, is_open=False) == {"purchase/0/0"}
    assert await listed(connection) == ids(letters)
    (story,) = await dead_letters.stories(connection, await dead_letters.dead_letters(connection, is_open=False))
    assert story.document()["closed"] == {"by": "ann", "at": story.closed.at, "reason": "its producer sent it anew"}
    again, other = await closing.close(connection, [first, third], Because("bob", "too"))
    assert (again.status, again.detail.startswith("ann at "), other.status) == ("closed_before", True, "closed")
    reopened, open_before = await closing.reopen(connection, [first, letters[1]], Because("bob", "it did not"))
    assert (reopened.status, open_before.status) == ("reopened", "open_before")
    assert await listed(connection, is_open=False) == {"purchase/0/1"}
    entries = await operator_log.entries(connection, LogFilter(subject="purchase/0/0"), 10)
    assert [(each.action, each.operator) for each in entries] == [
        ("reopen_dead_letter", "bob"),
        ("close_dead_letter", "ann"),
    ]


async def test_what_is_closed_is_not_sent_until_it_is_reopened_and_what_is_sent_is_not_closed(connection, letters):
    third = letters[2]
    await closing.close(connection, [third], ANN)
    (refused,) = await plan(connection, 8, [third], None)
    assert isinstance(refused, Redriven)
    assert (refused.status, "ann closed it at" in refused.detail) == (RedriveStatus.CLOSED, True)
    await closing.reopen(connection, [third], ANN)
    (planned,) = await plan(connection, 8, [third], None)
    assert isinstance(planned, Resending)
    redriven = {"event_id": "e", "partition": 0, "offset": 9, "edited": False}
    note = Note(because=ANN, action=Action.REDRIVE, subject="purchase/0/1", outcome=LogOutcome.DONE, after=redriven)
    await operator_log.append(connection, [note])
    assert await listed(connection, is_open=False) == {"purchase/0/1"}
    for change in (closing.close, closing.reopen):
        assert [each.status for each in await change(connection, [third], ANN)] == ["redriven_before"]
    assert await listed(connection, is_open=False) == {"purchase/0/1"}


async def test_an_intention_or_a_failure_leaves_it_open(connection, letters):
    for outcome in (LogOutcome.INTENDED, LogOutcome.FAILED):
        note = Note(because=ANN, action=Action.REDRIVE, subject="purchase/0/1", outcome=outcome)
        await operator_log.append(connection, [note])
    assert await listed(connection, is_open=True) == ids(letters)


async def test_a_selection_of_open_ones_leaves_out_what_is_done_with(connection, letters):
    await closing.close(connection, letters[:1], ANN)
    everything = OutcomeFilter(reason="not_json")
    for is_open, expected in ((True, {"repayment/0/0", "purchase/0/1"}), (None, ids(letters))):
        chosen = await selection(connection, [], everything, is_open=is_open)
        assert await chosen.count(connection) == len(expected)
        assert {each for step in [ids(step) async for step in chosen.steps(connection)] for each in step} == expected


async def test_letters_are_counted_by_reason_topic_producer_and_day(connection, letters):
    await closing.close(connection, letters[2:], ANN)
    groups = await dead_letters.letter_groups(connection, ANY)
    assert (groups.total, groups.reasons, groups.topics) == (3, {"not_json": 3}, {"purchase": 2, "repayment": 1})
    assert {str(day): number for day, number in groups.days.items()} == {"2026-01-01": 3}
    assert groups.producers.pop(None) == 1
    assert {producer_name(each) for each in groups.producers} == {"shop", "银行 银"}
    for producer, number in groups.producers.items():
        wanted = OutcomeFilter(producer=producer)
        assert len(await listed(connection, wanted)) == number
        assert (await dead_letters.letter_groups(connection, wanted)).total == number
    assert (await dead_letters.letter_groups(connection, ANY, is_open=True)).total == 2
    assert await dead_letters.open_count(connection) == 2


async def test_an_operator_who_may_only_append_closes(connection, letters):
    await connection.execute("SET ROLE postpay_ops")
    (closed,) = await closing.close(connection, letters[:1], ANN)
    assert (closed.status, await listed(connection, is_open=False)) == ("closed", {"purchase/0/0"})
