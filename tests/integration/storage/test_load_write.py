"""What is written is what is loaded again."""

import dataclasses
import typing
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from enum import Enum

import pytest

from settlement.batch import Batch, Settled
from settlement.decision import Decision, DeclineReason, Outcome
from settlement.entities import (
    Account,
    Debit,
    DebitStatus,
    Deposit,
    DepositRefund,
    Merchant,
    Obligation,
    ObligationStatus,
    Order,
    Repayment,
    Return,
)
from settlement.ledger import LedgerAccount, Posting
from settlement.messages import LineFrozen, LineUnfrozen, MerchantRegistered, PurchaseReceived, TermsPublished
from settlement.party import PartyKind
from settlement.state import Parked, PartyState
from settlement.terms import TermsBook
from settlement.timers import Timer, TimerKind
from storage import arrays, chain, lanes, load
from storage.load import OPEN_OBLIGATIONS, Wanted
from storage.rows import TABLES
from storage.write import write
from tests.integration.storage.settling import START, StoredLane, Traffic, account, merchant, write_states
from tests.unit.settlement.builders import RULES, deferred, deposited, opened, placed, refund_asked, repaid, returned

NASTY = ("plain", 'say "so", {x}', "back\\slash", "NULL", "", "new\nline\ttab", "字 – €", "a, b")
BUYER = account("buyer")


def filled(kind: type, party_id: str, entity_id: str, variant: int):
    """An entity with every field set to something that is easily spoilt; the second variant differs in all it may."""
    hints = typing.get_type_hints(kind)
    values = {}
    for number, each in enumerate(dataclasses.fields(kind)):
        hint = hints[each.name]
        optional = type(None) in typing.get_args(hint)
        plain = next((arg for arg in typing.get_args(hint) if arg is not type(None)), hint) if optional else hint
        values[each.name] = value_of(plain, number, variant, optional=optional)
    keys = [each.name for each in dataclasses.fields(kind)][:2]
    values[keys[0]] = party_id
    if kind.__name__ not in {"Account", "Merchant"}:
        values[keys[1]] = entity_id
    return kind(**values)


def value_of(kind, number: int, variant: int, *, optional: bool):
    if optional and (number + variant) % 2:
        return None
    if typing.get_origin(kind) is tuple:
        return () if variant == 2 else NASTY[: number % len(NASTY) + 1]
    if issubclass(kind, Enum):
        members = list(kind)
        return members[variant % len(members)]
    simple = {
        str: NASTY[(number + variant) % len(NASTY)],
        bool: bool(variant % 2),
        int: 10**15 + number * 7 - variant,
        bytes: bytes([0, 92, 34, 255, number, variant]),
        datetime: datetime(2026, 2, 3, 4, 5, 6, number + variant, tzinfo=UTC),
        date: date(2024, 2, 28) + timedelta(days=variant),
    }
    return simple[kind]


@pytest.mark.parametrize("values", [*([each] for each in NASTY), NASTY, (*NASTY, None)])
async def test_an_array_literal_is_read_as_what_was_written(connection, values):
    assert await connection.fetchval("SELECT $1::text::text[]", arrays.texts(values)) == list(values)
    written = [] if values[-1] is None else values
    document = await connection.fetchval("SELECT ($1::text::text[])[1]::jsonb", arrays.documents([written]))
    assert arrays.undocumented(document) == tuple(written)


async def test_other_array_literals_are_read_as_what_was_written(connection):
    numbers, instants = [2**63 - 1, None, -1], [datetime(2026, 1, 1, 0, 0, 0, 5, UTC), None]
    days, hashes = [date(2024, 2, 29), None], [b"", b'\x00\\"', None]
    assert await connection.fetchval("SELECT $1::text::bigint[]", arrays.plain(numbers)) == numbers
    assert await connection.fetchval("SELECT $1::text::boolean[]", arrays.plain([True, None])) == [True, None]
    assert await connection.fetchval("SELECT $1::text::timestamptz[]", arrays.instants(instants)) == instants
    assert await connection.fetchval("SELECT $1::text::date[]", arrays.instants(days)) == days
    assert await connection.fetchval("SELECT $1::text::bytea[]", arrays.blobs(hashes)) == hashes


async def stored(lane: StoredLane, party, kind, entity_id: str):
    """The entity as a batch that names it finds it."""
    states = await lane.read(Wanted(parties={party}, entities={party: {(kind, entity_id)}}))
    return states[party].entities.get(kind, {}).get(entity_id)


@pytest.mark.parametrize("kind", TABLES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("variants", [(0, 1), (1, 2), (2, 3)])
async def test_an_entity_is_read_back_as_it_was_made_and_as_it_was_changed(lane, kind, variants):
    table = TABLES[kind]
    party_id = 'id "1", {\\}'
    party = account(party_id) if table.party_kind is PartyKind.ACCOUNT else merchant(party_id)
    own_row = filled(Account if party.kind is PartyKind.ACCOUNT else Merchant, party_id, party_id, 0)
    for number, variant in enumerate(variants):
        entity = filled(kind, party_id, "entity id", variant)
        if number:
            made = filled(kind, party_id, "entity id", variants[0])
            fixed = set(table.columns) - set(table.changing_columns)
            entity = replace(entity, **{name: getattr(made, name) for name in fixed})
        state = PartyState(party, entities={kind: {entity.entity_id: entity}})
        if kind is not type(own_row):
            state.entities[type(own_row)] = {own_row.entity_id: own_row}
        marks = state.changed if number else state.made
        marks[kind] = {entity.entity_id}
        if not number:
            marks[type(own_row)] = {own_row.entity_id}
        await write_states(lane, {None: PartyState(None, whole=True), party: state})
        assert await stored(lane, party, kind, entity.entity_id) == entity


async def whole(lane: StoredLane, party) -> PartyState:
    """Everything stored of a party, asked for by the ids of what is there."""
    named = set()
    for kind, table in TABLES.items():
        if table.party_kind is party.kind:
            rows = await lane.connection.fetch(
                f"SELECT * FROM {table.name} WHERE lane = $1 AND {table.party_column} = $2", lane.number, party.id
            )
            named |= {(kind, entity.entity_id) for entity in table.entities(rows)}
    wanted = Wanted(
        parties={party}, entities={party: named | {(Obligation, "*")}}, timers_until=datetime(2199, 1, 1, tzinfo=UTC)
    )
    return (await lane.read(wanted))[party]


@pytest.mark.parametrize("seed", [1, 2])
async def test_states_loaded_again_are_those_the_rules_left(lane, seed):
    """One lane settles batch by batch from the database, its twin the same inputs in memory, never loading anything."""
    traffic = Traffic(lane, seed=seed, accounts=8, merchants=3)
    states: dict = {None: PartyState(None, whole=True)}
    time = None
    for number in range(9):
        inputs = traffic.opening() if not number else traffic.mixed(40)
        until = traffic.now + timedelta(days=20) if number == 6 else None
        traffic.now = max(traffic.now, until or traffic.now)
        for each in inputs:
            states.setdefault(each.party, PartyState(each.party, whole=True))
        results = await lane.settle(inputs, until=until)
        twin = Batch(states, RULES, max(time or START, until or START), event_clock=True)
        for each in inputs:
            twin.receive(each)
        for party in states:
            if party is not None:
                twin.fire_due(party)
        time = twin.lane_time
        traffic.take_over(results)
        assert Counter(map(decided, results)) == Counter(map(decided, twin.results))
    outcomes = Counter(each.decision.outcome for each in results)
    assert len(outcomes) > 1
    for party, state in states.items():
        if party is not None:
            found = await whole(lane, party)
            assert found.entities == {kind: entities for kind, entities in state.entities.items() if entities}, party
            assert found.parked == state.parked
            assert found.timers == state.timers


def decided(settled: Settled) -> tuple:
    subject = settled.input.event_hash if settled.input else settled.timer.timer_id
    return (subject, settled.decision.outcome, settled.decision.reason, settled.decided_at)


async def test_a_party_nobody_knows_is_whole_and_not_known(lane):
    loaded = await load.load(lane.connection, 0, Wanted(parties={BUYER}), lane.restore)
    assert loaded.known == set()
    assert loaded.states[BUYER].whole and loaded.states[None].whole


async def test_accounts_and_merchants_of_one_id_are_kept_apart(lane):
    party = merchant("buyer")
    await lane.settle([lane.message(opened(), BUYER, "event")])
    loaded = await load.load(lane.connection, 0, Wanted(parties={BUYER, party}), lane.restore)
    assert loaded.known == {BUYER}
    assert loaded.states[party].whole


async def test_other_lanes_are_not_looked_at(connection, lane):
    await lane.settle([lane.message(opened(), BUYER, "event")])
    loaded = await load.load(connection, 1, Wanted(parties={BUYER}), lane.restore)
    assert loaded.known == set()


async def test_an_event_decided_before_is_seen_with_its_content(lane):
    sent = lane.message(opened(), BUYER, "event")
    await lane.settle([sent])
    (state,) = [
        state
        for party, state in (
            await lane.read(Wanted(parties={BUYER}, event_hashes={BUYER: {sent.event_hash, b"another"}}))
        ).items()
        if party
    ]
    assert state.seen == {sent.event_hash: sent.fingerprint}


async def test_a_duplicate_by_content_takes_its_event_id(lane):
    sent = [lane.message(LineFrozen("security"), BUYER, event_id) for event_id in ("one", "two")]
    thawed = lane.message(LineUnfrozen("security"), BUYER, "three")
    await lane.settle([lane.message(opened(), BUYER, "opened"), *sent, thawed])
    again = replace(sent[1], source=replace(sent[1].source, offset=50))
    (result,) = await lane.settle([again])
    assert result.decision.outcome is Outcome.DUPLICATE and result.is_repeat
    assert not lane.states[BUYER].entities[Account]["buyer"].freeze_reasons


async def test_a_parked_input_is_known_seen_and_woken_in_order_of_arrival(lane):
    first = lane.message(PurchaseReceived("order"), BUYER, "one")
    second = lane.message(deferred("order"), BUYER, "two")
    results = await lane.settle([first])
    assert [each.decision.outcome for each in results] == [Outcome.PARKED]
    await lane.settle([second])
    loaded = await load.load(
        lane.connection, 0, Wanted(parties={BUYER}, timers_until=START + timedelta(days=4)), lane.restore
    )
    state = loaded.states[BUYER]
    assert loaded.known == {BUYER}
    assert [each.input for each in state.parked] == [first, second]
    assert set(state.seen) == {first.event_hash, second.event_hash}
    assert {kind for kind, _ in state.timers} == {TimerKind.PARKING_EXPIRY}
    results = await lane.settle([lane.message(opened("kuaishou"), BUYER, "three", START + timedelta(hours=1))])
    assert [each.decision.outcome for each in results] == [Outcome.APPLIED] * 3
    assert await lane.connection.fetchval("SELECT count(*) FROM parked") == 0
    assert await lane.connection.fetchval("SELECT count(*) FROM timer WHERE kind = 'parking_expiry'") == 0


async def test_an_input_that_parks_again_for_something_else_keeps_its_place(lane):
    inputs = [lane.message(PurchaseReceived(order), BUYER, order) for order in ("b", "a")]
    await lane.settle(inputs)
    state = (await lane.read(Wanted(parties={BUYER})))[BUYER]
    again = replace(state.parked[0], waits_for="order:b")
    state.newly_parked[again.input.event_hash] = again
    await write_states(lane, {None: PartyState(None, whole=True), BUYER: state})
    found = (await lane.read(Wanted(parties={BUYER})))[BUYER].parked
    assert [(each.input.event_id, each.waits_for) for each in found] == [("b", "order:b"), ("a", "account:buyer")]


async def test_an_input_parked_anew_after_its_wait_ended_in_one_batch_is_there(lane):
    parked = Parked(lane.message(PurchaseReceived("order"), BUYER, "event"), "account:buyer", START)
    for number in range(2):
        state = PartyState(BUYER, newly_parked={parked.input.event_hash: parked})
        state.unparked = {parked.input.event_hash} if number else set()
        await write_states(lane, {None: PartyState(None, whole=True), BUYER: state})
    assert (await lane.read(Wanted(parties={BUYER})))[BUYER].parked == [parked]


async def test_what_is_asked_for_and_not_there_is_absent_and_what_was_declined_is_told(lane):
    await lane.settle([lane.message(opened("kuaishou"), BUYER, "event")])
    too_much = lane.message(deferred("order", 1_000_000), BUYER, "two")
    (result,) = await lane.settle([too_much])
    assert result.decision.reason == DeclineReason.LIMIT_EXCEEDED
    state = (await lane.read(Wanted(parties={BUYER}, entities={BUYER: {(Order, "order"), (Order, "other")}})))[BUYER]
    assert state.absent == {"order:order", "order:other"}
    assert state.declined == {"order:order"}


async def test_a_declined_line_is_told_of_an_account_that_is_not_there(lane):
    state = PartyState(BUYER, whole=True)
    state.newly_declined = {"account:buyer"}
    await write_states(lane, {None: PartyState(None, whole=True), BUYER: state})
    assert (await lane.read(Wanted(parties={BUYER})))[BUYER].declined == {"account:buyer"}


async def test_a_named_order_brings_its_obligations_paid_or_not_and_its_open_returns(lane):
    await settle_each(
        lane,
        opened("kuaishou"),
        deferred("order", 10_000),
        PurchaseReceived("order"),
        repaid(10_000),
        deferred("other", 5_000),
        PurchaseReceived("other"),
    )
    state = (await lane.read(Wanted(parties={BUYER}, entities={BUYER: {(Order, "order")}})))[BUYER]
    assert {each.status for each in state.entities[Obligation].values()} == {
        ObligationStatus.PAID,
        ObligationStatus.OPEN,
    }
    assert set(state.entities[Order]) == {"order", "other"}


async def test_a_named_return_brings_its_order(lane):
    await settle_each(lane, opened("tmall"), placed("order"), PurchaseReceived("order"), returned(10_000))
    state = (await lane.read(Wanted(parties={BUYER}, entities={BUYER: {(Return, "return")}})))[BUYER]
    assert set(state.entities[Order]) == {"order"}
    state = (await lane.read(Wanted(parties={BUYER}, entities={BUYER: {(Order, "order")}})))[BUYER]
    assert set(state.entities[Return]) == {"return"}


def repayment(*shares: str, **given) -> Repayment:
    made = Repayment("buyer", "reversible", 9, 100, "account", None, None, "manual", START, b"", shares)
    return replace(made, **given)


async def keep(lane: StoredLane, *entities) -> None:
    """Write entities of the buyer as if a batch had made them."""
    state = PartyState(BUYER)
    for each in entities:
        state.entities.setdefault(type(each), {})[each.entity_id] = each
        state.made.setdefault(type(each), set()).add(each.entity_id)
    await write_states(lane, {None: PartyState(None, whole=True), BUYER: state})


async def read_naming(lane: StoredLane, *references) -> PartyState:
    return (await lane.read(Wanted(parties={BUYER}, entities={BUYER: set(references)})))[BUYER]


async def test_a_named_repayment_brings_what_it_paid_with_its_orders_and_debits(lane):
    await settle_each(lane, opened("kuaishou"), deferred("order", 10_000), PurchaseReceived("order"), repaid(10_000))
    (paid,) = (await read_naming(lane, (Order, "order"))).entities[Obligation].values()
    debit = Debit("buyer", "debit", 5, 10, date(2026, 1, 1), 1, "due", DebitStatus.FAILED, START, ("o-0001",))
    other = obligation(1, status=ObligationStatus.PAID, debit_id="debit")
    unpaid = obligation(2, status=ObligationStatus.PAID)
    await keep(lane, debit, other, unpaid, repayment(f"{paid.obligation_id} 0 0 90", "o-0001 1 2 7"))
    assert not (await lane.read(Wanted(parties={BUYER})))[BUYER].entities.get(Obligation)
    state = await read_naming(lane, (Repayment, "reversible"))
    assert state.entities[Obligation] == {each.obligation_id: each for each in (paid, other)}
    assert set(state.entities[Order]) == {"order"}
    assert set(state.entities[Debit]) == {"debit"}


async def test_a_repayment_reversed_before_brings_nothing(lane):
    await settle_each(lane, opened("kuaishou"))
    await keep(lane, obligation(1, status=ObligationStatus.PAID), repayment("o-0001 0 0 10", reversed_at=START))
    state = await read_naming(lane, (Repayment, "reversible"))
    assert set(state.entities) == {Account, Repayment}


@pytest.mark.parametrize(
    ("kind", "subject", "brought"),
    [
        (TimerKind.TRIAL_END, "order", {Order: {"order"}, Return: {"return"}}),
        (TimerKind.AUTOMATIC_RECEIPT, "order", {Order: {"order"}, Return: {"return"}}),
        (TimerKind.TRIAL_REMINDER, "order", {Order: {"order"}, Return: {"return"}}),
        (TimerKind.PARCEL_EXPIRY, "return", {Order: {"order"}, Return: {"return"}}),
        (TimerKind.OVERDUE, "2026-01-01", {}),
        (TimerKind.PENALTY, "account", {}),
        (TimerKind.RESTORE, "account", {}),
        (TimerKind.REMINDER, "2026-01-01", {}),
    ],
)
async def test_a_due_timer_brings_what_it_is_about(lane, kind, subject, brought):
    await settle_each(lane, opened("tmall"), placed("order"), PurchaseReceived("order"), returned(10_000))
    await write_timers(lane, [Timer(BUYER, kind, subject, START)])
    state = (await lane.read(Wanted(parties={BUYER}, timers_until=START)))[BUYER]
    assert {each: set(found) for each, found in state.entities.items() if each is not Account} == brought
    assert list(state.timers) == [(kind, subject)]


@pytest.mark.parametrize("kind", [TimerKind.DEPOSIT_PAYMENT, TimerKind.DEPOSIT_REVIEW_LATE, TimerKind.DEPOSIT_UNPAID])
async def test_a_due_timer_of_a_deposit_refund_brings_it_with_its_deposit(lane, kind):
    shop = merchant("shop")
    for body in (MerchantRegistered("CNY", 7), deposited(), deposited("other"), refund_asked()):
        await lane.settle([lane.message(body, shop, repr(body))])
    await write_timers(lane, [Timer(shop, kind, "request", START)])
    state = (await lane.read(Wanted(parties={shop}, timers_until=START)))[shop]
    assert set(state.entities[DepositRefund]) == {"request"}
    assert set(state.entities[Deposit]) == {"deposit"}


async def settle_each(lane: StoredLane, *bodies) -> None:
    for number, body in enumerate(bodies):
        sent = lane.message(body, BUYER, f"event-{number}", START + timedelta(minutes=number))
        for each in await lane.settle([sent]):
            assert each.decision.outcome is Outcome.APPLIED, each


def obligation(number: int, **given) -> Obligation:
    due_on = date(2026, 1, 1) + timedelta(days=number % 100)
    made = Obligation("buyer", f"o-{number:04}", number, None, due_on, ObligationStatus.OPEN, 10, 0, 0, 0, 0, 0, None)
    return replace(made, **given)


async def an_account_that_owes(lane: StoredLane, count: int) -> list[Obligation]:
    await lane.settle([lane.message(opened(), BUYER, "event")])
    state = (await lane.read(Wanted(parties={BUYER})))[BUYER]
    obligations = [obligation(number) for number in range(count)]
    obligations.append(obligation(count, status=ObligationStatus.PAID, due_on=date(2025, 1, 1)))
    row = state.entities[Account]["buyer"]
    state.entities = {
        Account: {"buyer": replace(row, receivable_minor=10 * count)},
        Obligation: {each.obligation_id: each for each in obligations},
    }
    state.changed[Account] = {"buyer"}
    state.made[Obligation] = set(state.entities[Obligation])
    await write_states(lane, {None: PartyState(None, whole=True), BUYER: state})
    return sorted(obligations[:-1], key=lambda each: (each.due_on, each.no))


async def test_of_very_many_open_obligations_the_earliest_are_loaded(lane):
    owed = await an_account_that_owes(lane, OPEN_OBLIGATIONS + 50)
    state = (await lane.read(Wanted(parties={BUYER})))[BUYER]
    assert list(state.entities[Obligation].values()) == owed[:OPEN_OBLIGATIONS]
    assert not state.all_open_loaded
    last = owed[OPEN_OBLIGATIONS - 1]
    assert state.open_loaded_until == (last.due_on, last.no)


async def test_all_open_obligations_are_loaded_when_all_are_asked_for(lane):
    owed = await an_account_that_owes(lane, OPEN_OBLIGATIONS + 50)
    state = (await lane.read(Wanted(parties={BUYER}, entities={BUYER: {(Obligation, "*")}})))[BUYER]
    assert list(state.entities[Obligation].values()) == owed
    assert state.all_open_loaded and state.open_loaded_until is None
    assert state.absent == set()


async def test_as_many_open_obligations_as_are_loaded_are_all(lane):
    await an_account_that_owes(lane, OPEN_OBLIGATIONS)
    state = (await lane.read(Wanted(parties={BUYER})))[BUYER]
    assert state.all_open_loaded and len(state.entities[Obligation]) == OPEN_OBLIGATIONS


async def write_timers(lane: StoredLane, timers: list[Timer]) -> None:
    states = {None: PartyState(None, whole=True)}
    for timer in timers:
        state = states.setdefault(timer.party, PartyState(timer.party))
        state.timer_changes[timer.kind, timer.subject_id] = timer
    await write_states(lane, states)


def order_of(timers) -> list[str]:
    return [timer.timer_id for timer in timers]


@pytest.mark.parametrize("others", [0, 700])
async def test_timers_due_are_loaded_in_the_order_they_fire(lane, others):
    """With few due in the lane all are read at once; with many, those of the parties are looked up."""
    own = [Timer(BUYER, kind, subject, START) for kind in TimerKind for subject in ("a", "a-", "a:b", "a%", "B", "字")]
    later = Timer(BUYER, TimerKind.DUE_DAY, "later", START + timedelta(seconds=1))
    crowd = [Timer(account(f"other-{number}"), TimerKind.DUE_DAY, "d", START) for number in range(others)]
    await write_timers(lane, [*own, later, *crowd])
    wanted = Wanted(parties={BUYER}, timers_until=START)
    loaded = await load.load(lane.connection, 0, wanted, lane.restore)
    expected = sorted(own, key=lambda each: each.order)
    assert order_of(loaded.states[BUYER].timers.values()) == order_of(expected)
    assert loaded.more_timers == set()
    wanted.timer_limit = 39
    loaded = await load.load(lane.connection, 0, wanted, lane.restore)
    assert order_of(loaded.states[BUYER].timers.values()) == order_of(expected[:39])
    assert loaded.more_timers == {BUYER}


async def test_a_timer_set_again_is_moved_and_one_cancelled_is_gone(lane):
    timer = Timer(BUYER, TimerKind.DUE_DAY, "2026-02-01", START)
    await write_timers(lane, [timer])
    await write_timers(lane, [replace(timer, due_at=START + timedelta(days=1))])
    assert await load.next_due(lane.connection, 0) == START + timedelta(days=1)
    state = PartyState(BUYER, timer_changes={(timer.kind, timer.subject_id): None})
    await write_states(lane, {None: PartyState(None, whole=True), BUYER: state})
    assert await load.next_due(lane.connection, 0) is None


async def test_parties_with_due_timers_are_told_earliest_first(lane):
    times = {"late": 30, "early": 10, "middle": 20}
    await write_timers(
        lane,
        [Timer(account(name), TimerKind.DUE_DAY, "d", START + timedelta(seconds=at)) for name, at in times.items()],
    )
    until = START + timedelta(seconds=25)
    assert await load.due_parties(lane.connection, 0, until, 10) == [account("early"), account("middle")]
    assert await load.due_parties(lane.connection, 0, until, 1) == [account("early")]


async def test_every_outcome_leaves_its_row(connection, lane):
    sent = lane.message(opened("kuaishou"), BUYER, "event")
    again = replace(sent, source=replace(sent.source, offset=10))
    conflict = replace(sent, source=replace(sent.source, offset=11), fingerprint=b"another")
    declined = lane.message(deferred("order", 1_000_000), BUYER, "declined")
    parked = lane.message(PurchaseReceived("unknown"), BUYER, "parked")
    lane.reject("purchase", b"not json", headers=(("name", b"value"),))
    await lane.settle([sent, again, conflict, declined, parked])
    rows = await connection.fetch("SELECT seq, outcome, reason, event_id FROM decision ORDER BY seq")
    assert [tuple(row) for row in rows] == [
        (1, "applied", None, "event"),
        (2, "declined", "limit_exceeded", "declined"),
    ]
    rows = await connection.fetch("SELECT record_offset, outcome FROM receipt ORDER BY record_offset")
    assert [tuple(row) for row in rows] == [(10, "duplicate"), (11, "conflict")]
    assert await connection.fetchval("SELECT event_id FROM parked") == "parked"
    assert await connection.fetchval("SELECT raw FROM dead_letter") == b"not json"


async def test_an_input_whose_time_is_up_is_a_dead_letter_under_its_own_record(connection, lane):
    parked = lane.message(PurchaseReceived("order"), BUYER, "event")
    await lane.settle([parked])
    await lane.settle(until=START + timedelta(hours=72))
    row = await connection.fetchrow("SELECT dead_letter_id, reason, detail FROM dead_letter")
    assert tuple(row) == ("purchase/0/0", "unmatched", "account:buyer did not become known within 72 hours")
    assert await connection.fetchval("SELECT count(*) FROM parked") == 0


async def test_new_terms_are_kept_and_named_by_the_lane(connection, lane):
    document = TermsBook.builtin().document
    changed = {
        **document,
        "versions": [*document["versions"], {**document["versions"][-1], "effective_from": "2199-01-01"}],
    }
    lane.claim = await lanes.claim(connection, 0, "test")
    async with connection.transaction():
        lock = await lanes.lock(connection, 0, 1)
        await write(connection, replace(lane.nothing(lock), terms_document=changed))
    claim = await lanes.claim(connection, 0, "next")
    assert claim.terms_document == changed
    assert claim.terms_digest == TermsBook.parse(changed).digest
    assert (await lanes.claim(connection, 1, "next")).terms_document == document


async def test_a_lane_input_is_decided_once(lane):
    sent = lane.message(TermsPublished(TermsBook.builtin().document), None, "terms")
    again = replace(sent, source=replace(sent.source, offset=5))
    await lane.settle([sent])
    (result,) = await lane.settle([again])
    assert result.decision.outcome is Outcome.DUPLICATE


async def test_the_platform_s_balances_and_the_activity_are_summed(connection, lane):
    await lane.settle([lane.message(opened("kuaishou"), BUYER, "event")])
    for number, amount_minor in enumerate((1_000, 500)):
        order = f"order-{number}"
        await lane.settle(
            [
                lane.message(deferred(order, amount_minor), BUYER, f"placed-{number}"),
                lane.message(PurchaseReceived(order), BUYER, f"received-{number}"),
            ]
        )
    assert await connection.fetchval("SELECT balance_minor FROM platform_balance") == 1_500
    row = await connection.fetchrow("SELECT * FROM activity_total")
    assert (row["sent_messages"], row["sent_minor"], row["received_messages"]) == (2, 1_500, 0)


async def test_the_hash_given_with_a_batch_is_the_one_it_would_get(connection, lane):
    lane.claim = await lanes.claim(connection, 0, "test")
    decision = Decision(
        Outcome.APPLIED, postings=(Posting(LedgerAccount.LIMIT_AVAILABLE, LedgerAccount.LIMIT_GRANTED, "CNY", 1),)
    )
    results = [Settled(decision, START, input=lane.message(opened(), BUYER, "event"))]
    hashes = []
    for given in (False, True):
        transaction = connection.transaction()
        await transaction.start()
        lock = await lanes.lock(connection, 0, 1)
        recorded = chain.record(lock.chain_hash, 1, START, results, 1) if given else None
        batch = replace(lane.nothing(lock), lane_time=START, results=results, recorded=recorded)
        hashes.append(await write(connection, batch))
        hashes.append(await connection.fetchval("SELECT chain_hash FROM batch"))
        await transaction.rollback()
    assert set(hashes) == {chain.extend(chain.genesis(0), 1, START, results, 1)}


class CountedConnection:
    """Counts what goes to the server."""

    def __init__(self, connection) -> None:
        self._connection = connection
        self.statements: list[str] = []

    def __getattr__(self, name: str):
        method = getattr(self._connection, name)
        if name not in {"fetch", "fetchrow", "fetchval", "execute", "copy_records_to_table"}:
            return method

        async def counted(statement, *arguments, **named):
            self.statements.append(statement)
            return await method(statement, *arguments, **named)

        return counted


async def test_round_trips_do_not_grow_with_the_batch(connection):
    counted = CountedConnection(connection)
    lane = StoredLane(counted)
    traffic = Traffic(lane, accounts=300, merchants=30)
    await lane.settle(traffic.opening())
    for _ in range(3):
        traffic.take_over(await lane.settle(traffic.mixed(300)))
    spent = {}
    for size in (10, 100, 1000):
        counted.statements.clear()
        lane.loads = 0
        traffic.take_over(await lane.settle(traffic.mixed(size)))
        assert lane.loads == 1
        spent[size] = len(counted.statements)
        assert len(set(counted.statements)) >= len(counted.statements) - 5
    assert spent[1000] <= 60
    assert spent[1000] - spent[100] <= 10
