"""Archiving while workers settle, killed on its way, and messages that come again afterwards."""

import asyncio
import contextlib
import json
from collections import Counter
from dataclasses import replace

import cramjam
import pytest

from storage.audit import audit
from storage.database import connect
from tests.command import Command
from tests.integration.replay.conftest import caught_up
from tests.platform import Messages, platform

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ACCOUNTS = [f"acc-{number}" for number in range(20)]


@pytest.fixture
async def made(stack, tmp_path):
    async with platform(stack.bootstrap, stack.dsn, tmp_path, POSTPAY_WORKER__BATCH_MAX_MESSAGES="50") as platform_:
        yield platform_


async def command(made, *arguments, **settings):
    return await asyncio.to_thread(Command(made.environment).process, *arguments, "--json", **settings)


async def write(made, directory, **settings):
    """Archive all that was settled up to now."""
    (now,) = await made.fetch("SELECT min(lane_time) AS time FROM lane")
    before = ("--before", now["time"].isoformat(), "--reason", "retention")
    return await command(made, "archive", "write", str(directory), *before, **settings)


async def outputs_told(made, directory):
    """The outputs that decisions name, in the database and in files."""
    named = [row["outputs"] for row in await made.fetch("SELECT outputs FROM decision")]
    for file in directory.glob("lane-*/*"):
        for line in bytes(cramjam.zstd.decompress(file.read_bytes())).splitlines():
            named += [decision["outputs"] for decision in json.loads(line)["decisions"]]
    return Counter(name.rpartition(" ")[2] for lines in named for name in lines.splitlines())


async def shop(made, messages, ended):
    """Have orders placed until the end; how many each account has placed."""
    number = 0
    while not ended.is_set():
        number += 1
        await made.send([messages.purchase_placed(account, f"o-{number}") for account in ACCOUNTS])
        await asyncio.sleep(0.1)  # or most of the test would be settling
    return number


async def watch(made, ended):
    """Audit until the end; how often."""
    audits = 0
    connection = await connect(made.settings.postgres.dsn, application_name="test")
    while not ended.is_set():
        assert [each for each in await audit(connection) if not each.ok] == []
        audits += 1
    await connection.close()
    return audits


async def test_workers_go_on_and_who_is_killed_begins_again(made, tmp_path):
    messages = Messages()
    opened = [messages.line_opened(account) for account in ACCOUNTS]
    first = [messages.purchase_placed(account, "first") for account in ACCOUNTS]
    await made.send([*opened, *first])
    worker = made.worker()
    await made.settled(len(opened) + len(first))
    await made.send([messages.line_opened("later-0"), messages.line_opened("later-1"), messages.line_opened("later-2")])
    await made.settled(len(opened) + len(first) + 3)
    ended = asyncio.Event()
    shopping, watching = asyncio.create_task(shop(made, messages, ended)), asyncio.create_task(watch(made, ended))
    try:
        for point in ("archive_written", "archive_prepared", "archive_exchanged"):
            ran = await write(made, tmp_path / "archive", POSTPAY_FAULT=point)
            assert ran.code == -9, ran.err
            assert await made.count("SELECT count(*) FROM archive_end") == 0
        for _ in range(2):
            ran = await write(made, tmp_path / "archive")
            assert ran.code == 0, ran.err
            assert [lane["lane"] for lane in ran.json["lanes"]] == [0, 1]
            assert (await command(made, "archive", "check", str(tmp_path / "archive"))).json["problems"] == []
    finally:
        ended.set()
        with contextlib.suppress(asyncio.CancelledError):
            orders, audits = await shopping, await watching
    assert audits > 1
    await caught_up(made)
    assert await made.count("SELECT count(*) FROM decision WHERE kind = 'input' AND topic = 'purchase'") < orders * 20
    assert await made.count("SELECT count(*) FROM purchase_order") == (1 + orders) * 20

    await made.send([*opened, *first])  # once more, byte for byte
    await made.send([replace(each, value=each.value.replace(b"1000", b"1007")) for each in first])
    await caught_up(made)
    assert await made.count("SELECT count(*) FROM receipt WHERE outcome = 'duplicate'") == len(opened) + len(first)
    assert await made.count("SELECT count(*) FROM receipt WHERE outcome = 'conflict'") == len(ACCOUNTS)
    assert await worker.stopped() == 0
    assert await outputs_told(made, tmp_path / "archive") == Counter(each["event_id"] for each in await made.outputs())
    verified = await command(made, "replay", "verify")
    assert (verified.code, verified.json["complete"]) == (0, True), verified.out
    assert verified.json["archived_batches"] > 0
    listed = (await command(made, "archive", "list")).json
    (entries,) = await made.fetch("SELECT count(*) FROM operator_log WHERE action = 'archive'")
    assert (len(listed["lanes"]), len(listed["files"])) == (2, entries["count"])
