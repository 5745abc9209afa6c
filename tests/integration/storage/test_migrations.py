import asyncio
import dataclasses
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import pytest

from settlement import timeline
from settlement.entities import Account, Obligation, Repayment
from settlement.terms import TermsBook, TermsError
from storage import migrations
from storage.audit import audit
from storage.database import connect
from storage.migrations import Migration, MigrationError, NotMigratedError, migrate, released, require_migrated
from storage.rows import TABLES

TERMS = TermsBook.builtin().document


async def catalogue(dsn: str) -> list[tuple]:
    """Everything the schema consists of, in words."""
    connection = await connect(dsn, application_name="test")
    try:
        rows = await connection.fetch(
            """
            SELECT 'column', c.oid::regclass::text, a.attname::text || ' ' || format_type(a.atttypid, a.atttypmod)
                || a.attnotnull || coalesce(c.reloptions::text, '') || coalesce(c.relacl::text, '')
                || c.relowner::regrole || coalesce(pg_get_expr(c.relpartbound, c.oid), '')
            FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
            WHERE c.relnamespace = 'postpay'::regnamespace
            UNION ALL
            SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'postpay'
            UNION ALL
            SELECT 'constraint', conrelid::regclass::text, pg_get_constraintdef(oid)
            FROM pg_constraint WHERE connamespace = 'postpay'::regnamespace
            UNION ALL
            SELECT 'trigger', tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
                AND tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'postpay'::regnamespace)
            UNION ALL
            SELECT 'schema', nspname, nspowner::regrole || coalesce(nspacl::text, '') FROM pg_namespace
            WHERE nspname = 'postpay'
            UNION ALL
            SELECT 'function', proname, pg_get_functiondef(oid)
            FROM pg_proc WHERE pronamespace = 'postpay'::regnamespace
            ORDER BY 1, 2, 3
            """
        )
        return [tuple(row) for row in rows]
    finally:
        await connection.close()


async def test_a_second_run_has_nothing_to_do(empty_database):
    first = await migrate(empty_database.dsn, lanes=4, terms=TERMS)
    second = await migrate(empty_database.dsn, lanes=4, terms=TERMS)
    assert first.applied == tuple(each.name for each in released())
    assert second == dataclasses.replace(first, applied=())


async def test_several_machines_migrate_at_once_and_each_file_runs_once(empty_database):
    reports = await asyncio.gather(*(migrate(empty_database.dsn, lanes=4, terms=TERMS) for _ in range(4)))
    assert sorted(name for report in reports for name in report.applied) == [each.name for each in released()]
    assert len({report.database_id for report in reports}) == 1


async def test_the_schema_is_that_of_its_migrations_replayed_one_by_one(template, empty_database, monkeypatch):
    everything = released()
    async with migrations._as_owner(empty_database.dsn) as connection:
        for count in range(1, len(everything)):
            monkeypatch.setattr(migrations, "released", lambda count=count: everything[:count])
            assert await migrations._apply_missing(connection) == [everything[count - 1].name]
    monkeypatch.setattr(migrations, "released", lambda: everything)
    report = await migrate(empty_database.dsn, lanes=template.lanes, terms=TERMS)
    assert report.applied == (everything[-1].name,)
    assert await catalogue(empty_database.dsn) == await catalogue(template.dsn)


OLDER = """
    INSERT INTO account VALUES (0, 'buyer', 'douyin', 'CNY', now(), 'f', NULL, true, true, '[]', '[]', NULL, 5, 100, 50,
        30, 20, 20, 0, 0, 0);
    INSERT INTO purchase_order SELECT 0, 'buyer', kind, 1, 'shop', kind, NULL, 3, 'owed', 20, 0, 0, now(), now(), NULL,
        now(), now(), now(), '[]', '[]', 'f' FROM unnest('{statement,instalment}'::text[]) AS kind;
    INSERT INTO obligation SELECT 0, 'buyer', 'of ' || coalesce(kind, 'none'), 1, kind, '2026-03-01', 'open', 20, 0, 0,
        0, 0, 0, NULL, NULL FROM unnest('{statement,instalment,NULL}'::text[]) AS kind;
    INSERT INTO repayment VALUES (0, 'buyer', 'paid', 1, 20, 'account', NULL, NULL, 'manual', now(), 'f');
"""
"""Rows of the schema before anything could fall overdue."""


async def test_rows_from_before_anything_could_fall_overdue_stay_right(empty_database, monkeypatch):
    everything = released()
    monkeypatch.setattr(migrations, "released", lambda: everything[:6])
    async with migrations._as_owner(empty_database.dsn) as connection:
        await migrations._apply_missing(connection)
        await connection.execute(OLDER)
        monkeypatch.setattr(migrations, "released", lambda: everything)
        await migrations._apply_missing(connection)
        rows = {kind: await connection.fetch(f"SELECT * FROM {table.name}") for kind, table in TABLES.items()}
    (account,) = TABLES[Account].entities(rows[Account])
    assert (account.granted_minor, account.limit_minor) == (100, 100)
    assert (account.overdue_until, account.cleared_at, account.appeal_upheld) == (None, None, False)
    assert (account.cash_out_on, account.cash_out_day_minor) == (None, 0)
    obligations = {each.obligation_id: each for each in TABLES[Obligation].entities(rows[Obligation])}
    assert {name: each.in_instalments for name, each in obligations.items()} == {
        "of statement": False,
        "of instalment": True,
        "of none": False,
    }
    assert {(each.asks, each.falls, each.overdue_principal_minor) for each in obligations.values()} == {((), (), None)}
    (repayment,) = TABLES[Repayment].entities(rows[Repayment])
    assert (repayment.shares, repayment.credit_minor, repayment.reversed_at) == ((), 0, None)


@asynccontextmanager
async def migrated_up_to(number, database, monkeypatch):
    """Migrate as a release did that had so many migrations; gives a connection that can apply the later ones."""
    everything = released()
    monkeypatch.setattr(migrations, "released", lambda: everything[:number])
    await migrate(database.dsn, lanes=2, terms=TERMS)
    monkeypatch.setattr(migrations, "released", lambda: everything)
    async with migrations._as_owner(database.dsn) as connection:
        yield connection


OVERDUE = """
    INSERT INTO account (
        lane, account_id, programme, currency, opened_at, fingerprint, card_linked, identity_verified, freeze_reasons,
        lifted_freezes, entities_made, limit_minor, available_minor, held_minor, used_minor, receivable_minor,
        fee_receivable_minor, penalty_receivable_minor, customer_credit_minor, overdue_until
    ) VALUES (
        1, 'buyer', 'kuaishou', 'CNY', '2026-01-01', 'f', true, true, '["overdue"]', '[]', 9, 0, 0, 0, 0, 0, 0, 0, 0,
        '2026-01-20 10:00+00'
    );
    INSERT INTO obligation (
        lane, account_id, obligation_id, no, due_on, status, principal_minor, fee_minor, penalty_minor,
        paid_principal_minor, paid_fee_minor, paid_penalty_minor, debit_id, overdue_principal_minor, penalty_runs
    ) VALUES
        (1, 'buyer', 'retried', 1, '2026-02-01', 'overdue', 100, 6, 2, 10, 1, 0, 'failed', 90, '["2026-02-02 2 1"]'),
        (1, 'buyer', 'failed', 2, '2026-02-01', 'overdue', 100, 0, 0, 0, 0, 0, NULL, 100, '["2026-02-02 0 0"]'),
        (1, 'buyer', 'paid', 3, '2026-01-10', 'paid', 50, 0, 1, 50, 0, 1, NULL, 50, '["2026-01-11 1 1"]'),
        (1, 'buyer', 'asked', 4, '2026-02-20', 'open', 30, 0, 0, 0, 0, 0, 'asks', NULL, '[]');
    INSERT INTO debit VALUES
        (1, 'buyer', 'failed', 5, 95, '2026-02-01', 1, 'due', 'failed', '2026-02-01', '["retried"]'),
        (1, 'buyer', 'asks', 6, 30, '2026-02-20', 1, 'kept', 'requested', '2026-02-01', '["asked"]');
"""
"""What was overdue, and asked for, before there was a time line."""


async def test_what_was_overdue_before_there_was_a_time_line_goes_on(empty_database, monkeypatch):
    async with migrated_up_to(12, empty_database, monkeypatch) as connection:
        await connection.execute(OVERDUE)
        await migrations._apply_missing(connection)
        rows = await connection.fetch("SELECT * FROM obligation")
        since = await connection.fetchval("SELECT overdue_since FROM account")
    found = {each.obligation_id: each for each in TABLES[Obligation].entities(rows)}
    assert {name: (each.falls, each.penalty_runs, each.asks, each.exhausted) for name, each in found.items()} == {
        "retried": (("2026-02-01T16:00:00+00:00 40 90",), ("2026-02-02 2 1",), ("failed retry 2 5 90",), False),
        "failed": (("2026-02-01T16:00:00+00:00 40 100",), (), (), True),
        "paid": (("2026-01-10T16:00:00+00:00 40 50 2026-01-20T10:00:00+00:00",), ("2026-01-11 1 1",), (), False),
        "asked": ((), (), ("asks standing 0 0 30",), False),
    }
    assert [timeline.is_overdue(found[name]) for name in ("retried", "failed", "paid")] == [True, True, False]
    assert since == datetime(2026, 1, 1, tzinfo=UTC)


UNPAID = """
    UPDATE lane SET lane_time = '2026-02-10 20:00+00' WHERE lane = 1;
    INSERT INTO merchant SELECT 1, merchant_id, registered_on, currency, 7, 'f', 0, 0, 0, 0, 0
        FROM (VALUES ('sells', '2026-01-01'::date, 'CNY'), ('owes', '2026-01-01', 'CNY'),
            ('abroad', '2026-01-01', 'CNY'), ('unknown', NULL, NULL)) AS made (merchant_id, registered_on, currency);
    INSERT INTO merchant_balance VALUES (1, 'sells', 'CNY', 500, 0, 0), (1, 'owes', 'CNY', -1, 0, 0),
        (1, 'abroad', 'USD', 500, 0, 0), (1, 'unknown', 'CNY', 500, 0, 0);
"""
"""Merchants of the schema before anything was paid out to them."""


async def test_what_was_payable_before_there_were_payouts_goes_out_at_the_next_midnight(empty_database, monkeypatch):
    async with migrated_up_to(7, empty_database, monkeypatch) as connection:
        await connection.execute(UNPAID)
        await migrations._apply_missing(connection)
        timers = await connection.fetch("SELECT * FROM timer")
    # 11 February 04:00 in Shanghai
    assert [tuple(each) for each in timers] == [
        (1, "merchant", "sells", "merchant_payout", "merchant", datetime(2026, 2, 11, 16, tzinfo=UTC))
    ]


UNREVIEWED = """
    UPDATE lane SET lane_time = '2026-02-10 20:00+00' WHERE lane = 1;
    INSERT INTO deposit VALUES (1, 'shop', 'd', 1, 'bank', 'CNY', 5, 5, '2026-01-01 17:00+00', '2026-02-01', NULL, 'f');
    INSERT INTO deposit_refund SELECT 1, 'shop', status || due_on, 1, 'd', 'CNY', 5, 'shop_balance', status, '[]',
            false, NULL, 'r', 'c', now(), due_on, 'f'
        FROM (VALUES ('awaiting_review', '2026-02-09'::date), ('awaiting_review', '2026-02-20'),
            ('approved', '2026-02-09'), ('paid', '2026-02-20')) AS asked (status, due_on);
"""
"""Requests of the schema before anything was escalated; 11 February 04:00 in Shanghai."""


async def test_requests_from_before_they_were_escalated_are_escalated_in_time(empty_database, monkeypatch):
    async with migrated_up_to(8, empty_database, monkeypatch) as connection:
        await connection.execute(UNREVIEWED)
        await migrations._apply_missing(connection)
        timers = await connection.fetch("SELECT kind, subject_id, due_at FROM timer WHERE lane = 1")
    midnight = datetime(2026, 1, 1, 16, tzinfo=UTC)
    assert {tuple(each) for each in timers} == {
        ("deposit_review_late", "awaiting_review2026-02-09", midnight.replace(month=2, day=11)),
        ("deposit_review_late", "awaiting_review2026-02-20", midnight.replace(month=2, day=20)),
        ("deposit_unpaid", "awaiting_review2026-02-09", midnight.replace(month=4, day=1)),
        ("deposit_unpaid", "awaiting_review2026-02-20", midnight.replace(month=4, day=1)),
        ("deposit_unpaid", "approved2026-02-09", midnight.replace(month=4, day=1)),
    }


async def test_payouts_from_before_they_were_remembered_are_kept_as_what_is_never_answered(empty_database, monkeypatch):
    async with migrated_up_to(9, empty_database, monkeypatch) as connection:
        await connection.execute(
            "INSERT INTO platform_balance VALUES (0, 'payout_clearing', 'CNY', 700), (1, 'payout_clearing', 'CNY', 0),"
            " (1, 'gateway_clearing', 'CNY', 700)"
        )
        await migrations._apply_missing(connection)
        kept = await connection.fetch("SELECT lane, currency, amount_minor FROM untracked_payout")
        checks = {check.name: check.ok for check in await audit(connection)}
    assert [tuple(each) for each in kept] == [(0, "CNY", 700)]
    assert checks["payouts on their way are what is not answered"]


async def test_a_file_that_changed_after_it_was_applied_is_refused(database, monkeypatch):
    first, *others = released()
    changed = [dataclasses.replace(first, sql=first.sql + "-- changed"), *others]
    monkeypatch.setattr(migrations, "released", lambda: changed)
    with pytest.raises(MigrationError, match=f"{first.name} has changed since it was applied"):
        await migrate(database.dsn, lanes=database.lanes, terms=TERMS)


async def test_another_number_of_lanes_is_refused_by_name(database):
    with pytest.raises(MigrationError, match=f"made for {database.lanes} lanes, the settings say 3; set POSTPAY_LANES"):
        await migrate(database.dsn, lanes=3, terms=TERMS)


async def test_a_migration_that_fails_leaves_nothing_and_is_done_next_time(empty_database, monkeypatch):
    everything = released()
    broken = [*everything, Migration(len(everything) + 1, "broken", "CREATE TABLE half (a int); SELECT 1 / 0;")]
    monkeypatch.setattr(migrations, "released", lambda: broken)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(empty_database.dsn, lanes=4, terms=TERMS)
    broken[-1] = Migration(len(everything) + 1, "mended", "CREATE TABLE half (a int);")
    assert (await migrate(empty_database.dsn, lanes=4, terms=TERMS)).applied == ("mended",)


async def tried(pool, times: int) -> None:
    """Return once so many transactions have been seen that had to wait for somebody's lock."""
    waited = set()
    async with asyncio.timeout(20), pool.acquire() as looking:
        while len(waited) < times:
            waited |= set(
                await looking.fetch(
                    "SELECT pid, xact_start FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pg_blocking_pids(pid) <> '{}'"
                )
            )
            await asyncio.sleep(0.01)


async def test_ddl_gives_way_to_running_workers_and_is_tried_again(database, pool, monkeypatch):
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT_S", 0.05)
    everything = released()
    more = [*everything, Migration(len(everything) + 1, "more", "ALTER TABLE lane ADD COLUMN more int;")]
    monkeypatch.setattr(migrations, "released", lambda: more)
    async with pool.acquire() as worker:
        batch = worker.transaction()
        await batch.start()
        await worker.execute("SELECT FROM lane FOR UPDATE")
        running = asyncio.create_task(migrate(database.dsn, lanes=database.lanes, terms=TERMS))
        await tried(pool, times=2)
        assert not running.done()
        await batch.commit()
    assert (await running).applied == ("more",)


async def test_wrong_terms_leave_an_unfinished_database_that_can_be_finished(empty_database):
    with pytest.raises(TermsError):
        await migrate(empty_database.dsn, lanes=4, terms={"versions": "none"})
    connection = await connect(empty_database.dsn, application_name="test")
    with pytest.raises(NotMigratedError, match="did not end; run `postpay migrate` again"):
        await require_migrated(connection)
    await migrate(empty_database.dsn, lanes=4, terms=TERMS)
    await require_migrated(connection)
    await connection.close()


async def test_an_empty_database_is_not_migrated(empty_database):
    connection = await connect(empty_database.dsn, application_name="test")
    with pytest.raises(NotMigratedError, match="lacks migration 0001_lanes; run `postpay migrate`"):
        await require_migrated(connection)
    await connection.close()


async def test_a_newer_schema_is_accepted(connection):
    await connection.execute("INSERT INTO migration (version, name, checksum) VALUES (9999, 'later', '')")
    await require_migrated(connection)


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
async def test_a_table_has_the_fields_of_its_class(connection, table):
    columns = await connection.fetchval(
        "SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute"
        " WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped",
        table.name,
    )
    assert tuple(columns) == ("lane", *table.columns)


async def test_every_lane_has_its_row_its_partitions_and_its_own_first_hash(connection, database):
    rows = await connection.fetch("SELECT lane, chain_hash FROM lane ORDER BY lane")
    assert [row["lane"] for row in rows] == list(range(database.lanes))
    assert len({row["chain_hash"] for row in rows}) == database.lanes
    for table in ("decision", "posting"):
        partitions = await connection.fetchval("SELECT count(*) FROM pg_inherits WHERE inhparent = $1::regclass", table)
        assert partitions == database.lanes
