"""What is loaded for a batch: the parties it names, with what its messages and timers are about."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from settlement.decision import DeclineReason, Outcome
from settlement.entities import (
    Account,
    Debit,
    Deposit,
    DepositRefund,
    Merchant,
    MerchantBalance,
    Obligation,
    Order,
    PlanKind,
    Repayment,
    Return,
)
from settlement.messages import (
    LineFrozen,
    LineUnfrozen,
    MerchantRegistered,
    Plan,
    PurchaseReceived,
    ShopSettingsChanged,
)
from settlement.shop import ShopSettings
from settlement.state import NotLoadedError, Parked, PartyState
from settlement.statuses import DebitStatus, ObligationStatus
from settlement.timers import Timer, TimerKind
from storage import load
from storage.load import OPEN_OBLIGATIONS, ReadSet
from tests.integration.storage.settling import BUYER, START, StoredLane, Traffic, account, merchant, write_states
from tests.unit.settlement.builders import deferred, deposited, opened, placed, refund_asked, repaid, returned


async def test_a_party_nobody_knows_is_whole_and_not_known(lane):
    loaded = await load.load(lane.connection, 0, ReadSet(parties={BUYER}), lane.restore)
    assert loaded.known == set()
    assert loaded.states[BUYER].whole


async def test_accounts_and_merchants_of_one_id_are_kept_apart(lane):
    party = merchant("buyer")
    await lane.settle([lane.message(opened(), BUYER, "event")])
    loaded = await load.load(lane.connection, 0, ReadSet(parties={BUYER, party}), lane.restore)
    assert loaded.known == {BUYER}
    assert loaded.states[party].whole


async def test_an_order_brings_what_its_shop_has_set_on_this_lane(connection, lane):
    told = ShopSettingsChanged("shop", True, (Plan(PlanKind.TRIAL),), 500, "CNY")
    await StoredLane(connection, number=1).settle([lane.message(replace(told, enabled=False), None, "elsewhere")])
    await lane.settle([lane.message(opened(), BUYER, "opened")])
    await lane.settle([lane.message(told, None, "told")])
    order, other = lane.message(placed(), BUYER, "order"), lane.message(placed(merchant_id="other"), BUYER, "other")
    kept = (await lane.read(lane.wanted([order, other])))[None]
    assert list(kept.each(ShopSettings)) == [ShopSettings("shop", True, ("trial",), 500, "CNY", START)]
    assert kept.find(ShopSettings, "other") is None
    with pytest.raises(NotLoadedError):
        kept.find(ShopSettings, "unnamed")


async def test_a_parked_order_brings_what_its_shop_has_set_once_its_line_is_opened(lane):
    await lane.settle([lane.message(ShopSettingsChanged("shop", False, None, None, "CNY"), None, "told")])
    order = lane.message(placed(), BUYER, "order")
    assert [each.decision.outcome for each in await lane.settle([order])] == [Outcome.PARKED]
    loads = lane.loads
    results = await lane.settle([lane.message(opened(), BUYER, "opened")])
    assert [each.decision.reason for each in results] == [None, "not_supported"]
    assert lane.loads == loads + 1


async def test_other_lanes_are_not_looked_at(connection, lane):
    await lane.settle([lane.message(opened(), BUYER, "event")])
    loaded = await load.load(connection, 1, ReadSet(parties={BUYER}), lane.restore)
    assert loaded.known == set()


async def test_an_event_decided_before_is_seen_with_its_content(lane):
    sent = lane.message(opened(), BUYER, "event")
    await lane.settle([sent])
    (state,) = [
        state
        for party, state in (
            await lane.read(ReadSet(parties={BUYER}, event_hashes={BUYER: {sent.event_hash, b"another"}}))
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
        lane.connection, 0, ReadSet(parties={BUYER}, timers_until=START + timedelta(days=4)), lane.restore
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
    state = (await lane.read(ReadSet(parties={BUYER})))[BUYER]
    again = replace(state.parked[0], waits_for="order:b")
    state.newly_parked[again.input.event_hash] = again
    await write_states(lane, {None: PartyState(None, whole=True), BUYER: state})
    found = (await lane.read(ReadSet(parties={BUYER})))[BUYER].parked
    assert [(each.input.event_id, each.waits_for) for each in found] == [("b", "order:b"), ("a", "account:buyer")]


async def test_an_input_parked_anew_after_its_wait_ended_in_one_batch_is_there(lane):
    parked = Parked(lane.message(PurchaseReceived("order"), BUYER, "event"), "account:buyer", START)
    for number in range(2):
        state = PartyState(BUYER, newly_parked={parked.input.event_hash: parked})
        state.unparked = {parked.input.event_hash} if number else set()
        await write_states(lane, {None: PartyState(None, whole=True), BUYER: state})
    assert (await lane.read(ReadSet(parties={BUYER})))[BUYER].parked == [parked]


async def test_what_is_asked_for_and_not_there_is_absent_and_what_was_declined_is_told(lane):
    await lane.settle([lane.message(opened("kuaishou"), BUYER, "event")])
    too_much = lane.message(deferred("order", 1_000_000), BUYER, "two")
    (result,) = await lane.settle([too_much])
    assert result.decision.reason == DeclineReason.LIMIT_EXCEEDED
    state = (await lane.read(ReadSet(parties={BUYER}, entities={BUYER: {(Order, "order"), (Order, "other")}})))[BUYER]
    assert state.absent == {"order:order", "order:other"}
    assert state.declined == {"order:order"}


async def test_a_declined_line_is_told_of_an_account_that_is_not_there(lane):
    state = PartyState(BUYER, whole=True)
    state.newly_declined = {"account:buyer"}
    await write_states(lane, {None: PartyState(None, whole=True), BUYER: state})
    assert (await lane.read(ReadSet(parties={BUYER})))[BUYER].declined == {"account:buyer"}


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
    state = (await lane.read(ReadSet(parties={BUYER}, entities={BUYER: {(Order, "order")}})))[BUYER]
    assert {each.status for each in state.entities[Obligation].values()} == {
        ObligationStatus.PAID,
        ObligationStatus.OPEN,
    }
    assert set(state.entities[Order]) == {"order", "other"}


async def test_a_named_return_brings_its_order(lane):
    await settle_each(lane, opened("tmall"), placed("order"), PurchaseReceived("order"), returned(10_000))
    state = (await lane.read(ReadSet(parties={BUYER}, entities={BUYER: {(Return, "return")}})))[BUYER]
    assert set(state.entities[Order]) == {"order"}
    state = (await lane.read(ReadSet(parties={BUYER}, entities={BUYER: {(Order, "order")}})))[BUYER]
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
    return (await lane.read(ReadSet(parties={BUYER}, entities={BUYER: set(references)})))[BUYER]


async def test_a_named_repayment_brings_what_it_paid_with_its_orders_and_debits(lane):
    await settle_each(lane, opened("kuaishou"), deferred("order", 10_000), PurchaseReceived("order"), repaid(10_000))
    (paid,) = (await read_naming(lane, (Order, "order"))).entities[Obligation].values()
    debit = Debit("buyer", "debit", 5, 10, date(2026, 1, 1), 1, "due", DebitStatus.FAILED, START, ("o-0001",))
    other = obligation(1, status=ObligationStatus.PAID, asks=("debit retry 0 0 10",))
    unpaid = obligation(2, status=ObligationStatus.PAID)
    await keep(lane, debit, other, unpaid, repayment(f"{paid.obligation_id} 0 0 90", "o-0001 1 2 7"))
    assert not (await lane.read(ReadSet(parties={BUYER})))[BUYER].entities.get(Obligation)
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
    state = (await lane.read(ReadSet(parties={BUYER}, timers_until=START)))[BUYER]
    assert {each: set(found) for each, found in state.entities.items() if each is not Account} == brought
    assert list(state.timers) == [(kind, subject)]


@pytest.mark.parametrize("kind", [TimerKind.DEPOSIT_PAYMENT, TimerKind.DEPOSIT_REVIEW_LATE, TimerKind.DEPOSIT_UNPAID])
async def test_a_due_timer_of_a_deposit_refund_brings_it_with_its_deposit(lane, kind):
    shop = merchant("shop")
    for body in (MerchantRegistered("CNY", 7), deposited(), deposited("other"), refund_asked()):
        await lane.settle([lane.message(body, shop, repr(body))])
    await write_timers(lane, [Timer(shop, kind, "request", START)])
    state = (await lane.read(ReadSet(parties={shop}, timers_until=START)))[shop]
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
    state = (await lane.read(ReadSet(parties={BUYER})))[BUYER]
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
    state = (await lane.read(ReadSet(parties={BUYER})))[BUYER]
    assert list(state.entities[Obligation].values()) == owed[:OPEN_OBLIGATIONS]
    assert not state.all_open_loaded
    last = owed[OPEN_OBLIGATIONS - 1]
    assert state.open_loaded_until == (last.due_on, last.no)


async def test_all_open_obligations_are_loaded_when_all_are_asked_for(lane):
    owed = await an_account_that_owes(lane, OPEN_OBLIGATIONS + 50)
    state = (await lane.read(ReadSet(parties={BUYER}, entities={BUYER: {(Obligation, "*")}})))[BUYER]
    assert list(state.entities[Obligation].values()) == owed
    assert state.all_open_loaded and state.open_loaded_until is None
    assert state.absent == set()


async def test_as_many_open_obligations_as_are_loaded_are_all(lane):
    await an_account_that_owes(lane, OPEN_OBLIGATIONS)
    state = (await lane.read(ReadSet(parties={BUYER})))[BUYER]
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
    wanted = ReadSet(parties={BUYER}, timers_until=START)
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


async def test_what_is_looked_up_together_is_what_is_looked_up_one_by_one(lane, monkeypatch):
    compared: list[set] = []

    async def both_ways(*wanted):
        together = await load_states(*wanted)
        lane.connection.sends_together = False
        one_by_one = await load_states(*wanted)
        lane.connection.sends_together = True
        assert (together.known, together.more_timers) == (one_by_one.known, one_by_one.more_timers)
        assert together.states == one_by_one.states
        compared.append({kind for state in together.states.values() for kind in state.entities})
        return together

    load_states = load.load
    monkeypatch.setattr(load, "load", both_ways)
    traffic = Traffic(lane, accounts=20, merchants=3)
    await lane.settle(traffic.opening())
    for size in (1, 1, 1, 5, 20, 100) * 6:
        traffic.take_over(await lane.settle(traffic.mixed(size)))
        traffic.now += timedelta(days=4)
    await lane.settle(until=traffic.now + timedelta(days=20))
    kinds = {Account, Order, Obligation, Repayment, Debit, Return, Merchant, MerchantBalance}
    assert kinds <= set().union(*compared)
    assert len(compared) > 30
