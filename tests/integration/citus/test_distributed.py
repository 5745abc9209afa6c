"""The same worker on a database that is distributed by lane."""

import signal
import uuid

import asyncpg
import pytest

from settlement.terms import TermsBook
from storage import migrations, outbox
from storage.audit import audit
from storage.migrations import check, migrate, released
from tests.integration.citus.conftest import LANES
from tests.integration.storage.books import settled_books
from tests.integration.storage.settling import Traffic
from tests.platform import Messages, platform_on

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

FIRST = 16
"""Migrations of the first release that could be distributed; earlier ones change rows in ways that Citus refuses."""

TERMS = TermsBook.builtin().document


async def distributed(dsn: str):
    return await migrate(dsn, lanes=LANES, terms=TERMS, distributed=True)


async def test_a_second_run_has_nothing_to_do_and_the_check_finds_nothing(citus, coordinator):
    first = await distributed(citus)
    assert {"lane", "decision", "account", "terms"} <= set(first.distributed)
    assert (await distributed(citus)).distributed == ()
    assert await check(coordinator, lanes=LANES, distributed=True) == []


async def test_what_later_migrations_bring_is_distributed_without_being_told(citus, coordinator, monkeypatch):
    everything = released()
    monkeypatch.setattr(migrations, "released", lambda: everything[:FIRST])
    await distributed(citus)
    await settled_rows(coordinator)
    monkeypatch.setattr(migrations, "released", lambda: everything)
    report = await migrate(citus, lanes=LANES, terms=TERMS)
    assert report.applied == tuple(each.name for each in everything[FIRST:])
    assert "concession" in report.distributed
    assert await check(coordinator, lanes=LANES) == []
    assert await coordinator.fetchval("SELECT granted_minor FROM account") == 100


async def settled_rows(coordinator) -> None:
    """A buyer, as the release of then knew buyers."""
    await coordinator.execute(
        "INSERT INTO account (lane, account_id, programme, currency, opened_at, fingerprint, card_linked,"
        " identity_verified, freeze_reasons, lifted_freezes, entities_made, limit_minor, available_minor, held_minor,"
        " used_minor, receivable_minor, fee_receivable_minor, penalty_receivable_minor, customer_credit_minor,"
        " granted_minor) VALUES (1, 'buyer', 'tmall', 'CNY', now(), 'f', true, true, '[\"overdue\"]', '[]', 5, 100, 50,"
        " 30, 20, 20, 0, 0, 0, 100)"
    )


async def test_the_check_tells_what_is_not_distributed(citus, coordinator):
    await migrate(citus, lanes=LANES, terms=TERMS)
    assert await check(coordinator, lanes=LANES) == []
    found = await check(coordinator, lanes=LANES, distributed=True)
    assert "table account is not distributed with its lanes; run `postpay migrate --distributed`" in found
    assert "table terms is not distributed whole to every node; run `postpay migrate --distributed`" in found


async def test_books_that_exist_are_moved_and_go_on(citus, coordinator):
    await migrate(citus, lanes=LANES, terms=TERMS)
    lane = await settled_books(coordinator)
    before = await coordinator.fetch("SELECT * FROM decision ORDER BY lane, seq")
    moved: list[int] = []
    left = lambda _name, done, total: moved.append(total - done)  # noqa: E731
    await migrate(citus, lanes=LANES, terms=TERMS, distributed=True, progress=left)
    assert moved == sorted(moved, reverse=True) and moved[-1] == 0
    assert await coordinator.fetch("SELECT * FROM decision ORDER BY lane, seq") == before
    await lane.settle(Traffic(lane, accounts=10, merchants=2, seed=9).opening())
    assert [each.name for each in await audit(coordinator) if not each.ok] == []


async def test_what_was_decided_is_never_changed_and_the_outbox_is_emptied(citus, coordinator):
    await distributed(citus)
    await settled_books(coordinator)
    for change in ("UPDATE decision SET seq = 0", "DELETE FROM posting", "TRUNCATE decision", "TRUNCATE posting"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="never changed"):
            await coordinator.execute(change)
    assert await outbox.maintain(coordinator) == []
    await coordinator.execute("UPDATE outbox SET turn = outbox_turn(now() - interval '2 days')")
    await coordinator.execute("UPDATE lane_relay SET relayed_batch_seq = 1000000")
    assert len(await outbox.maintain(coordinator)) == 1
    assert await coordinator.fetchval("SELECT count(*) FROM outbox") == 0


async def test_workers_settle_a_whole_run_one_of_them_killed(citus, stack, tmp_path):
    await distributed(citus)
    name = f"t{uuid.uuid4().hex[:10]}"
    messages = Messages()
    async with platform_on(stack.bootstrap, citus, name, tmp_path, lanes=LANES) as made:
        lines = [messages.line_opened(f"acc-{number}") for number in range(100)]
        orders = [messages.purchase_placed(f"acc-{number % 100}", f"order-{number}") for number in range(1000)]
        await made.send(lines)
        workers = [made.worker(), made.worker()]
        await made.settled(len(lines), within_s=120)
        await made.send(orders[:500])
        workers[0].send(signal.SIGKILL)
        await made.send(orders[500:])
        await made.settled(len(lines) + len(orders), within_s=120)
        assert await made.outcomes() == {"applied": len(lines) + len(orders)}
        await made.require_sound()
        assert await workers[1].stopped() == 0
