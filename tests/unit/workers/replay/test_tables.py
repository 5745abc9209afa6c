"""A lane's tables in memory and in a file give the same batches as tables that hold everything."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import pytest

from contracts.decode import decode
from contracts.records import RawRecord
from demo.history import History, tick
from settlement.entities import Obligation
from settlement.messages import CreditLineOpened
from settlement.party import Party, PartyKind
from settlement.state import ALL_OPEN, PartyState
from settlement.statuses import ObligationStatus
from settlement.timers import Timer, TimerKind
from storage.load import OPEN_OBLIGATIONS, ReadSet
from tests.property.tellers.teller import message_of
from tests.unit.workers.lanes.lane_in_memory import LaneInMemory, at_start, taken
from workers.lanes.deciding import Decider
from workers.lanes.taken import Taken
from workers.replay.spill import Spill
from workers.replay.tables import LaneTables

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
EVENT_CLOCK = Decider(0, 1, event_clock=True)
BUYER = Party(PartyKind.ACCOUNT, "buyer")


@pytest.fixture
def spill(tmp_path):
    made = Spill(tmp_path / "lane.sqlite")
    yield made
    made.close()


def tables_of(spill: Spill, **bounds: int) -> LaneTables:
    return LaneTables(0, spill, **bounds)


def quarter(seed: int) -> list[Taken]:
    """A month of a small platform on one lane, as it is delivered."""
    history, offsets = History(accounts=6, merchants=2, days=30, seed=seed), Counter[str]()
    records = []
    for day in range(30):
        for each in [*history.day(day), tick(history.midnight_after(day))]:
            topic = each.topic.value
            record = RawRecord(topic, 0, offsets[topic], 0, each.key, each.value)
            offsets[topic] += 1
            records.append(Taken(record, decode(record)))
    return records


async def settled(tables: LaneTables, standing, records, parties=None):
    undecided = EVENT_CLOCK.sort_out(records, standing, NOW)
    due = [] if undecided.until is None else tables.due_parties(undecided.until, 10**6 if parties is None else parties)
    decided = await EVENT_CLOCK.decide(undecided, due, tables.load)
    tables.keep(decided)
    return decided


@pytest.mark.parametrize("bounds", [{}, {"hot_rows": 1, "hot_seen": 1}, {"hot_rows": 12, "hot_seen": 5}])
@pytest.mark.parametrize("seed", range(4))
async def test_whatever_lies_in_the_file_the_same_batches_come_out(seed, bounds, spill):
    history, dice = quarter(seed), Random(seed)
    whole, tables = LaneInMemory(EVENT_CLOCK, at_start()), tables_of(spill, **bounds)
    standing = at_start()
    for start, end in pairwise([0, *sorted(dice.randint(0, len(history)) for _ in range(40)), len(history)]):
        records, parties = history[start:end], dice.choice([None, 1, 2])
        one = await whole.settle(records, NOW, parties)
        two = await settled(tables, standing, records, parties)
        standing = two.after
        assert one.due == two.due
        assert (one.results, one.recorded, one.activity) == (two.results, two.recorded, two.activity)
        assert one.after.rules.terms.digest == standing.rules.terms.digest
    for party, expected in whole.tables.items():
        if party is None:
            continue
        found = tables.party(party)
        assert {kind: rows for kind, rows in found.entities.items() if rows} == {
            kind: rows for kind, rows in expected.entities.items() if rows
        }
        assert (found.declined, found.parked, found.timers) == (expected.declined, expected.parked, expected.timers)
        assert list(found.parked) == list(expected.parked)
        assert found.owed.keys() == {
            name
            for name, each in expected.entities.get(Obligation, {}).items()
            if each.status in {ObligationStatus.OPEN, ObligationStatus.OVERDUE}
        }


async def test_event_ids_that_moved_to_the_file_are_known_all_the_same(spill):
    tables, standing = tables_of(spill, hot_seen=0), at_start()
    opened = CreditLineOpened("tmall", 100, "CNY", score=700, card_linked=True, identity_verified=True)
    message = message_of(opened, BUYER, NOW, "open", 0)
    first = await settled(tables, standing, [taken(message)])
    assert tables.spill.seen([message.event_hash]) == {message.event_hash: message.fingerprint}
    again = message_of(opened, BUYER, NOW, "open", 1)
    second = await settled(tables, first.after, [taken(again)])
    assert [each.decision.outcome for each in second.results] == ["duplicate"]


def test_parties_are_due_by_their_earliest_timer_then_by_kind_and_id_and_not_twice(spill):
    tables = tables_of(spill)
    account = [Party(PartyKind.ACCOUNT, each) for each in ("b", "B", "账户", "a")]
    shop = Party(PartyKind.MERCHANT, "A")
    for party in [*account, shop]:
        put_timers(tables, party, NOW, NOW + timedelta(days=1))
    early = Party(PartyKind.ACCOUNT, "z")
    put_timers(tables, early, NOW - timedelta(microseconds=1))
    put_timers(tables, early, NOW + timedelta(days=3))  # moved: the entry from before counts no more
    assert tables.due_parties(NOW - timedelta(microseconds=1), 9) == []
    assert tables.due_parties(NOW, 2) == [account[1], account[3]]
    assert tables.due_parties(NOW, 9) == [account[0], account[2], shop]
    assert tables.due_parties(NOW, 9) == []


def put_timers(tables: LaneTables, party: Party, *due: datetime) -> None:
    """The party's timers are these from now on."""
    state = PartyState(party, timer_changes=dict.fromkeys(tables.party(party).timers))
    for number, at in enumerate(due):
        timer = Timer(party, TimerKind.DUE_DAY, str(number), at)
        state.timer_changes[timer.kind, timer.subject_id] = timer
    tables.take_over(party, state)


async def test_of_very_many_open_obligations_the_earliest_are_loaded_or_all_that_are_asked_for(spill):
    tables = tables_of(spill)
    owed = [
        Obligation(
            "buyer",
            f"o{no}",
            no,
            None,
            NOW.date() + timedelta(days=-no),
            ObligationStatus.OPEN,
            *[1] * 3,
            *[0] * 3,
            None,
        )
        for no in range(OPEN_OBLIGATIONS + 5)
    ]
    made = {each.obligation_id: each for each in owed}
    tables.party(BUYER).put(Obligation, made, made)
    few = (await tables.load(ReadSet({BUYER}))).states[BUYER]
    assert len(few.entities[Obligation]) == OPEN_OBLIGATIONS and not few.all_open_loaded
    assert few.open_loaded_until == (owed[5].due_on, 5)
    assert few.find(Obligation, "o0") is owed[0]
    all_of_them = (await tables.load(ReadSet({BUYER}, entities={BUYER: {(Obligation, ALL_OPEN)}}))).states[BUYER]
    assert len(all_of_them.entities[Obligation]) == len(owed) and all_of_them.all_open_loaded
