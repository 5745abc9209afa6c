"""Archiving where something is in its way: other commands, other databases' files, disks; and what is said of that."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread

import pytest

from operating import archive_checking
from operating.archive_files import UnwritableArchiveError
from operating.conflicts import contradiction
from storage import archiving, operator_log, recorded
from storage.conflicts import ConflictReason, conflicts
from storage.database import connect
from storage.outcome_search import OutcomeFilter
from storage.stories.account import account_story
from tests.command import Command
from tests.integration.replay.conftest import falsify
from tests.integration.replay.test_archive import Archived, books, rows
from tests.platform import eventually

__all__ = ["books"]


async def command(books, *arguments):
    environment = {**books.settled.platform.environment, "POSTPAY_POSTGRES__DSN": books.database}
    return await asyncio.to_thread(Command(environment).process, *arguments)


async def write(books, directory, *more):
    before = books.settled.seen[1].at.isoformat()
    return await command(books, "archive", "write", str(directory), "--before", before, "--reason", "retention", *more)


async def test_a_file_that_can_not_be_written_is_not_said_to_be_the_database(books):
    before = await rows(books)
    books.directory.mkdir()
    (books.directory / "lane-00").write_text("in the way")
    for directory in (books.directory, books.directory / "lane-00" / "archive"):
        ran = await write(books, directory)
        assert ran.code == 2
        assert f"{directory}/" in ran.complaint
        assert "cannot be written" in ran.complaint
        assert "Postgres" not in ran.complaint
    assert await rows(books) == before


async def test_files_and_the_directories_they_are_in_outlive_a_power_failure(books, monkeypatch):
    synced = set()
    fsync = os.fsync

    def noting(descriptor):
        synced.add(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    books.directory /= "of/years"
    await books.write(books.settled.seen[1].at)
    new = [*books.directory.parents[:2], books.directory, *books.directory.glob("lane-*")]
    assert synced >= {each.parent for each in new} | {each.parent for each in books.files()}


async def test_a_copy_of_the_database_takes_no_file_away(books, settled):
    """Its identity is the same, so the directory is its own, and it archives up to somewhere else."""
    async with settled.copy() as other:
        copy = Archived(settled, other, books.directory)
        before = await rows(copy)
        await books.write(settled.seen[2].at)
        with pytest.raises(UnwritableArchiveError, match="holds batches up to"):
            await copy.write(settled.seen[0].at)
        assert await rows(copy) == before
        assert await books.problems() == []


async def test_a_check_while_more_is_archived_is_no_false_alarm(books):
    await books.write(books.settled.seen[0].at)
    loop = asyncio.get_running_loop()

    def archive_more(_):
        asyncio.run_coroutine_threadsafe(books.write(books.settled.seen[1].at), loop).result()

    async def checked():
        return await books.ask(lambda connection: archive_checking.check(connection, books.directory, archive_more))

    found = await asyncio.to_thread(lambda: asyncio.run(checked()))
    assert found.problems == []
    assert (found.files, len(books.files())) == (2, 4)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE batch SET chain_hash = '\\x00' WHERE lane = 0 AND batch_seq = 3", "has batch 3 of"),
        ("UPDATE batch SET lane_time = lane_time - interval '1 s' WHERE lane = 0 AND batch_seq = 3", "has batch 3 of"),
        ("UPDATE archived_event SET fingerprint = '\\x00' WHERE lane = 1 AND seq = 9", "with the same content"),
        ("UPDATE archived_event SET event_hash = '\\x00' WHERE lane = 1 AND seq = 9", "with the same content"),
    ],
)  # fmt: skip
async def test_every_hash_and_every_event_is_compared_with_the_files(books, change, told):
    await books.write(books.settled.seen[1].at)
    await falsify(books.database, change)
    (problem,) = await books.problems()
    assert told in problem


async def test_while_somebody_archives_others_are_told_so(books):
    async with archiving.archivist(books.database):
        for ran in (await write(books, books.directory), await command(books, "migrate")):
            assert ran.code == 2
            assert "is being migrated, rebuilt, archived" in ran.complaint


async def test_attempts_in_vain_are_not_told_where_the_document_is(books):
    async with books.in_use() as reader:
        writing = asyncio.create_task(write(books, books.directory, "--json"))
        await eventually(lambda: _waits_for_decisions(reader))
        await eventually(lambda: _waits_for_decisions(reader, waits=False))
    ran = await writing
    assert len(ran.json["lanes"]) == 2


async def test_nobody_waits_for_long_behind_an_archiving_that_waits_for_a_backup(books):
    """Whoever settles is queued behind its lock."""
    async with books.in_use("SET LOCAL lock_timeout = '1s'") as settling, books.in_use() as backup:
        writing = asyncio.create_task(books.write(books.settled.seen[1].at))
        await eventually(lambda: _waits_for_decisions(backup))
        assert await settling.fetchval("SELECT count(*) FROM decision") > 0
        assert not writing.done()
    assert len(await writing) == 2


async def test_a_vacuum_of_one_lane_keeps_no_other_lane_from_being_archived(books, monkeypatch):
    monkeypatch.setattr(archiving, "LOCK_ATTEMPTS", 1)
    async with books.in_use("LOCK TABLE decision_lane_1 IN SHARE UPDATE EXCLUSIVE MODE"):
        with pytest.raises(archiving.NotArchivableError, match="partitions of lane 1 could not be exchanged"):
            await books.write(books.settled.seen[1].at)
    assert [lane for (lane,) in await books.fetch("SELECT lane FROM archive_end")] == [0]


async def _waits_for_decisions(connection, *, waits=True):
    found = await connection.fetchval(
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'decision'::regclass"
    )
    return bool(found) == waits


async def test_it_waits_for_the_operator_log_before_it_keeps_readers_away(books):
    """Whoever redrives holds that, and then looks at decisions."""
    operator = await connect(books.database, application_name="test")
    try:
        async with operator.transaction():
            await operator_log.lock(operator)
            writing = asyncio.create_task(books.write(books.settled.seen[1].at))
            await eventually(lambda: _waits(operator))
            await operator.execute("SET LOCAL lock_timeout = 100")
            assert await operator.fetchval("SELECT count(*) FROM decision") > 0
    finally:
        await operator.close()
    assert len(await writing) == 2


async def _waits(connection):
    return await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") > 0


async def test_a_backup_that_reads_what_was_copied_does_not_hide_why_it_gave_up(books, monkeypatch):
    monkeypatch.setattr(archiving, "LOCK_ATTEMPTS", 1)
    monkeypatch.setattr(archiving, "LOCK_TIMEOUT_S", 0.1)
    backup = await connect(books.database, application_name="test")
    await backup.execute("SET idle_in_transaction_session_timeout = 0")
    prepare = archiving.Archiving.prepare

    async def prepare_and_be_read(self, told):
        copied = await prepare(self, told)
        await backup.execute("LOCK TABLE decision, decision_lane_0_kept IN ACCESS SHARE MODE")
        return copied

    monkeypatch.setattr(archiving.Archiving, "prepare", prepare_and_be_read)
    try:
        async with backup.transaction():
            with pytest.raises(archiving.NotArchivableError, match="read without a pause"):
                await books.write(books.settled.seen[1].at)
            with pytest.raises(archiving.NotArchivableError, match="is being read, by a backup"):
                await books.write(books.settled.seen[1].at)
    finally:
        await backup.close()
    monkeypatch.undo()
    await books.write(books.settled.seen[1].at)
    assert await books.problems() == []


async def test_a_conflict_with_what_is_archived_is_shown_as_it_is_listed(books):
    (latest,) = await books.fetch("SELECT max(lane_time) AS time FROM lane")
    listed = await books.ask(lambda connection: conflicts(connection, OutcomeFilter(), limit=10))
    of_event = [each for each in listed if each.reason is ConflictReason.SAME_EVENT_ID]
    assert of_event
    await books.write(latest["time"])
    assert await books.ask(lambda connection: conflicts(connection, OutcomeFilter(), limit=10)) == listed
    for each in of_event:
        shown = await books.ask(lambda connection, each=each: contradiction(connection, each))
        assert (shown.reason, shown.first) == (ConflictReason.SAME_EVENT_ID, None)


async def test_a_lane_without_any_decision_has_no_last_one(connection):
    """A lane that was split off another may have none, and is archived along with its family."""
    await connection.execute(
        "INSERT INTO archive_end (lane, next_seq, lane_time, decisions, postings, last_decision, last_posting,"
        " archived_at) VALUES (3, 40, now(), 0, 0, 0, 0, now())"
    )
    found = await connection.fetchrow(recorded.SQL["decided_numbers"], 3)
    assert tuple(found)[:4] == (0, None, 0, None)


async def test_a_repeat_of_what_is_archived_is_not_told_as_all_there_is_of_it(books):
    """Nor as a duplicate of some other event."""
    (latest,) = await books.fetch("SELECT max(lane_time) AS time FROM lane")
    await books.write(latest["time"])
    shown = await command(books, "decision", "show", "purchase", "mishap-placed")
    assert shown.code == 1
    assert "which is archived" in shown.complaint
    again = await command(books, "decision", "show", "purchase", "mishap-again")
    assert "was a duplicate" in again.out


async def test_a_story_that_is_read_while_partitions_are_exchanged_has_all_that_is_left(books, monkeypatch):
    """Its snapshot is older than the copies that it would see."""
    (row,) = await books.fetch("SELECT party_id FROM decision WHERE party_kind = 'account' ORDER BY seq DESC LIMIT 1")
    told = []

    def tell():
        async def story():
            connection = await connect(books.database, application_name="story")
            try:
                told.append(await account_story(connection, row["party_id"]))
            finally:
                await connection.close()

        asyncio.run(story())

    async def waits():
        """Whether the story waits for the decisions, which are being exchanged."""
        return await books.fetch(
            "SELECT FROM pg_stat_activity WHERE application_name = 'story' AND wait_event_type = 'Lock'"
        )

    def exchanged(point):
        if point == "archive_exchanged" and reading.ident is None:
            reading.start()
            with ThreadPoolExecutor() as aside:  # this thread's loop stands still at that point
                aside.submit(asyncio.run, eventually(waits)).result()

    reading = Thread(target=tell)
    monkeypatch.setattr("operating.archiving.reached", exchanged)
    await books.write(books.settled.seen[2].at)
    await asyncio.to_thread(reading.join)
    then = await books.ask(lambda connection: account_story(connection, row["party_id"]))
    assert then.history
    assert then.archived_until
    assert told == [then]
