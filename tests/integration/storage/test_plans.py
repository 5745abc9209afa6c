"""No statement that runs with every batch, or that operators wait for, may read a table from end to end.

The statements are those that settling really sends, explained with their real parameters on grown tables.
"""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest

from settlement.entities import (
    AccountPayout,
    Appeal,
    CashOut,
    Deposit,
    DepositRefund,
    MerchantPayout,
    Obligation,
    Repayment,
)
from settlement.party import PartyKind
from storage import (
    activity,
    approvals,
    conflicts,
    dead_letters,
    figures,
    lanes,
    load,
    operator_log,
    outbox,
    parked,
    payouts,
    search,
)
from storage.database import borrowed, connect, open_pool
from storage.load import ReadSet
from storage.of_lanes import looking_up
from storage.operator_log import LogFilter
from storage.outcome_search import GROUPED_AT_MOST, OutcomeFilter
from storage.payouts import PayoutFilter
from storage.queries import read
from storage.stories.account import account_story
from storage.stories.course import course, timers
from storage.stories.decision import decision_story
from storage.stories.merchant import merchant_story
from tests.conftest import Database
from tests.integration.storage.companies import OneConnection, in_company
from tests.integration.storage.planning import (
    GROWN,
    NEVER_ANALYZED,
    ROWS,
    RecordedConnection,
    all_nodes,
    is_whole,
    nodes,
    read_whole,
)
from tests.integration.storage.settling import START, StoredLane, Traffic, account, merchant, write_states


@pytest.fixture(scope="session", params=["never analyzed", "analyzed"])
async def grown(request, server, template) -> AsyncIterator[Database]:
    """A database with many rows, its statistics up to date or not there yet, to be cloned."""
    async with server.database("grown", template.name) as made:
        connection = await connect(made.dsn, application_name="test")
        await connection.execute(NEVER_ANALYZED)
        for statement in GROWN.values():
            await connection.execute(statement, ROWS)
        await connection.execute("UPDATE lane SET lane_time = now() WHERE lane = 0")
        if request.param == "analyzed":
            await connection.execute("ANALYZE")
        await connection.close()
        yield made


@pytest.fixture
async def grown_database(server, grown) -> AsyncIterator[Database]:
    """A clone of it."""
    async with server.database("test", grown.name) as made:
        yield made


@pytest.fixture
async def session(dsn) -> AsyncIterator[RecordedConnection]:
    """A worker's session."""
    async with session_of(dsn) as made:
        yield made


@pytest.fixture
async def worker(grown_database) -> AsyncIterator[RecordedConnection]:
    """A worker's session on a grown database."""
    async with session_of(grown_database.dsn) as made:
        yield made


@asynccontextmanager
async def session_of(dsn: str) -> AsyncIterator[RecordedConnection]:
    pool = await open_pool(dsn, application_name="test", max_size=1, keep_plans=True)
    async with borrowed(pool) as connection:
        yield RecordedConnection(connection, keeps_plans=True)
    pool.terminate()


@pytest.fixture
async def grown_connection(grown_database) -> AsyncIterator[asyncpg.Connection]:
    """A command's session on a grown database."""
    opened = await connect(grown_database.dsn, application_name="test")
    yield opened
    await opened.close()


@pytest.fixture
def operator(grown_connection) -> RecordedConnection:
    """The same, whose statements are kept."""
    return RecordedConnection(grown_connection)


async def test_plans_that_are_made_while_tables_are_small_do_when_they_have_grown(session, server, template):
    await settle_some_of_all(session)
    async with server.database("test", template.name) as made, session_of(made.dsn) as small:
        connection = small._connection
        small.sent = session.sent
        # Where a table is known to be empty, any of its indexes seems as good: docs/decisions/0029.
        by_any_index = {
            *(read("parked")["parked"], read("write")["unpark"], read("write")["finish"]),
            *(together.statement for together in load.TOGETHER),
            *(together.of_lanes().statement for together in load.TOGETHER),
            *(read("company")["finish"], looking_up(read("parked")["parked"]).statement),
        }
        assert set(await read_whole(small)) <= by_any_index
        await connection.execute("VACUUM ANALYZE")
        assert set(await read_whole(small)) <= by_any_index
        for statement in GROWN.values():
            await connection.execute(statement, 50)
        await connection.execute("ANALYZE")
        assert await read_whole(small) == {}


async def test_settling_reads_no_table_from_end_to_end(worker):
    await settle_some_of_all(worker)
    assert len(worker.sent) >= 29, "traffic has become too thin to send what settling sends"
    assert await read_whole(worker) == {}


async def settle_some_of_all(worker: RecordedConnection) -> None:
    """Days of mixed traffic and what falls due afterwards, as small batches do it, large ones, and lanes in company."""
    lane = StoredLane(worker)
    traffic = Traffic(lane, accounts=150, merchants=20)
    await lane.settle(traffic.opening())
    for is_small in (True, False):
        worker.send_together(wanted=is_small)
        for size in (150, 3, 150):
            lane.reject("purchase", b"not json")
            traffic.take_over(await lane.settle(traffic.mixed(size)))
        traffic.now += timedelta(days=40)
        await lane.settle(until=traffic.now)
        traffic.now += timedelta(days=1)
        await lane.settle(until=traffic.now)
    await settle_in_company(worker)


async def settle_in_company(worker: RecordedConnection) -> None:
    """Two lanes, all of their batches in company: few messages of each, and many."""
    lanes_ = [StoredLane(worker, number, claim=await lanes.claim(worker, number, "test")) for number in (1, 2)]
    traffics = [Traffic(lane, accounts=20, merchants=3) for lane in lanes_]
    batches = [[traffic.opening() for traffic in traffics]]
    for size in (3, 60, 3, 60):
        batches.append([traffic.mixed(size) for traffic in traffics])
        for traffic in traffics:
            traffic.now += timedelta(days=5)
    for each in batches:
        for settled in await in_company(OneConnection(worker), lanes_, each):
            assert isinstance(settled, list), settled


async def test_looking_up_timers_while_very_many_are_due_reads_no_table_from_end_to_end(worker):
    lane = StoredLane(worker)
    parties = {account(f"filler-{number}") for number in range(1, 500)}
    wanted = ReadSet(parties=parties, timers_until=START + timedelta(days=3650), timer_limit=5)
    wanted.entities = {party: {(Obligation, "*")} for party in parties}
    loaded = await load.load(worker, 0, wanted, lane.restore_any)
    assert sum(len(state.timers) for state in loaded.states.values()) == len(parties)
    assert await read_whole(worker) == {}


async def test_reversals_cash_outs_and_appeals_read_no_table_from_end_to_end(worker):
    lane = StoredLane(worker)
    numbers = range(1, 500)
    wanted = ReadSet(parties={account(f"filler-{number}") for number in numbers})
    wanted.entities = {
        account(f"filler-{number}"): {
            (Repayment, f"repayment-{number}"),
            (CashOut, f"cash-out-{number}"),
            (Appeal, f"appeal-{number}"),
        }
        for number in numbers
    }
    loaded = await load.load(worker, 0, wanted, lane.restore_any)
    for number in numbers:
        state = loaded.states[account(f"filler-{number}")]
        assert set(state.entities) >= {Repayment, CashOut, Appeal, Obligation}
        for kind in (Repayment, CashOut, Appeal):
            state.changed[kind] = set(state.entities[kind])
    await write_states(lane, loaded.states)
    assert len([each for each in worker.sent if re.match("UPDATE (repayment|cash_out|appeal) ", each)]) == 3
    assert await read_whole(worker) == {}


async def test_results_of_payouts_read_no_table_from_end_to_end(worker):
    lane = StoredLane(worker)
    numbers = range(2, 500, 2)
    payees = {account(f"filler-{number}"): (number, AccountPayout) for number in numbers}
    payees |= {merchant(f"filler-{number}"): (number, MerchantPayout) for number in numbers}
    wanted = ReadSet(parties=set(payees))
    wanted.entities = {party: {(kind, f"payout-{number}")} for party, (number, kind) in payees.items()}
    loaded = await load.load(worker, 0, wanted, lane.restore_any)
    for party, (_, kind) in payees.items():
        state = loaded.states[party]
        assert set(state.entities) >= ({kind, CashOut} if kind is AccountPayout else {kind, DepositRefund, Deposit})
        state.changed[kind] = set(state.entities[kind])
    await write_states(lane, loaded.states)
    assert len([each for each in worker.sent if re.match("UPDATE (account|merchant)_payout ", each)]) == 2
    assert await read_whole(worker) == {}


async def test_open_payouts_and_overdue_accounts_are_counted_without_reading_the_others(operator):
    first = (await figures.operations(operator))[0]
    assert first.open_payouts == ROWS
    arguments = operator.sent[figures._SQL["operations"]]
    plan = await operator._connection.fetchval(f"EXPLAIN (FORMAT JSON) {figures._SQL['operations']}", *arguments)
    used = [node.get("Index Name") for node in all_nodes(json.loads(plan)[0]["Plan"])]
    assert {name: used.count(name) for name in ("account_payout_open", "merchant_payout_open", "account_overdue")} == {
        "account_payout_open": 2,
        "merchant_payout_open": 2,
        "account_overdue": 2,
    }


async def test_what_an_account_owes_is_found_past_all_it_has_paid(connection):
    for number, status in ((2_000, "paid"), (5, "open")):
        await connection.execute(
            """
            INSERT INTO obligation SELECT 0, 'buyer', $2 || n, n, NULL, '2026-01-01'::date + n, $2, 20, 0, 0, 0, 0, 0,
                NULL FROM generate_series(1, $1) AS n
            """,
            number,
            status,
        )
    await connection.execute("ANALYZE obligation")
    arguments = (0, '{"buyer"}', "{200}")
    plan = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {load._SQL['open_obligations']}", *arguments)
    (scan,) = [node for node in all_nodes(json.loads(plan)[0]["Plan"]) if node.get("Index Name") == "obligation_open"]
    assert "account_id" in scan["Index Cond"]


async def test_relaying_and_looking_after_lanes_reads_no_table_from_end_to_end(worker):
    await outbox.read_after(worker, 0, -5, 100)
    await outbox.batch_exists(worker, 0, -5)
    await outbox.relayed(worker, 0, 1)
    await load.due_parties(worker, 0, START + timedelta(days=3650), 100)
    await load.next_due(worker, 0)
    assert await read_whole(worker) == {}


async def test_what_operators_look_up_reads_no_large_table_from_end_to_end(operator):
    await account_story(operator, "filler-7")
    await merchant_story(operator, "filler-7")
    await dead_letters.dead_letter(operator, "purchase/9/7")
    story = await decision_story(operator, "purchase", "filler-19999")
    assert story is not None and story.party_id == "filler-4999"
    found = await read_whole(operator)
    # What waits and what is dead is looked through for an event_id: few rows beside the decisions. The filters of
    # these are made by vacuum, see below.
    assert set(found) <= {
        read("stories/decision")[f"{name}_of_event"] for name in ("parked", "dead_letters", "decisions", "receipts")
    }


async def test_pages_of_lists_are_read_from_where_they_begin(operator):
    """The first page and the next one, of all and of what is new; filters leave out rows on the way."""
    for page, wanted in (
        (dead_letters.dead_letters, OutcomeFilter()),
        (parked.waiting_inputs, OutcomeFilter()),
        (payouts.payouts, PayoutFilter()),
        (payouts.payouts, PayoutFilter(unanswered=True)),
    ):
        first = await page(operator, wanted, limit=50)
        second = await page(operator, wanted, limit=50, after=first[-1].place)
        places = [each.place for each in (*first, *second)]
        assert places == sorted(set(places), reverse=True)
        assert len(places) == 100
    letters = await dead_letters.oldest_letters(operator, OutcomeFilter(), [9] * 8, limit=50)
    following = await dead_letters.oldest_letters(operator, OutcomeFilter(), [9] * 8, limit=50, after=letters[-1].place)
    places = [each.place for each in (*letters, *following)]
    assert (places, len(places)) == (sorted(set(places)), 100)
    await conflicts.conflicts(operator, OutcomeFilter(), limit=50)
    assert await read_whole(operator) == {}


async def test_payouts_of_one_party_are_found_by_lane_and_id(operator, grown_connection):
    await grown_connection.execute("ANALYZE")  # without statistics a range of times passes for narrower than it is
    for unanswered in (False, True):
        for party_id, found in (("filler-8", 2), ("nobody", 0)):
            wanted = PayoutFilter(unanswered, party_id)
            operator.sent.clear()
            assert len(await payouts.payouts(operator, wanted, limit=50)) == found
            (statement, arguments), *_ = [each for each in operator.sent.items() if "account_payout" in each[0]]
            plan = json.loads(await operator.fetchval(f"EXPLAIN (FORMAT JSON) {statement}", *arguments))
            used = [node.get("Index Cond", "") for node in all_nodes(plan[0]["Plan"]) if "Index Name" in node]
            assert used != [] and all("(lane = " in each and f"_id = '{party_id}'" in each for each in used)


async def test_what_the_operators_page_reads_is_read_from_where_it_begins(operator):
    for kind in PartyKind:
        page = await course(operator, 0, kind, "filler-7", limit=5)
        if page.older is not None:
            await course(operator, 0, kind, "filler-7", limit=5, before=page.older)
        await timers(operator, 0, kind, "filler-7", limit=100)
    await approvals.requests(operator, pending=True, limit=50)
    await approvals.requests(operator, pending=False, limit=50, before_entry=9)
    await activity.trouble(operator, START)
    await dead_letters.open_count(operator)
    (place, *_) = await activity.places(operator)
    await activity.since(operator, place)
    assert await read_whole(operator) == {}


async def test_what_was_done_to_one_thing_or_by_one_person_is_found_without_reading_the_whole_log(connection):
    await connection.execute("ALTER TABLE operator_log DISABLE TRIGGER chain_operator_log")
    await connection.execute(
        """
        INSERT INTO operator_log SELECT n, now(), 'operator-' || n % 20, 'ops', 'redrive', 'purchase/9/' || n, 'done',
            NULL, 'why', NULL, NULL, '' FROM generate_series(1, $1) AS n
        """,
        ROWS,
    )
    await connection.execute("ANALYZE operator_log")
    operator = RecordedConnection(connection)
    for wanted, index, found in (
        (LogFilter(subject="purchase/9/7"), "operator_log_of", 1),
        (LogFilter(subject="nothing"), "operator_log_of", 0),
        (LogFilter(operator="nobody"), "operator_log_by", 0),
    ):
        assert len(await operator_log.entries(operator, wanted, 50)) == found
        ((statement, arguments),) = operator.sent.items()
        plan = json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) {statement}", *arguments))
        (scan,) = [node for node in all_nodes(plan[0]["Plan"]) if node.get("Relation Name") == "operator_log"]
        assert scan["Index Name"] == index


async def test_whatever_has_an_id_is_found_by_reading_a_part_of_each_table(connection):
    searched = ["purchase_order", "return_request", "debit", "account_payout", "merchant_payout", "decision", "receipt"]
    for table in searched:
        await connection.execute(GROWN[table], ROWS)
    await connection.execute(f"VACUUM ANALYZE {', '.join(searched)}")  # makes the filters, as autovacuum does
    for name in ("order-77", "return-77", "debit-77", "payout-77", "filler-77"):
        assert await search.named(connection, name) != []
    plan = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {search._SQL['named']}", "order-77", 20)
    whole = {node["Relation Name"] for node in all_nodes(json.loads(plan)[0]["Plan"]) if is_whole(node)}
    # What waits and what is dead is few beside them; lanes that have nothing are read in no time.
    assert {each for each in whole if not re.search("_lane_[1-7]$", each)} <= {"parked", "dead_letter"}


async def test_what_pages_of_repair_read_besides_reads_no_table_from_end_to_end(operator):
    """Rows in groups, of all and of what is open; what was done about some; sums of payouts."""
    for is_open in (None, True):
        letters = await dead_letters.dead_letters(operator, OutcomeFilter(), is_open=is_open, limit=50)
        assert (await dead_letters.letter_groups(operator, OutcomeFilter(), is_open=is_open)).total == GROUPED_AT_MOST
    assert len(await dead_letters.stories(operator, letters)) == 50
    await dead_letters.ends(operator, [each.letter.dead_letter_id for each in letters])
    await dead_letters.oldest_letters(operator, OutcomeFilter(), [9] * 8, is_open=True, limit=50)
    await dead_letters.dead_letter(operator, "purchase/9/7")
    assert (await parked.parked_groups(operator, OutcomeFilter())).total == GROUPED_AT_MOST
    assert (await conflicts.conflict_groups(operator, OutcomeFilter())).total == 0
    assert sum(each.payouts for each in await payouts.unanswered_sums(operator)) == ROWS
    await figures.chain_heads(operator)
    await figures.stored_terms(operator)
    assert await read_whole(operator) == {}


@pytest.mark.parametrize(
    ("file", "query", "arguments"),
    [
        ("stories/decision", "decisions_of_event", ("purchase", "filler-77777")),
        ("stories/party", "history", (0, "account", "filler-4321", b"filler-4321", ["purchase"])),
    ],
)
async def test_operators_find_decisions_by_reading_a_part_of_them_only(connection, file, query, arguments):
    await connection.execute(GROWN["decision"], 100_000)
    await connection.execute("VACUUM ANALYZE decision")  # makes the filters, as autovacuum does
    (explained,) = json.loads(
        await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {read(file)[query]}", *arguments)
    )
    scans = [node for node in nodes(explained["Plan"]) if node.get("Relation Name", "").startswith("decision_lane_0")]
    assert [node["Node Type"] for node in scans] == ["Bitmap Heap Scan"]
    assert scans[0]["Actual Rows"] >= 1
    assert scans[0]["Rows Removed by Index Recheck"] < 20_000
