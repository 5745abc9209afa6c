"""What a batch leaves in the database besides its states."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from settlement.batch import Settled
from settlement.decision import Decision, Outcome
from settlement.entities import Account
from settlement.ledger import LedgerAccount, Posting
from settlement.messages import PurchaseReceived, TermsPublished
from settlement.terms import TermsBook
from settlement.totals import LARGEST_MINOR
from storage import chain, lanes
from storage.load import ReadSet
from storage.write import write
from tests.integration.storage.settling import BUYER, START, StoredLane, Traffic, failed, write_states
from tests.integration.storage.test_round_trip import filled
from tests.unit.settlement.builders import deferred, opened, placed, repaid
from workers.lanes.splitting import REFUSALS


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


async def test_a_small_batch_takes_few_round_trips(lane):
    await lane.settle([lane.message(opened(), BUYER, "opened")])
    lane.connection = counted = CountedConnection(lane.connection)
    spent = []
    for body in (placed("order"), PurchaseReceived("order"), repaid(10_000)):
        await lane.settle([lane.message(body, BUYER, repr(body), START + timedelta(days=1))])
        spent.append([*counted.statements])
        counted.statements.clear()
    # The lock, timers due of anybody and of the batch's own, lookups, each table of entities, and all the rest.
    assert [len(each) for each in spent] == [7, 6, 10], spent


async def test_what_one_account_pays_beyond_what_a_column_holds_costs_its_messages_and_not_the_lane(connection, lane):
    await lane.settle([lane.message(opened("kuaishou"), BUYER, "opened")])
    most, number = 10**15, 9_300
    repayments = [lane.message(repaid(most, f"r-{n}"), BUYER, f"r-{n}") for n in range(number)]
    outcomes: Counter = Counter()
    for begin in range(0, number, 3_100):
        results = await lane.settle(repayments[begin : begin + 3_100])
        outcomes.update((each.decision.outcome, each.decision.reason) for each in results)
    assert outcomes == {
        (Outcome.APPLIED, None): LARGEST_MINOR // most,
        (Outcome.DEAD_LETTERED, "amount_overflow"): number - LARGEST_MINOR // most,
    }
    assert await connection.fetchval("SELECT count(*) FROM dead_letter WHERE reason = 'amount_overflow'") == 77
    # A new owner of the lane knows its sums.
    claim = await lanes.claim(connection, 0, "another")
    assert claim.totals == lane.claim.totals and claim.totals["gateway_clearing", "CNY"] == 9_223 * most
    assert await failed(connection) == {}


@pytest.mark.parametrize("number", [LARGEST_MINOR + 1, -LARGEST_MINOR - 2])
async def test_a_number_that_no_column_holds_is_an_error_of_the_data(connection, lane, number):
    """So a batch that brings one all the same is split (workers/lanes/splitting.py)."""
    states = await lane.read(ReadSet(parties={BUYER}))
    made = replace(filled(Account, BUYER.id, BUYER.id, 0), customer_credit_minor=number)
    states[BUYER].apply(Decision(Outcome.APPLIED, entities=(made,)))
    with pytest.raises(REFUSALS):
        await write_states(lane, states)
