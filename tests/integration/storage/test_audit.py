"""The audit finds nothing in sound books, and whatever is broken in broken ones."""

from dataclasses import replace

from storage import lanes
from storage.audit import audit
from storage.write import write
from tests.integration.storage.settling import Traffic, failed

NAMES = {
    "debits equal credits",
    "balances are the sums of their postings",
    "one decision per event",
    "one outcome per input record",
    "every input record has its outcome",
    "limit = available + held + used",
    "no more is recovered than was charged off",
    "the limit is what is granted",
    "nothing accepted beyond the limit",
    "obligations are what is owed and used",
    "obligations are open while something of them is",
    "orders agree with their obligations",
    "lines are frozen while something is overdue",
    "penalties stay within what was overdue",
    "what is past due is overdue",
    "whatever is due is asked for",
    "repayments are what they paid",
    "cash-outs are what they are owed as",
    "held is promised to orders",
    "orders cost less by their discounts",
    "merchants agree with their cases and deposits",
    "deposits agree with their refunds",
    "shop balances are what came and was not withdrawn",
    "what is approved is paid when the freeze ends",
    "payouts on their way are what is not answered",
    "money in suspense is what was not released",
    "what is payable to merchants has its payout date",
    "parked inputs have a deadline",
    "batches and decisions without a hole",
    "offsets only move on",
    "trial balance",
    "every party on one lane",
    "re-routed records have one outcome",
    "merchant transit is what is in flight",
    "lanes go on from where they were split",
    "archives are what is in files",
    "hash chain",
    "operator log",
}


async def test_sound_books_pass_every_check(books):
    connection = books.connection
    seen = []
    checks = await audit(connection, seen.append)
    assert {check.name: check.detail for check in checks if not check.ok} == {}
    assert {check.name for check in checks} == NAMES == set(seen)
    kinds = await connection.fetch("SELECT DISTINCT kind || '/' || outcome AS what FROM decision")
    assert {row["what"] for row in kinds} == {"input/applied", "input/declined", "timer/applied"}
    tables = ("receipt", "dead_letter", "parked", "debit", "return_request", "repayment", "deposit", "merchant_case")
    for table in tables:
        assert await connection.fetchval(f"SELECT count(*) FROM {table}"), f"no {table} was looked at"
    late = "SELECT DISTINCT programme FROM obligation JOIN account USING (account_id) WHERE status = 'overdue'"
    assert {row["programme"] for row in await connection.fetch(late)} == {"kuaishou", "tmall"}
    assert await connection.fetchval("SELECT count(*) FROM cash_out") == 3
    assert await connection.fetchval("SELECT count(*) FROM repayment WHERE reversed_at IS NOT NULL") == 1


async def test_an_empty_database_passes_every_check(connection):
    assert await failed(connection) == {}


async def test_a_record_without_an_outcome_is_counted_where_it_was_settled(connection, lane):
    """A batch that says it settled a record of which nothing is known."""
    lane.claim = await lanes.claim(connection, 0, "test")
    async with connection.transaction():
        lock = await lanes.lock(connection, 0, 1)
        batch = replace(lane.nothing(lock), positions={"purchase": lanes.Position(4, None)}, counts={"purchase": 4})
        await write(connection, batch)
    assert await failed(connection) == {
        "every input record has its outcome": (
            "lane 0, topic purchase: expected 4 outcomes before offset 4; found 0 outcomes, the last at offset "
        )
    }


async def test_rerouted_records_are_counted_under_the_topic_they_came_by(connection, lane):
    traffic = Traffic(lane, accounts=1, merchants=0)
    (sent,) = traffic.opening()
    foreign = replace(sent, source=replace(sent.source, partition=5, offset=77))
    lane.claim = await lanes.claim(connection, 0, "test")
    original = lane.batch

    def came_rerouted(*arguments):
        return replace(original(*arguments), positions={"rerouted": lanes.Position(1, None)}, counts={"rerouted": 1})

    lane.batch = came_rerouted
    await lane.settle([foreign])
    assert await failed(connection) == {}


async def test_the_audit_reads_only(books):
    await books.connection.execute("SET default_transaction_read_only = on")
    await audit(books.connection)
