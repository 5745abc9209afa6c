"""What is written is what is loaded again."""

import dataclasses
import typing
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from enum import Enum

import pytest

from settlement.batch import Batch, Settled
from settlement.entities import (
    Account,
    Merchant,
)
from settlement.party import PartyKind
from settlement.state import PartyState
from storage import arrays
from storage.load import ReadSet
from storage.rows import TABLES
from tests.integration.storage.settling import START, StoredLane, Traffic, account, merchant, whole, write_states
from tests.unit.settlement.builders import RULES

NASTY = ("plain", 'say "so", {x}', "back\\slash", "NULL", "", "new\nline\ttab", "字 – €", "a, b")


def filled(kind: type, party_id: str, entity_id: str, variant: int):
    """An entity with every field set to something that is easily spoilt; the second variant differs in all it may."""
    hints = typing.get_type_hints(kind)
    values = {}
    for number, each in enumerate(dataclasses.fields(kind)):
        hint = hints[each.name]
        optional = type(None) in typing.get_args(hint)
        plain = next((arg for arg in typing.get_args(hint) if arg is not type(None)), hint) if optional else hint
        values[each.name] = value_of(plain, number, variant, optional=optional)
    values[kind.id_field] = entity_id
    if kind.party_kind is not None:
        values[f"{kind.party_kind}_id"] = party_id
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


@pytest.fixture(params=[True, False], ids=["small batches", "large batches"])
def lane(connection, request) -> StoredLane:
    """Lane 0 of the test's database, in both ways in which batches are settled."""
    connection.sends_together = request.param
    return StoredLane(connection)


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
    owner = None if kind.party_kind is None else party
    states = await lane.read(ReadSet(parties={party}, entities={owner: {(kind, entity_id)}}))
    return states[owner].entities.get(kind, {}).get(entity_id)


@pytest.mark.parametrize("kind", TABLES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("variants", [(0, 1), (1, 2), (2, 3)])
async def test_an_entity_is_read_back_as_it_was_made_and_as_it_was_changed(lane, kind, variants):
    table = TABLES[kind]
    party_id = 'id "1", {\\}'
    party = account(party_id) if table.kind.party_kind is PartyKind.ACCOUNT else merchant(party_id)
    own_row = filled(Account if party.kind is PartyKind.ACCOUNT else Merchant, party_id, party_id, 0)
    for number, variant in enumerate(variants):
        entity = filled(kind, party_id, "entity id", variant)
        if number:
            made = filled(kind, party_id, "entity id", variants[0])
            fixed = set(table.columns) - set(table.changing_columns)
            entity = replace(entity, **{name: getattr(made, name) for name in fixed})
        state = PartyState(party if kind.party_kind else None, entities={kind: {entity.entity_id: entity}})
        if kind is not type(own_row) and kind.party_kind:
            state.entities[type(own_row)] = {own_row.entity_id: own_row}
        marks = state.changed if number else state.made
        marks[kind] = {entity.entity_id}
        if not number and kind.party_kind:
            marks[type(own_row)] = {own_row.entity_id}
        await write_states(lane, {None: PartyState(None, whole=True), state.party: state})
        assert await stored(lane, party, kind, entity.entity_id) == entity


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
