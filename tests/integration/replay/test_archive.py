"""Decisions that go to files: the books stay true, what was hashed can be proven, and nothing is forgotten."""

import hashlib
import json
import random
import uuid
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import asyncpg
import cramjam
import msgpack
import pytest

from operating.archive_checking import check
from operating.archive_files import ArchiveError
from operating.archiving import archive
from operating.refusal import ActionRefusedError
from storage import archiving, figures
from storage.audit import audit
from storage.database import connect
from storage.operator_log import Because
from tests.integration.replay.conftest import falsify
from tests.integration.replay.test_as_of import at
from workers.replay.as_of import UnknownTimeError

BECAUSE = Because("somebody", "retention")
LANES = (0, 1)


def untold(*_: object) -> None:
    """Nobody watches."""


class Archived:
    """A copy of the settled platform, and an archive of it."""

    def __init__(self, settled, database, directory):
        self.settled, self.database, self.directory = settled, database, directory

    async def write(self, before, **more):
        settings = self.settled.settings(self.database)
        return await archive(settings, before, self.directory, BECAUSE, untold, **more)

    async def ask(self, question):
        connection = await connect(self.database, application_name="test")
        try:
            return await question(connection)
        finally:
            await connection.close()

    async def fetch(self, query):
        return await self.ask(lambda connection: connection.fetch(query))

    @asynccontextmanager
    async def in_use(self, statement="SELECT FROM decision LIMIT 1"):
        """A session that holds what a statement locks; decisions as a backup does."""
        connection = await connect(self.database, application_name="test")
        try:
            async with connection.transaction():
                await connection.execute(statement)
                yield connection
        finally:
            await connection.close()

    async def wrong(self):
        """What the audit finds: a release with defects has settled this platform."""
        return {each.name: each.detail for each in await self.ask(audit) if not each.ok}

    async def problems(self):
        return (await self.ask(lambda connection: check(connection, self.directory, untold))).problems

    def files(self):
        return sorted(self.directory.glob("lane-*/*.jsonl.zst"))


@pytest.fixture
async def books(settled, tmp_path):
    async with settled.copy() as database:
        yield Archived(settled, database, tmp_path / "archive")


async def rows(books):
    """How many decisions and postings are in the database."""
    (found,) = await books.fetch("SELECT (SELECT count(*) FROM decision), (SELECT count(*) FROM posting)")
    return tuple(found)


async def test_archived_once_or_many_times_the_books_are_as_they_were(books, settled):
    times = [row["lane_time"] for row in await books.fetch("SELECT lane_time FROM batch ORDER BY lane_time")]
    wrong, counts, before = await books.wrong(), await books.ask(figures.outcome_counts), await rows(books)
    gone = [0, 0]
    for time in sorted(random.Random(11).sample(times, 6)):
        for each in await books.write(time):
            gone[0] += each.decisions
            gone[1] += each.postings
        assert await rows(books) == (before[0] - gone[0], before[1] - gone[1])
        assert await books.wrong() == wrong
        assert await books.ask(figures.outcome_counts) == counts
        assert await books.problems() == []
    assert min(gone) > 500
    assert await books.fetch(
        "SELECT FROM batch, archive_end WHERE batch.lane = archive_end.lane AND first_seq = next_seq"
    )
    for lane in LANES:
        report = await settled.verify(lane, books.database)
        assert report.difference is None
        assert 0 < report.archived_batches < report.batches
        assert report.state_rows


async def test_all_of_it_can_go(books, settled):
    wrong = await books.wrong()
    (latest,) = await books.fetch("SELECT max(lane_time) AS time FROM lane")
    await books.write(latest["time"])
    assert await books.wrong() == wrong
    assert await books.problems() == []
    for lane in LANES:
        report = await settled.verify(lane, books.database)
        assert report.difference is None
        assert report.state_rows


async def test_what_is_left_is_a_partition_as_migrations_make_it(books):
    looks = (
        "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'postpay' ORDER BY 1, 2",
        "SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger ORDER BY 1, 2, 3",
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint ORDER BY 1, 2",
        "SELECT relname, relowner::regrole::text FROM pg_class WHERE relnamespace = 'postpay'::regnamespace ORDER BY 1",
    )
    before = [await books.fetch(look) for look in looks]
    await books.write(books.settled.seen[2].at)
    assert [await books.fetch(look) for look in looks] == before
    connection = await asyncpg.connect(books.database, server_settings={"search_path": "postpay"})
    try:
        for change in ("TRUNCATE decision_lane_0", "DELETE FROM posting", "UPDATE decision SET raw = NULL"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="never changed"):
                await connection.execute(change)
    finally:
        await connection.close()


async def test_files_say_what_was_hashed_to_whoever_reads_them_by_their_documentation(books):
    """docs/storage.md, Archive and Hash chain: another reader, of JSON and msgpack alone."""
    decisions = await books.fetch("SELECT lane, seq, raw, outputs FROM decision ORDER BY lane, seq")
    await books.write(books.settled.seen[3].at)
    kept = {(row["lane"], row["seq"]) for row in await books.fetch("SELECT lane, seq FROM decision")}
    hashes = {(row[0], row[1]): row[2] for row in await books.fetch("SELECT lane, batch_seq, chain_hash FROM batch")}
    found = {}
    for lane in LANES:
        last = hashlib.sha256(f"postpay lane {lane}".encode()).digest()
        lines = b"".join(
            bytes(cramjam.zstd.decompress(each.read_bytes())) for each in books.files() if f"lane-0{lane}" in str(each)
        )
        for number, line in enumerate(lines.splitlines(), start=1):
            batch = json.loads(line)
            content = [
                last,
                batch["batch_seq"],
                datetime.fromisoformat(batch["lane_time"]),
                [hashed(each) for each in batch["decisions"]],
                [list(each.values()) for each in batch["postings"]],
            ]
            last = hashlib.sha256(msgpack.packb(content, datetime=True)).digest()
            assert (batch["lane"], batch["batch_seq"]) == (lane, number)
            assert batch["chain_hash"] == last.hex() == hashes[lane, number].hex()
            found |= {(lane, each["seq"]): (raw(each), each["outputs"]) for each in batch["decisions"]}
    gone = [row for row in decisions if (row["lane"], row["seq"]) not in kept]
    assert found == {(row["lane"], row["seq"]): (row["raw"], row["outputs"]) for row in gone}


def hashed(decision):
    """A decision as it is hashed: the values of its fields, instants and bytes for what they are."""
    return [VALUES.get(name, lambda value: value)(value) for name, value in {**decision, "raw": raw(decision)}.items()]


def raw(decision):
    value = decision["raw"]
    return None if value is None else value.encode()


VALUES = {
    "occurred_at": datetime.fromisoformat,
    "decided_at": datetime.fromisoformat,
    "event_hash": lambda value: None if value is None else bytes.fromhex(value),
    "fingerprint": lambda value: None if value is None else bytes.fromhex(value),
}


async def test_a_damaged_archive_is_told(books):
    await books.write(books.settled.seen[1].at)
    await books.write(books.settled.seen[2].at)
    first, second = [each for each in books.files() if "lane-00" in str(each)]
    whole = second.read_bytes()
    second.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    (problem,) = await books.problems()
    assert f"lane 0: {second} is damaged" in problem
    second.write_bytes(first.read_bytes())
    (problem,) = await books.problems()
    assert f"lane 0: {second} is damaged" in problem
    second.unlink()
    (problem,) = await books.problems()
    assert f"{second} cannot be read" in problem
    second.write_bytes(whole)
    assert await books.problems() == []


@pytest.mark.parametrize(
    ("written", "forged"), [(b'"amount_minor":', b'"amount_minor":1'), (b'"hash_before":"', b'"hash_before":"00')]
)
async def test_a_file_whose_sum_was_changed_along_with_it_does_not_have_the_hashes(books, written, forged):
    await books.write(books.settled.seen[1].at)
    file = books.files()[0]
    text = bytes(cramjam.zstd.decompress(file.read_bytes()))
    assert written in text
    forged = bytes(cramjam.zstd.compress(text.replace(written, forged, 1)))
    file.write_bytes(forged)
    sha256 = hashlib.sha256(forged).hexdigest()
    await falsify(books.database, f"UPDATE archive_file SET sha256 = '\\x{sha256}' WHERE lane = 0")
    (problem,) = await books.problems()
    assert f"{file}: expected batch" in problem


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE archived_balance SET debit_minor = debit_minor + 1 WHERE lane = 0", "carried forward"),
        ("DELETE FROM archived_event WHERE lane = 1", "events to be recognised"),
        ("UPDATE batch SET chain_hash = '\\x00' WHERE batch_seq = (SELECT min(last_batch_seq) FROM archive_file)",
         "and the database of"),
    ],
)  # fmt: skip
async def test_what_was_carried_forward_is_compared_with_the_files(books, change, told):
    await books.write(books.settled.seen[1].at)
    await falsify(books.database, change)
    assert any(told in problem for problem in await books.problems())


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ("UPDATE archived_balance SET debit_minor = debit_minor + 1", "balances are the sums of their postings"),
        ("UPDATE archived_outcome SET records = records + 1", "every input record has its outcome"),
        ("INSERT INTO archived_event SELECT lane, event_hash, fingerprint, 1 FROM decision WHERE kind = 'input'",
         "one decision per event"),
        ("UPDATE archive_end SET next_seq = next_seq + 1", "archives are what is in files"),
        ("UPDATE archive_end SET next_seq = next_seq - 1", "archives are what is in files"),
        ("UPDATE archive_file SET postings = postings + 1 WHERE lane = 0", "archives are what is in files"),
        ("INSERT INTO posting SELECT lane, 1, 1, party_id, debit, credit, currency, amount_minor FROM posting LIMIT 1",
         "archives are what is in files"),
        ("DELETE FROM decision WHERE seq = (SELECT max(seq) FROM decision WHERE kind = 'timer') AND kind = 'timer'",
         "batches and decisions without a hole"),
    ],
)  # fmt: skip
async def test_the_audit_needs_what_was_carried_forward(books, change, check):
    await books.write(books.settled.seen[1].at)
    wrong = await books.wrong()
    await falsify(books.database, change)
    assert (await books.wrong()).keys() - wrong.keys() >= {check}


async def test_an_account_below_nothing_is_excused_by_what_is_archived(books):
    """Its limit was lowered long ago: without that on record it could not be."""
    lowered = await books.fetch(
        "SELECT DISTINCT lane, party_id FROM decision WHERE type = 'credit_line.limit_changed' AND outcome = 'applied'"
    )
    assert lowered
    (latest,) = await books.fetch("SELECT max(lane_time) AS time FROM lane")
    await books.write(latest["time"])
    kept = await books.fetch("SELECT DISTINCT lane, account_id FROM archived_lowering ORDER BY 1, 2")
    assert {tuple(row) for row in lowered} <= {tuple(row) for row in kept}
    lane, account = lowered[0]
    await falsify(books.database, f"UPDATE account SET available_minor = -1 WHERE account_id = '{account}'")
    name = "nothing accepted beyond the limit"
    assert name not in await books.wrong()
    await falsify(books.database, f"DELETE FROM archived_lowering WHERE lane = {lane}")
    assert account in (await books.wrong())[name]


async def test_rows_that_are_not_those_that_were_hashed_stay_where_they_are(books):
    await falsify(books.database, "UPDATE decision SET reasons = 'forged' WHERE lane = 1 AND seq = 20")
    before = await rows(books)
    with pytest.raises(ActionRefusedError, match=r"lane 1, batch .* not those that were hashed"):
        await books.write(books.settled.seen[1].at)
    assert [row["lane"] for row in await books.fetch("SELECT lane FROM archive_end")] == [0]
    assert await books.fetch("SELECT FROM decision WHERE lane = 1 AND seq = 20")
    assert (await rows(books))[0] < before[0]


async def test_rows_of_no_batch_keep_all_where_it_is(books):
    await falsify(
        books.database,
        "INSERT INTO posting SELECT lane, seq, n + 100, party_id, debit, credit, currency, amount_minor FROM posting"
        " WHERE lane = 0 AND seq = (SELECT min(seq) FROM posting WHERE lane = 0)",
        "UPDATE batch SET first_seq = first_seq + 1, decisions = decisions - 1 WHERE lane = 1 AND batch_seq = 2",
    )
    with pytest.raises(ActionRefusedError):
        await books.write(books.settled.seen[1].at)
    assert not await books.fetch("SELECT FROM archive_end")


async def test_what_can_not_be_archived_is_refused_and_nothing_changes(books, tmp_path):
    before = await rows(books)
    with pytest.raises(ActionRefusedError, match="expected a time that has come"):
        await books.write(datetime.now(UTC) + timedelta(days=900))
    (went, _) = await books.write(books.settled.seen[1].at, dry_run=True)
    assert went.decisions > 0 and went.files == ()
    assert not books.directory.exists()
    assert await rows(books) == before
    books.directory.mkdir()
    (books.directory / "archive.json").write_text('{"format": 1, "database_id": "another"}\n')
    with pytest.raises(ActionRefusedError, match="is the archive of database"):
        await books.write(books.settled.seen[1].at)
    assert await books.write(datetime(2020, 1, 1, tzinfo=UTC), dry_run=True) == []
    assert await rows(books) == before


async def test_a_disk_that_lies_is_noticed_before_anything_is_dropped(books, monkeypatch):
    """What is read again is not what was written."""
    import operating.archive_files

    whole = operating.archive_files.write_whole
    monkeypatch.setattr(
        operating.archive_files, "write_whole", lambda path, content: whole(path, content[:-9] + b"x" * 9)
    )
    before = await rows(books)
    with pytest.raises(ArchiveError, match="is damaged"):
        await books.write(books.settled.seen[1].at)
    assert await rows(books) == before
    monkeypatch.undo()
    await books.write(books.settled.seen[1].at)
    assert await books.problems() == []


async def test_the_past_can_be_shown_as_far_as_its_decisions_are_there(books):
    seen = books.settled.seen
    await books.write(seen[1].at)

    with pytest.raises(UnknownTimeError, match="is archived"):
        async with at(books.settled, seen[0].at, dsn=books.database):
            pass
    async with at(books.settled, seen[2].at, dsn=books.database) as (connection, _):
        found = {each.name: each.detail for each in await audit(connection)}
    then = {each.name: each.detail for each in seen[2].checks}
    assert {name for name in then if found[name] != then[name]} == {"hash chain", "operator log"}


async def test_it_gives_way_to_whoever_reads_and_leaves_nothing_behind(books, monkeypatch):
    monkeypatch.setattr(archiving, "LOCK_ATTEMPTS", 2)
    monkeypatch.setattr(archiving, "LOCK_TIMEOUT_S", 0.1)
    before = await rows(books)
    tables = "SELECT relname FROM pg_class WHERE relnamespace = 'postpay'::regnamespace AND relkind = 'r' ORDER BY 1"
    there = await books.fetch(tables)
    async with books.in_use():
        with pytest.raises(archiving.NotArchivableError, match="read without a pause"):
            await books.write(books.settled.seen[1].at)
    assert await rows(books) == before
    assert await books.fetch(tables) == there
    await books.write(books.settled.seen[1].at)
    assert await rows(books) < before
    assert await books.problems() == []


async def test_only_who_may_migrate_archives_and_every_auditor_checks(books):
    await books.write(books.settled.seen[1].at)
    owner, user = books.database, f"auditor_{uuid.uuid4().hex[:8]}"
    connection = await asyncpg.connect(owner)
    try:
        await connection.execute(f"CREATE ROLE {user} LOGIN PASSWORD 'secret' IN ROLE postpay_auditor")
        server = urlsplit(owner)
        books.database = server._replace(netloc=f"{user}:secret@{server.hostname}:{server.port}").geturl()
        with pytest.raises(archiving.NotArchivableError, match="a member of postpay_owner"):
            await books.write(books.settled.seen[2].at)
        assert await books.problems() == []
    finally:
        books.database = owner
        await connection.execute(f"DROP ROLE {user}")
        await connection.close()
