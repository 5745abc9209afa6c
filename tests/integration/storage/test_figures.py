"""Figures over all lanes."""

from dataclasses import replace
from datetime import timedelta

from settlement.messages import (
    PurchaseReceived,
)
from settlement.terms import TermsBook
from settlement.timers import Timer, TimerKind
from storage import figures, lanes
from storage.outbox import relayed
from storage.write import write
from tests.integration.storage.settling import START, Traffic, account
from tests.unit.settlement.builders import (
    deferred,
    opened,
)

BUYER = account("buyer")


async def test_ledger_totals_balance_in_both_books(lane):
    traffic = Traffic(lane, accounts=20, merchants=3)
    await lane.settle(traffic.opening())
    await lane.settle(traffic.mixed(150))
    totals = await figures.ledger_totals(lane.connection)
    assert {each.book for each in totals} == {"money", "limit"}
    by_account = {each.ledger_account.value: each.balance_minor for each in totals}
    assert by_account["limit_granted"] == 20 * 2_000_000
    assert by_account["limit_granted"] == sum(by_account[f"limit_{name}"] for name in ("available", "held", "used"))


async def test_inputs_are_counted_by_outcome(lane):
    sent = lane.message(opened("kuaishou"), BUYER, "event")
    lane.reject("purchase", b"not json")
    await lane.settle(
        [
            sent,
            replace(sent, source=replace(sent.source, offset=5)),
            lane.message(deferred("order", 1_000_000), BUYER, "declined"),
            lane.message(PurchaseReceived("other"), BUYER, "parked"),
        ]
    )
    assert await figures.outcome_counts(lane.connection) == {
        "applied": 1,
        "dead_lettered": 1,
        "declined": 1,
        "duplicate": 1,
        "parked": 1,
    }


async def test_figures_of_every_lane_are_told(lane, database):
    lane.reject("purchase", b"not json")
    await lane.settle([lane.message(PurchaseReceived("order"), BUYER, "event")])
    await lane.settle()
    await relayed(lane.connection, 0, 1)
    first, *others = await figures.operations(lane.connection)
    assert (first.lane, first.epoch, first.owner, first.batch_seq, first.relayed_batch_seq) == (0, 1, "test", 2, 1)
    assert (first.batch_seq - first.relayed_batch_seq, first.parked, first.dead_letters, first.timers_due) == (
        1,
        1,
        1,
        0,
    )
    assert first.positions == {"purchase": 2}
    assert [each.lane for each in others] == list(range(1, database.lanes))
    assert all((each.batch_seq, each.relayed_batch_seq, each.positions) == (0, 0, {}) for each in others)


async def test_timers_are_due_by_the_lanes_time(connection, lane):
    timer = Timer(BUYER, TimerKind.DUE_DAY, "2026-01-01", START)
    lane.claim = await lanes.claim(connection, 0, "test")
    for lane_time, due in ((START - timedelta(seconds=1), 0), (START, 1)):
        async with connection.transaction():
            batch = lane.nothing(await lanes.lock(connection, 0, 1))
            batch.states[None].timer_changes.clear()
            states = {**batch.states}
            if not due:
                state = states[BUYER] = (await lane.read(lane.wanted([], [BUYER])))[BUYER]
                state.timer_changes[timer.kind, timer.subject_id] = timer
            await write(connection, replace(batch, states=states, lane_time=lane_time))
        assert (await figures.operations(connection))[0].timers_due == due


async def test_the_terms_in_force_are_told_with_their_lanes(connection, database):
    (terms,) = await figures.terms_in_force(connection)
    assert terms.document == TermsBook.builtin().document
    assert terms.lanes == tuple(range(database.lanes))
    assert terms.digest == TermsBook.builtin().digest
