"""Dead letters as operators look at them."""

from dataclasses import replace
from datetime import timedelta

from settlement.batch import Settled
from settlement.decision import Decision, Outcome
from settlement.timers import Timer, TimerKind
from storage import dead_letters, lanes
from storage.outcome_search import OutcomeFilter
from storage.write import write
from tests.integration.storage.settling import START, account

BUYER = account("buyer")


async def test_dead_letters_are_listed_newest_first_and_shown_with_all_there_is(lane):
    refused = lane.reject("purchase", b"\x00\xff", event_id="e", headers=(("trace", b"1"),))
    await lane.settle()
    failed = Settled(
        Decision(Outcome.DEAD_LETTERED, reason="internal_error"),
        START + timedelta(seconds=1),
        timer=Timer(BUYER, TimerKind.TRIAL_END, "order", START),
        detail="KeyError in fire\nTraceback …",
    )
    async with lane.connection.transaction():
        lock = await lanes.lock(lane.connection, 0, lane.claim.epoch)
        await write(lane.connection, replace(lane.nothing(lock), results=[failed]))
    timer, record = await dead_letters.dead_letters(lane.connection)
    assert (timer.letter, record.letter) == (failed.dead_letter, refused)
    assert (timer.lane, record.lane) == (0, 0)
    assert await dead_letters.dead_letters(lane.connection, OutcomeFilter(reason="not_json")) == [record]
    assert len(await dead_letters.dead_letters(lane.connection, limit=1)) == 1
    assert await dead_letters.dead_letter(lane.connection, "purchase/0/0") == record
    assert await dead_letters.dead_letter(lane.connection, failed.timer.timer_id) == timer


async def test_an_unknown_id_is_no_dead_letter(connection):
    assert await dead_letters.dead_letter(connection, "purchase/0/0") is None
