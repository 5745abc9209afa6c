"""A database made anew from its topics, in the place of the old one or of none."""

import asyncio
import json
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg
import pytest

from cli.embedded import with_database
from storage import archive, bulk, operator_log
from storage.audit import audit
from storage.audit.operator_chain import operator_chain
from storage.database import connect
from storage.operator_log import Action, Because, LogFilter, LogOutcome, Note
from tests.command import Command
from tests.integration.replay.conftest import caught_up, falsify
from tests.integration.storage.test_migrations import catalogue
from tests.platform import Messages, eventually, platform

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

DERIVED = (
    "SELECT lane, batch_seq, chain_hash, lane_time, next_seq, terms_digest FROM lane ORDER BY 1",
    "SELECT * FROM lane_offset ORDER BY 1, 2",
    "SELECT * FROM lane_branch ORDER BY 1, 3",
    "SELECT * FROM batch ORDER BY 1, 2",
    "SELECT * FROM decision ORDER BY 1, 2",
    "SELECT * FROM posting ORDER BY 1, 2, 3",
    "SELECT * FROM receipt ORDER BY 1, 2, 3, 4",
    "SELECT dead_letter_id, closed_entry FROM dead_letter ORDER BY 1",
    "SELECT to_jsonb(parked) - 'n' FROM parked ORDER BY lane, event_hash",  # n orders the inputs of one party
    "SELECT * FROM timer ORDER BY 1, 2, 3, 4, 5",
    "SELECT * FROM declined_subject ORDER BY 1, 2, 3, 4",
    "SELECT * FROM platform_balance ORDER BY 1, 2, 3",
    "SELECT * FROM activity_total ORDER BY 1, 2",
    "SELECT * FROM account ORDER BY 1, 2",
    "SELECT * FROM purchase_order ORDER BY 1, 2, 3",
    "SELECT * FROM obligation ORDER BY 1, 2, 3",
    "SELECT * FROM merchant_balance ORDER BY 1, 2, 3",
    "SELECT * FROM terms ORDER BY stored_at",
    "SELECT * FROM identity",
    OPERATOR_LOG := "SELECT * FROM operator_log ORDER BY 1",
)

DEFECTS_ACCEPTED = ("--accept", "what is past due is overdue")
"""A timer that failed by a defect is missed by the debt that it would have let fall overdue."""


async def rebuilt(made, **settings):
    return await asyncio.to_thread(Command(made.environment).process, "replay", "rebuild", "--json", **settings)


async def content(dsn, schema="postpay"):
    """All that is derived from topics, row for row."""
    connection = await connect(dsn, application_name="test")
    try:
        await connection.execute("SELECT set_config('search_path', $1, false)", schema)
        return {query: [tuple(row) for row in await connection.fetch(query)] for query in DERIVED}
    finally:
        await connection.close()


async def entered(dsn, number):
    """Let operators do something; how many entries the log has then, each with the hash it must have."""
    connection = await connect(dsn, application_name="test")
    try:
        done = {"because": Because("ann", "why"), "action": Action.CLOSE_DEAD_LETTER, "outcome": LogOutcome.DONE}
        letters = await connection.fetch("SELECT dead_letter_id FROM dead_letter ORDER BY 1 LIMIT $1", number)
        subjects = [row[0] for row in letters] + ["of no letter"] * (number - len(letters))
        await operator_log.append(connection, [Note(subject=each, **done) for each in subjects])
        assert (await operator_chain(connection)).ok
        return len(await operator_log.entries(connection, LogFilter(), 100))
    finally:
        await connection.close()


async def admin(made, command):
    connection = await asyncpg.connect(with_database(made.settings.postgres.dsn, "postgres"))
    try:
        await connection.execute(command)
    finally:
        await connection.close()


@asynccontextmanager
async def somebody_who_migrates(made):
    """An address of the lost database, empty, for a user who may no more than `postpay migrate` asks for."""
    url = urlsplit(made.settings.postgres.dsn)
    name = url.path[1:]
    user = f"migrates_{name}"
    await admin(made, f"CREATE ROLE {user} LOGIN PASSWORD 'secret' IN ROLE postpay_owner")
    await admin(made, f'DROP DATABASE "{name}" WITH (FORCE)')
    await admin(made, f'CREATE DATABASE "{name}"')
    await admin(made, f'GRANT CREATE ON DATABASE "{name}" TO {user}')
    try:
        yield url._replace(netloc=f"{user}:secret@{url.netloc.rpartition('@')[2]}").geturl()
    finally:
        await admin(made, f'REVOKE CREATE ON DATABASE "{name}" FROM {user}')
        await admin(made, f"DROP ROLE {user}")


async def test_the_new_schema_has_every_row_of_the_old_one_and_is_what_migrate_makes(settled):
    async with settled.copy() as dsn:
        environment = settled.platform.environment | {"POSTPAY_POSTGRES__DSN": dsn}
        await entered(dsn, 3)
        before, catalogue_before = await content(dsn), await catalogue(dsn)
        options = ("--as", "ann", "--reason", "doubted", *DEFECTS_ACCEPTED)
        ran = await asyncio.to_thread(Command(environment).process, "replay", "rebuild", "--json", *options)
        assert ran.code == 0, ran.out + ran.err
        after = await content(dsn)
        entry = after[OPERATOR_LOG].pop()
        assert before[OPERATOR_LOG] and after == before
        whose = ("ann", "rebuild", ran.json["database_id"], "done", "doubted")
        assert entry[0] == 4 and (entry[2], *entry[4:7], entry[8]) == whose
        assert json.loads(entry[9]) == {"batches": ran.json["batches"]}
        became = json.loads(entry[10])
        assert became["kept_as"] == ran.json["kept_as"]
        assert became["chain_hashes"] == {str(each["lane"]): each["chain_hash"] for each in ran.json["lanes"]}
        assert await catalogue(dsn) == catalogue_before
        assert await content(dsn, ran.json["kept_as"]) == before
        assert ran.json["batches"] == sum(row[1] for row in before[DERIVED[0]])
        for lane in range(2):
            report = await settled.verify(lane, dsn)
            assert report.difference is None, report.difference


@pytest.fixture
async def made(stack, tmp_path):
    async with platform(stack.bootstrap, stack.dsn, tmp_path) as platform_:
        yield platform_


async def shopped(made, messages, orders=range(3)):
    """Accounts that buy, settled by workers that were killed on their way."""
    accounts = [f"acc-{number}" for number in range(12)]
    if 0 in orders:
        await made.send([messages.line_opened(account) for account in accounts])
    for point in ("after_commit:2", "in_kafka_transaction:2", "before_commit:2"):
        victim = made.worker(POSTPAY_FAULT=point)
        await made.send([messages.purchase_placed(each, f"o-{number}") for each in accounts for number in orders])
        await victim.ended()
    worker = made.worker()
    await caught_up(made)
    assert await worker.stopped() == 0


async def test_after_the_database_was_dropped_topics_and_lane_log_give_it_back(made):
    messages = Messages()
    await shopped(made, messages)
    (old,) = await made.fetch("SELECT database_id, cluster_id, prefix, consumer_group FROM identity")
    before = await content(made.settings.postgres.dsn)
    epochs = await made.fetch("SELECT lane, epoch FROM lane ORDER BY 1")
    sent = await made.outputs()
    async with somebody_who_migrates(made) as dsn:
        ran = await rebuilt(made, POSTPAY_POSTGRES__DSN=dsn)
    assert ran.code == 0, ran.out + ran.err
    assert (ran.json["database_id"], ran.json["kept_as"]) == (str(old["database_id"]), None)
    assert await made.fetch("SELECT database_id, cluster_id, prefix, consumer_group FROM identity") == [old]
    after = await content(made.settings.postgres.dsn)
    for query in (
        each for each in DERIVED if " batch " not in each and " terms " not in each and "identity" not in each
    ):
        assert after[query][:-1] == before[query] if query == OPERATOR_LOG else after[query] == before[query], query
    for was, now in zip(epochs, await made.fetch("SELECT lane, epoch FROM lane ORDER BY 1"), strict=True):
        assert now["epoch"] > was["epoch"]
    assert await made.outputs() == sent
    verified = await asyncio.to_thread(Command(made.environment).process, "replay", "verify", "--json")
    assert (verified.code, verified.json["complete"]) == (0, True), verified.out
    worker = made.worker()
    await made.send([messages.purchase_placed(f"acc-{number}", "o-after") for number in range(12)])
    await caught_up(made)
    assert await worker.stopped() == 0
    assert await made.count("SELECT count(*) FROM purchase_order WHERE order_id = 'o-after'") == 12
    await made.require_sound()


async def test_what_was_settled_and_never_sent_is_settled_anew_and_sent_once(made):
    messages = Messages()
    await shopped(made, messages)
    victim = made.worker(POSTPAY_FAULT="after_commit")
    await made.send([messages.purchase_placed(f"acc-{number}", "o-unsent") for number in range(12)])
    await victim.ended()
    settled = await made.count("SELECT sum(batch_seq)::bigint FROM lane")
    await eventually_rebuilt(made, unsent=True)
    assert await made.count("SELECT sum(batch_seq)::bigint FROM lane") < settled
    worker = made.worker()
    await caught_up(made)
    assert await worker.stopped() == 0
    assert await made.count("SELECT count(*) FROM purchase_order WHERE order_id = 'o-unsent'") == 12
    await made.require_sound()


async def eventually_rebuilt(made, *, unsent):
    """Rebuild as soon as the group has noticed that a worker was killed."""

    async def done():
        ran = await rebuilt(made)
        if ran.code == 2:
            assert "workers hold lanes" in ran.err
            return False
        assert ran.code == 0, ran.out + ran.err
        assert (ran.json["unsent_batches"] > 0) is unsent
        return True

    await eventually(done)


async def test_it_is_refused_while_a_worker_runs(made):
    messages = Messages()
    await made.send([messages.line_opened("acc-1")])
    worker = made.worker()
    await made.settled(1)
    ran = await rebuilt(made)
    assert (ran.code, ran.out) == (2, "")
    assert "workers hold lanes of group" in ran.err
    assert await schemas(made) == ["postpay"]
    assert await worker.stopped() == 0


async def schemas(made):
    rows = await made.fetch("SELECT nspname::text FROM pg_namespace WHERE nspname ~ '^postpay' ORDER BY 1")
    return [row["nspname"] for row in rows]


@asynccontextmanager
async def exchange_held(made):
    """Everything may be rebuilt meanwhile, and not be put in use: for that nobody else may look at the lanes' rows."""

    async def waits():
        query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'postpay.lane'::regclass"
        return await connection.fetchval(query) > 0

    async with made.database() as connection, connection.transaction():
        await connection.execute("LOCK TABLE lane IN ACCESS SHARE MODE")
        yield connection, waits


async def test_a_lane_that_was_claimed_meanwhile_keeps_the_old_one(made):
    messages = Messages()
    await shopped(made, messages)
    async with exchange_held(made) as (connection, waits):
        running = asyncio.create_task(rebuilt(made))
        await eventually(waits)
        await connection.execute("UPDATE lane SET epoch = epoch + 1 WHERE lane = 1")
    ran = await running
    assert ran.code == 2
    assert "lanes 1 were claimed meanwhile" in ran.err
    assert await schemas(made) == ["postpay", "postpay_rebuilt"]


async def test_a_history_that_does_not_come_to_its_hashes_is_not_put_in_use(settled):
    """The topic of dead letters tells nothing of a timer's failure: without the old schema that can't be decided."""
    async with settled.copy() as dsn:
        await falsify(dsn, "DELETE FROM dead_letter WHERE timer_id IS NOT NULL")
        before = await content(dsn)
        environment = settled.platform.environment | {"POSTPAY_POSTGRES__DSN": dsn}
        ran = await asyncio.to_thread(Command(environment).process, "replay", "rebuild", "--json")
        assert (ran.code, ran.out) == (1, "")
        assert "does not come to what the lane-log says" in ran.complaint
        assert await content(dsn) == before


async def test_books_that_break_an_invariant_are_not_put_in_use(made, monkeypatch):
    from storage.audit import Check
    from workers.replay import rebuild as module

    messages = Messages()
    await shopped(made, messages, range(1))

    async def wrong(connection):
        checks = await audit(connection)
        return [*checks[1:], Check(checks[0].name, ok=False, detail="made wrong by the test")]

    monkeypatch.setattr(module, "audit", wrong)
    ran = await asyncio.to_thread(Command(made.environment), "replay", "rebuild")
    assert ran.code == 1
    assert "made wrong by the test" in ran.complaint
    assert await schemas(made) == ["postpay", "postpay_rebuilt"]


async def test_every_table_is_filled_again_or_has_nothing_to_be_filled_with(connection):
    """A new table that topics say nothing of has to be carried over: storage/replacement.py, docs/replay.md."""
    rows = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'postpay'::regnamespace AND relkind IN ('r', 'p')"
        " AND NOT relispartition"
    )
    otherwise = {"identity", "lane", "lane_branch", "lane_relay", "migration", "outbox", "terms", "operator_log"}
    otherwise |= {*archive.TABLES}  # all decisions are there again
    otherwise.add("untracked_payout")  # decided again by rules that remember payouts, none is untracked
    assert {row["relname"] for row in rows} == {*bulk._COLUMNS, *otherwise}
