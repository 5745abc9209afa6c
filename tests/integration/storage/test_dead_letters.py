"""Dead letters as operators look at them."""

from dataclasses import replace
from datetime import timedelta

from settlement.batch import Settled
from settlement.decision import Decision, Outcome
from settlement.timers import Timer, TimerKind
from storage import dead_letters, lanes
from storage.write import write
from tests.integration.storage.settling import START, account

BUYER = account("buyer")


async def test_dead_letters_are_listed_newest_first_and_shown_with_all_there_is(lane):
    lane.reject("purchase", b"\x00\xff", event_id="e", headers=(("trace", b"1"),))
    await lane.settle()
    failed = Settled(
        Decision(Outcome.DEAD_LETTERED, reason="internal_error"),
        START + timedelta(seconds=1),
        timer=Timer(BUYER, TimerKind.TRIAL_END, "order", START),
        error="Traceback …",
    )
    async with lane.connection.transaction():
        lock = await lanes.lock(lane.connection, 0, lane.claim.epoch)
        await write(lane.connection, replace(lane.nothing(lock), results=[failed]))
    timer, record = await dead_letters.dead_letters(lane.connection)
    assert (timer.dead_letter_id, timer.topic, timer.detail) == (timer.timer_id, None, "Traceback …")
    assert (record.dead_letter_id, record.raw, record.key, record.headers) == (
        "purchase/0/0",
        b"\x00\xff",
        b"key",
        (("trace", b"1"),),
    )
    assert await dead_letters.dead_letters(lane.connection, reason="not_json") == [record]
    assert len(await dead_letters.dead_letters(lane.connection, limit=1)) == 1
    assert await dead_letters.dead_letter(lane.connection, record.dead_letter_id) == record
    assert await dead_letters.dead_letter(lane.connection, timer.dead_letter_id) == timer


async def test_an_unknown_id_is_no_dead_letter(connection):
    assert await dead_letters.dead_letter(connection, "purchase/0/0") is None
