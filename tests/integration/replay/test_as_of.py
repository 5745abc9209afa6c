"""The books as they were at a time, against what was seen then."""

import asyncio
import json
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from settlement.dates import business_date, midnight
from settlement.party import Party, PartyKind
from storage import archive
from storage.as_of import CHANGING, GROWING
from storage.audit import audit
from storage.database import connect
from tests.command import Command
from tests.integration.replay.conftest import SEEN_AFTER, falsify, stories
from workers.replay.as_of import LaneJob, keep_lane, show_past
from workers.replay.extent import HistoryError
from workers.replay.history import HistorySource, cut

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@asynccontextmanager
async def at(settled, instant, *, dsn=None, told=lambda _: None, **more):
    """A session that sees what was there then, and what it says that it shows; `told` how many offsets were decided."""
    own = settled.settings(dsn or settled.platform.settings.postgres.dsn)
    connection = await connect(own.postgres.dsn, application_name="test")

    @contextmanager
    def reading(*_):
        offsets = []
        yield lambda done, _: offsets.append(done)
        told(offsets[-1])

    try:
        yield connection, await show_past(connection, own, HistorySource(), instant, reading, **more)
    finally:
        await connection.close()


@pytest.mark.parametrize("number", range(len(SEEN_AFTER) + 1))
async def test_what_is_shown_as_of_a_time_is_what_was_shown_then(settled, number):
    seen = settled.seen[number]
    async with at(settled, seen.at) as (connection, told):
        assert {lane: end.batch_seq for lane, end in told.ends.items()} == seen.batches
        assert await stories(connection) == seen.stories
        assert await audit(connection) == seen.checks


async def test_a_posting_that_was_changed_is_found_as_of_its_time_and_not_before(settled):
    first, second = settled.seen[0], settled.seen[1]
    async with settled.copy() as dsn:
        await falsify(
            dsn,
            "UPDATE posting SET amount_minor = amount_minor + 1 WHERE lane = 0 AND n = 1 AND seq ="
            " (SELECT min(posting.seq) FROM posting JOIN batch USING (lane) WHERE lane = 0 AND posting.n = 1"
            f" AND batch_seq = {first.batches[0] + 1} AND posting.seq >= first_seq)",
        )
        async with at(settled, first.at, dsn=dsn) as (connection, _):
            assert await audit(connection) == first.checks
        async with at(settled, second.at, dsn=dsn) as (connection, _):
            found = {check.name for check in await audit(connection) if not check.ok}
    were_wrong = {check.name for check in second.checks if not check.ok}
    assert found - were_wrong == {"balances are the sums of their postings", "hash chain"}


async def test_what_was_deleted_or_lies_elsewhere_than_in_the_lane_log_is_told(settled):
    seen = settled.seen[1]
    async with settled.copy() as dsn:
        await falsify(dsn, f"UPDATE batch SET chain_hash = 'x' WHERE lane = 1 AND batch_seq = {seen.batches[1]}")
        with pytest.raises(HistoryError, match="what differs is told by: postpay replay verify"):
            async with at(settled, seen.at, dsn=dsn):
                pass


async def test_what_was_proven_before_is_not_decided_again(settled, tmp_path):
    first, second = settled.seen[1], settled.seen[2]
    job = LaneJob(settled.database_id, tmp_path / "proven", None)
    job.folder.mkdir()
    for lane in first.batches:
        await keep_lane(job, await cut(settled.history, first.at), lane, lambda *_: None)
    done = []
    async with at(settled, second.at, checkpoints=job.folder, told=done.append) as (connection, _):
        assert await stories(connection) == second.stories
        assert await audit(connection) == second.checks
    async with at(settled, second.at, told=done.append):
        assert 0 < done[0] < done[1]
    for path in job.folder.glob("*.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "chain_hash": "00"}))
    with pytest.raises(HistoryError, match="it is of another history"):
        async with at(settled, first.at, checkpoints=job.folder):
            pass


async def test_only_the_party_that_is_asked_for_is_put_there(settled):
    seen = settled.seen[2]
    for party_id, told in list(seen.stories.items())[:1] + list(seen.stories.items())[-1:]:
        kind = PartyKind.ACCOUNT if "programme" in told else PartyKind.MERCHANT
        async with at(settled, seen.at, party=Party(kind, party_id)) as (connection, _):
            assert await stories(connection) == {party_id: told}


async def test_nothing_is_written_and_an_auditor_may_do_it(settled):
    relations = "SELECT relnamespace::regnamespace::text, relname, relkind FROM pg_class ORDER BY 1, 2"
    before = await settled.platform.fetch(relations)
    url = urlsplit(settled.platform.settings.postgres.dsn)
    user = f"audits_{settled.platform.database_name}"
    async with settled.platform.database() as owner:
        await owner.execute(f"CREATE ROLE {user} LOGIN PASSWORD 'secret' IN ROLE postpay_auditor")
        try:
            dsn = url._replace(netloc=f"{user}:secret@{url.netloc.rpartition('@')[2]}").geturl()
            environment = settled.platform.environment | {"POSTPAY_POSTGRES__DSN": dsn}
            ran = await asyncio.to_thread(
                Command(environment).process, "audit", "--as-of", settled.seen[2].at.isoformat(), "--json"
            )
        finally:
            await owner.execute(f"DROP ROLE {user}")
    assert ran.json["checks"] == [asdict(check) for check in settled.seen[2].checks], ran.err
    assert await settled.platform.fetch(relations) == before


@pytest.mark.parametrize(
    ("told", "complaint"),
    [
        (["--as-of", "2199-01-01"], "expected a time that has come"),
        (["--as-of", "2026-03-01"], "when the first batch of"),
        (["--as-of", "2026-04-31"], "or a date; got '2026-04-31'"),
        (["--as-of", "2026-04-30T10:00:00"], "or a date; got '2026-04-30T10:00:00'"),
        (["--offline"], "name it with --as-of"),
        (["--as-of", "2026-04-10", "--offline"], "--from DIR"),
    ],
)
@pytest.mark.parametrize("command", [["audit"], ["account", "show", "acc-000001"], ["merchant", "show", "shop-0001"]])
def test_a_time_that_is_none_or_of_which_nothing_is_known_is_refused(settled, command, told, complaint):
    ran = Command(settled.platform.environment)(*command, *told)
    assert (ran.code, ran.out) == (2, "")
    assert complaint in ran.complaint


def test_the_commands_show_a_day_from_an_export_without_brokers(settled, tmp_path):
    postpay = Command(settled.platform.environment)
    exported = postpay("history", "export", str(tmp_path))
    assert exported.code == 0, exported.err
    seen = settled.seen[1]
    day = str(business_date(seen.at - timedelta(seconds=1)))  # a day ends with its midnight
    offline = {"POSTPAY_KAFKA__BOOTSTRAP": "127.0.0.1:1"}
    options = ["--as-of", day, "--from", str(tmp_path), "--offline"]
    account_id = next(each for each, told in seen.stories.items() if "programme" in told)
    ran = postpay("account", "show", account_id, "--json", *options, **offline)
    assert ran.code == 0, ran.err
    assert ran.json["as_of"]["at"] == (midnight(business_date(seen.at)) - timedelta.resolution).isoformat()
    assert {name: ran.json[name] for name in ("account_id", "limit_minor")} == {
        name: seen.stories[account_id][name] for name in ("account_id", "limit_minor")
    }
    ran = postpay("account", "show", account_id, *options, **offline)
    assert ran.out.startswith(f"As of {day} 23:59:59, after batch ")
    ran = postpay("account", "show", next(iter(set(settled.seen[-1].stories) - set(seen.stories))), *options, **offline)
    assert (ran.code, ran.out) == (1, "")
    assert f"by {day} 23:59:59" in ran.err  # after progress, where it takes long


async def test_every_table_is_hidden_cut_off_or_the_same_at_all_times(connection):
    """A new table must be named in storage/as_of.py, or what it holds now would be shown as of any time."""
    rows = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'postpay'::regnamespace AND relkind IN ('r', 'p')"
        " AND NOT relispartition"
    )
    not_looked_at = {"lane_relay", "outbox", "migration"}
    # documents by digest; logs that the audit reads whole
    same_at_all_times = {"identity", "terms", "operator_log", "lane_branch"}
    of_before_all_that_is_shown = {*archive.TABLES}
    assert {row["relname"] for row in rows} == {
        *(*CHANGING, *GROWING, *not_looked_at, *same_at_all_times),
        *of_before_all_that_is_shown,
    }
