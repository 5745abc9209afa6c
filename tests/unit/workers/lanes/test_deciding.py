"""Batches decided without a database, a broker or a transaction: states come from tables in memory."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import pytest

from contracts.records import RawRecord, Rejected
from contracts.topics import Topic
from settlement.batch import MAX_TIME_JUMP
from settlement.dead_letter import DeadLetterReason
from settlement.decision import InvariantBrokenError, Outcome
from settlement.entities import Account, Order, PlanKind
from settlement.messages import (
    ClockTicked,
    CreditLineOpened,
    Plan,
    PurchasePlaced,
    PurchaseReceived,
    RepaymentReceived,
    Source,
)
from settlement.party import Party, PartyKind
from settlement.state import NotLoadedError
from storage import chain
from storage.load import Loaded
from tests.property.histories import history_of
from tests.property.lane import Lane
from tests.property.properties import everything_decided
from tests.property.tellers.teller import message_of
from tests.unit.workers.lanes.lane_in_memory import LaneInMemory, at_start, taken
from workers.kafka.homes import home_of
from workers.lanes.deciding import MOST_LOADS, Decider
from workers.lanes.outgoing import Outgoing
from workers.lanes.taken import Taken

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
OPENED = CreditLineOpened("tmall", 100_000, "CNY", score=700, card_linked=True, identity_verified=True)
OPENED_FOR_DEFERRED = replace(OPENED, programme="kuaishou", limit_minor=1_000_000)
EVENT_CLOCK = Decider(0, 1, event_clock=True)
OUTGOING = Outgoing("database", 0, 1, 1)


def account(account_id):
    return Party(PartyKind.ACCOUNT, account_id)


def opened(account_id, offset=0, at=NOW):
    return message_of(OPENED, account(account_id), at, f"open-{account_id}", offset)


def placed(order_id):
    return PurchasePlaced(order_id, "m1", 1_000, "CNY", Plan(PlanKind.DEFERRED, days=30), True, None)


def repaid(order_id):
    return RepaymentReceived(f"r-{order_id}", 1_000, "CNY", "order", order_id, None, "manual")


def cuts(length, dice):
    return [0, *sorted(dice.randint(0, length) for _ in range(5)), length]


def stood(standing):
    """Where a lane stands; two readings of one terms document are the same terms."""
    return replace(standing, rules=(standing.rules.terms.digest, standing.rules.calendar))


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_is_loaded_the_same_batches_give_the_same_decisions_rows_hash_and_outputs(seed):
    history = history_of(Random(seed), longest=60)
    lane = LaneInMemory(EVENT_CLOCK, at_start())
    again = LaneInMemory(EVENT_CLOCK, at_start(), whole=False)
    for start, end in pairwise(cuts(len(history), Random(seed))):
        records = [taken(message) for message in history[start:end]]
        one, two = await lane.settle(records, NOW), await again.settle(records, NOW)
        assert one.results == two.results
        assert (one.recorded, one.activity, stood(one.after)) == (two.recorded, two.activity, stood(two.after))
        assert list(OUTGOING.outputs(one)) == list(OUTGOING.outputs(two))
        assert one.recorded == chain.record(
            one.before.chain_hash, one.after.batch_seq, one.lane_time, one.results, one.before.next_seq
        )


@pytest.mark.parametrize("seed", range(20))
async def test_a_party_is_decided_as_by_the_core_alone(seed):
    history = history_of(Random(seed), longest=60)
    core, lane = Lane(), LaneInMemory(EVENT_CLOCK, at_start(), whole=False)
    for start, end in pairwise(cuts(len(history), Random(seed))):
        if start < end:
            core.settle(history[start:end])
            await lane.settle([taken(message) for message in history[start:end]], NOW)
    await lane.settle([], NOW)  # timers that the last batch has set, and that are due already
    assert everything_decided(lane) == everything_decided(core)


async def test_a_batch_leads_from_where_the_lane_stood_to_where_it_stands():
    lane = LaneInMemory(EVENT_CLOCK, at_start())
    first = await lane.settle([taken(opened("a1"))], NOW)
    second = await lane.settle([taken(opened("a2", 1)), taken(opened("a2", 1))], NOW)
    assert second.before == first.after
    assert (second.after.batch_seq, second.before.next_seq, second.after.next_seq) == (2, 2, 3)
    assert [each.decision.outcome for each in second.results] == [Outcome.APPLIED, Outcome.DUPLICATE]


async def test_under_the_wall_clock_lane_time_never_goes_backwards():
    lane = LaneInMemory(Decider(0, 1, event_clock=False), at_start())
    times = [NOW, NOW - timedelta(seconds=5), NOW + timedelta(seconds=5)]
    decided = [await lane.settle([taken(opened(f"a{n}", n))], at) for n, at in enumerate(times)]
    assert [each.lane_time for each in decided] == [NOW, NOW, NOW + timedelta(seconds=5)]


async def test_before_a_message_has_told_the_time_it_is_the_databases():
    garbage = Rejected(Source("purchase", 0, 0), DeadLetterReason.NOT_JSON, "", b"k", b"?")
    record = RawRecord("purchase", 0, 0, 0, b"k", b"?")
    decided = await LaneInMemory(EVENT_CLOCK, at_start()).settle([Taken(record, garbage)], NOW)
    assert (decided.until, decided.lane_time, decided.rejected) == (None, NOW, [garbage.dead_letter(NOW)])


@pytest.mark.parametrize("jump", [MAX_TIME_JUMP, MAX_TIME_JUMP + timedelta(seconds=1)])
async def test_timers_are_looked_for_until_the_time_that_the_batch_reaches(jump):
    lane = LaneInMemory(EVENT_CLOCK, at_start())
    await lane.settle([taken(opened("a1"))], NOW)
    tick = message_of(ClockTicked(), None, NOW + jump, "tick", 1)
    decided = await lane.settle([taken(tick)], NOW)
    assert decided.until == decided.lane_time == (NOW + jump if jump == MAX_TIME_JUMP else NOW)


async def test_only_the_due_parties_handed_in_have_their_timers_fired():
    lane = LaneInMemory(EVENT_CLOCK, at_start())
    waiting = [
        message_of(PurchaseReceived("order"), account(name), NOW + timedelta(seconds=n), name, n)
        for n, name in enumerate(("c", "a", "b"))
    ]
    await lane.settle([taken(message) for message in waiting], NOW)
    tick = message_of(ClockTicked(), None, NOW + timedelta(days=30), "tick", 1)
    decided = await lane.settle([taken(tick)], NOW, parties=2)
    assert decided.due == [account("c"), account("a")]
    assert [each.input.event_id for each in decided.results] == ["tick", "c", "a"]
    rest = await lane.settle([], NOW)
    assert (rest.due, [each.input.event_id for each in rest.results]) == ([account("b")], ["b"])


async def test_who_is_not_at_home_here_and_not_known_is_sent_home_once():
    lanes = 2
    names = [f"account-{number}" for number in range(50)]
    stranger = next(name for name in names if home_of(name, lanes) == 1)
    local = next(name for name in names if home_of(name, lanes) == 0)
    lane = LaneInMemory(Decider(0, lanes, event_clock=True), at_start())
    records = [taken(opened(stranger)), taken(opened(local, 1)), taken(opened(stranger, 2), Topic.REROUTED.value)]
    decided = await lane.settle(records, NOW)
    assert decided.rerouted == [records[0]]
    assert [(each.reason, each.source) for each in decided.rejected] == [
        (DeadLetterReason.MISROUTED, records[2].decoded.source)
    ]
    assert [each.input.party for each in decided.results] == [account(local)]
    sent = list(Outgoing("database", 0, 1, lanes).outputs(decided))
    assert [(each.topic, each.partition) for each in sent] == [("dead-letter", 0), ("rerouted", 1)]


async def test_two_records_with_one_content_are_told_apart_by_place():
    """Each input stays with the record it came in, though the inputs are equal."""
    stranger = next(f"s{number}" for number in range(50) if home_of(f"s{number}", 2) == 1)
    message = opened(stranger)
    first, second = taken(message), taken(message, Topic.REROUTED.value)
    decided = await LaneInMemory(Decider(0, 2, event_clock=True), at_start()).settle([first, second], NOW)
    assert decided.rerouted == [first]
    assert [each.reason for each in decided.rejected] == [DeadLetterReason.MISROUTED]


class Forgetful(LaneInMemory):
    """Loads what is named and nothing that is asked for later."""

    async def load(self, wanted):
        loaded = await super().load(replace(wanted, entities={}))
        return Loaded({party: self._blind(state) for party, state in loaded.states.items()}, loaded.known, set())

    def _blind(self, state):
        state.whole = state.party is None
        return state


async def test_loading_that_does_not_bring_what_was_asked_for_stops_the_lane():
    lane = Forgetful(EVENT_CLOCK, at_start(), whole=False)
    with pytest.raises(InvariantBrokenError, match=r"account a1 .* although it was asked for"):
        await lane.settle([taken(opened("a1"))], NOW)
    assert lane.loads == 2


async def test_what_many_accounts_miss_is_loaded_in_one_go():
    """Money that comes late needs what was paid since, which nobody can name before the rule asks for it."""
    lane = LaneInMemory(EVENT_CLOCK, at_start(), whole=False)
    accounts = [account(f"a{number}") for number in range(MOST_LOADS + 1)]
    before = [
        message_of(content, party, NOW + timedelta(minutes=minute), f"{minute}", minute)
        for party in accounts
        for minute, content in enumerate(
            (
                OPENED_FOR_DEFERRED,
                placed("one"),
                placed("two"),
                PurchaseReceived("one"),
                PurchaseReceived("two"),
                repaid("one"),
            )
        )
    ]
    decided = await lane.settle([taken(message) for message in sorted(before, key=lambda each: each.occurred_at)], NOW)
    assert {each.decision.outcome for each in decided.results} == {Outcome.APPLIED}
    loads = lane.loads
    late = [message_of(repaid("two"), party, NOW + timedelta(minutes=4), "late", 9) for party in accounts]
    decided = await lane.settle([taken(message) for message in late], NOW)
    assert [each.decision.outcome for each in decided.results] == [Outcome.APPLIED] * len(accounts)
    assert lane.loads <= loads + 6


@pytest.mark.parametrize("order", [1, -1], ids=["in the order of time", "the last one first"])
async def test_what_one_account_misses_for_many_messages_is_loaded_in_one_go(order):
    lane = LaneInMemory(EVENT_CLOCK, at_start(), whole=False)
    buyer, orders = account("buyer"), [f"o-{number}" for number in range(2 * MOST_LOADS)]
    before = [message_of(OPENED_FOR_DEFERRED, buyer, NOW, "opened", 0)]
    for minute, steps in enumerate((map(placed, orders), map(PurchaseReceived, orders), (repaid(orders[0]),)), start=1):
        before += [
            message_of(content, buyer, NOW + timedelta(minutes=minute), f"{minute}-{n}", minute * 1_000 + n)
            for n, content in enumerate(steps)
        ]
    decided = await lane.settle([taken(message) for message in before], NOW)
    assert {each.decision.outcome for each in decided.results} == {Outcome.APPLIED}
    loads = lane.loads
    late = [
        message_of(repaid(each), buyer, NOW + timedelta(minutes=2, milliseconds=n), f"late-{n}", 9_000 + n)
        for n, each in enumerate(orders[1:])
    ]
    decided = await lane.settle([taken(message) for message in late[::order]], NOW)
    assert [each.decision.outcome for each in decided.results] == [Outcome.APPLIED] * len(late)
    assert lane.loads <= loads + 6


async def test_a_rule_that_asks_for_ever_new_things_stops_the_lane(monkeypatch):
    numbers = iter(range(MOST_LOADS + 1))

    def never_content(batch, message):
        raise NotLoadedError(message.party, Order, f"order-{next(numbers)}")

    monkeypatch.setattr("settlement.batch.Batch.receive", never_content)
    lane = LaneInMemory(EVENT_CLOCK, at_start())
    with pytest.raises(InvariantBrokenError, match=f"loaded {MOST_LOADS} times"):
        await lane.settle([taken(opened("a1"))], NOW)
    assert not lane.tables[None].entities.get(Account)
