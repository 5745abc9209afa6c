"""Archiving where something is in its way: other commands, other databases' files, disks; and what is said of that."""

import asyncio
import os
from pathlib import Path

import pytest

from operating import archive_checking
from tests.command import Command
from tests.integration.replay.conftest import falsify
from tests.integration.replay.test_archive import Archived, books, rows

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
        await books.write(settled.seen[2].at)
        await copy.write(settled.seen[0].at)
        assert await copy.problems() == []
        await copy.write(settled.seen[1].at)
        assert await copy.problems() == []
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


async def _waits_for_decisions(connection, *, waits=True):
    found = await connection.fetchval(
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'decision'::regclass"
    )
    return bool(found) == waits


async def _waits(connection):
    return await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") > 0
