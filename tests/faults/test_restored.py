"""A database that is taken back to an earlier moment while its lane-log is ahead: what was sent is settled again."""

import asyncio
import random
import subprocess

import pytest

from contracts.topics import Topic
from devstack.stack import Stack
from tests.command import Command
from tests.faults.load import Load
from tests.faults.looking import says_not_ready
from tests.platform import Messages, eventually, platform

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(400)]

AGAIN = "the database has again all that was sent"


@pytest.fixture
async def made(own_stack, tmp_path):
    async with platform(own_stack.bootstrap, own_stack.dsn, tmp_path) as platform_:
        yield platform_


class Backup:
    """A copy of the server's data folder, made while it was down."""

    def __init__(self, stack: Stack) -> None:
        self._postgres = stack.postgres
        self._data = stack.postgres._data
        self._copy = self._data.with_name("copy")

    async def take(self) -> None:
        await asyncio.to_thread(self._postgres.stop)
        await self._run("rm", "-rf", self._copy)
        await self._run("cp", "-a", self._data, self._copy)
        await asyncio.to_thread(self._postgres.start)

    async def bring_back(self) -> None:
        await asyncio.to_thread(self._postgres.stop, "immediate")
        await self._run("rm", "-rf", self._data)
        await self._run("mv", self._copy, self._data)

    async def start(self) -> None:
        await asyncio.to_thread(self._postgres.start)

    async def _run(self, *command) -> None:
        await asyncio.to_thread(subprocess.run, command, check=True)


async def caught_up(made):
    ran = await asyncio.to_thread(Command(made.environment), "lag", "--wait", "55")
    assert ran.code == 0, ran.out + await made.state()


async def verified(made):
    ran = await asyncio.to_thread(Command(made.environment).process, "replay", "verify", "--json")
    assert (ran.code, ran.json["complete"]) == (0, True), ran.out


@pytest.mark.parametrize("worker_lives", [True, False])
async def test_a_data_folder_copied_back_gets_what_was_sent_and_nothing_is_sent_again(made, own_stack, worker_lives):
    load = Load(made, random.Random(7))
    worker = made.worker()
    await load.begin()
    await load.run(2)
    await caught_up(made)
    backup = Backup(own_stack)
    await backup.take()
    old = {row["lane"]: row["batch_seq"] for row in await made.fetch("SELECT lane, batch_seq FROM lane")}
    victim = made.worker(POSTPAY_FAULT="after_commit:3")
    await load.run(4)
    if worker_lives:
        await caught_up(made)
    else:
        worker.kill()
        victim.kill()
    sent = dict.fromkeys(old, 0)
    for record in await made.read(Topic.LANE_LOG):
        sent[record.partition] += b'"kind":"batch"' in record.value
    assert all(sent[lane] > old[lane] for lane in old), "nothing is to be settled again"
    await backup.bring_back()
    await load.run(1)  # producers go on while the database is away
    await backup.start()
    if not worker_lives:
        worker = made.worker()
    await load.run(1)
    await caught_up(made)
    logs = [each.log.read_text() for each in made.workers]
    await eventually(lambda: sum(log.count(AGAIN) for log in logs) >= len(old), state=made.state)
    await load.require_each_effect_once()
    await verified(made)
    assert await worker.stopped() == 0


async def test_what_does_not_come_to_what_was_sent_stops_the_lane(made, own_stack):
    messages = Messages()
    accounts = [f"acc-{number}" for number in range(8)]
    await made.send([messages.line_opened(account) for account in accounts])
    worker = made.worker()
    await made.settled(8)
    assert await worker.stopped() == 0
    backup = Backup(own_stack)
    await backup.take()
    worker = made.worker()
    await made.send([messages.purchase_placed(account, "o-1") for account in accounts])
    await made.settled(16)
    assert await worker.stopped() == 0
    sent = await made.outputs()
    await backup.bring_back()
    await backup.start()
    await made.fetch("UPDATE account SET freeze_reasons = '[\"risk\"]'")
    before = await made.fetch("SELECT lane, batch_seq, chain_hash FROM lane ORDER BY 1")
    worker = made.worker()
    await says_not_ready(worker, "docs/runbooks/database-restored.md", "comes to something else than the lane-log says")
    await made.send([messages.purchase_placed(account, "o-2") for account in accounts])
    assert await made.outputs() == sent
    assert await made.fetch("SELECT lane, batch_seq, chain_hash FROM lane ORDER BY 1") == before
    assert worker.is_running
