"""A history from a real broker and from its export: what lanes took, as they took it, whatever happened meanwhile."""

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from contracts.topics import LANE_TOPICS, Topic
from tests.command import Command
from tests.platform import Message, Messages, eventually, platform
from workers.kafka import topics
from workers.kafka.clients import administering
from workers.replay.extent import HistoryError
from workers.replay.history import HistorySource, fixed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ACCOUNTS = [f"acc-{number}" for number in range(8)]
REPO = Path(__file__).parents[3]


@pytest.fixture(params=["wall", "event"])
async def made(request, stack, tmp_path):
    async with platform(stack.bootstrap, stack.dsn, tmp_path, POSTPAY_CLOCK=request.param) as platform_:
        yield platform_


@pytest.fixture
async def walled(stack, tmp_path):
    async with platform(stack.bootstrap, stack.dsn, tmp_path) as platform_:
        yield platform_


async def live(made, messages, *, transactions=3, workers=1):
    """Let workers settle a little of everything: transactions that end either way, garbage, misrouted records."""
    chance = random.Random(11)
    await made.send([messages.line_opened(account) for account in ACCOUNTS])
    placed = 0
    async with made.producer(transactional_id=f"{made.prefix}{messages._name}") as producer:
        for number in range(transactions):
            await producer.begin_transaction()
            for _ in range(chance.randrange(5, 30)):
                account = chance.choice(ACCOUNTS)
                message = messages.purchase_placed(account, f"{messages._name}-{placed}")
                await made.put(producer, message, partition=chance.choice([None, None, None, 0, 1]))
                placed += 1
            await made.put(producer, Message(Topic.REPAYMENT, account, b"garbage"))
            await (producer.abort_transaction() if number % 3 == 1 else producer.commit_transaction())
    crew = [made.worker() for _ in range(workers)]
    await eventually(lambda: caught_up(made), state=made.state)
    return crew


async def caught_up(made):
    from workers.ops.lag import lag_reader

    async with made.database() as connection, lag_reader(made.settings) as reader:
        return (await reader.measure(connection)).caught_up


async def batches(history):
    """By lane, of each batch: its number, its hash and the places of its records."""
    found = {}
    for lane in history.extents:
        async with history.lane(lane) as opened:
            found[lane] = [
                (each.log.batch_seq, each.log.chain_hash, [tuple(taken.record[:3]) for taken in each.taken])
                async for each in opened.batches()
            ]
    return found


async def test_the_brokers_give_every_batch_with_the_records_it_took_in_the_order_they_were_decided(made):
    (worker,) = await live(made, Messages())
    worker.kill()
    made.worker()
    await live(made, Messages(name="f"), workers=0)
    found = await batches(await fixed(made.settings))
    rows = await made.fetch("SELECT lane, batch_seq, chain_hash FROM batch ORDER BY 1, 2")
    assert [(lane, seq, hashed) for lane in found for seq, hashed, _ in found[lane]] == [tuple(row) for row in rows]
    for lane, taken in found.items():
        decided = await made.fetch(
            "SELECT topic, partition, record_offset FROM decision WHERE lane = $1 AND kind = 'input' ORDER BY seq", lane
        )
        handed_on = [place for *_, places in taken for place in places]
        inputs = [place for place in map(tuple, decided) if place[1] == lane]
        assert [place for place in handed_on if place in set(inputs)] == inputs
        assert sorted(handed_on) == sorted(await committed(made, lane))
    assert await made.count("SELECT count(*) FROM dead_letter") > 0


async def committed(made, lane):
    records = await made.read(*LANE_TOPICS)
    return [(each.topic.removeprefix(made.prefix), lane, each.offset) for each in records if each.partition == lane]


async def test_a_history_ends_where_it_was_fixed_while_workers_go_on(walled):
    await live(walled, Messages())
    history = await fixed(walled.settings)
    before = await batches(history)
    await walled.send([Messages(name="later").purchase_placed(account, f"later-{account}") for account in ACCOUNTS])
    await eventually(lambda: caught_up(walled), state=walled.state)
    assert await batches(history) == before
    assert {lane: each[-1][:2] for lane, each in before.items()} == {
        lane: (extent.last.batch_seq, extent.last.chain_hash) for lane, extent in history.extents.items()
    }
    assert sum(map(len, (await batches(await fixed(walled.settings))).values())) > sum(map(len, before.values()))


async def test_a_history_may_end_at_a_lane_time(made):
    await live(made, Messages())
    until = (await logs(made))[-1].lane_time
    await live(made, Messages(name="f"), workers=0)
    whole = await logs(made)
    assert until < whole[-1].lane_time
    kept = [log.batch_seq for log in whole if log.lane_time <= until]
    assert [seq for seq, *_ in (await batches(await fixed(made.settings, until=until)))[0]] == kept


async def logs(made):
    """What lane 0's log says of each of its batches."""
    async with (await fixed(made.settings)).lane(0) as lane:
        return [batch.log async for batch in lane.batches()]


async def test_without_a_lane_log_two_readings_agree_and_give_every_committed_record_once(made):
    messages = Messages()
    (worker,) = await live(made, messages)
    worker.kill()
    await made.send([messages.purchase_placed("acc-1", f"more-{number}") for number in range(2500)])
    history = await fixed(made.settings)
    for lane in history.extents:
        first, second = [], []
        for found in (first, second):
            async with history.lane(lane) as opened:
                found += [
                    (batch.now, tuple(taken.record[:3]))
                    async for batch in opened.unlogged_batches()
                    for taken in batch.taken
                ]
        assert first == second
        assert sorted(place for _, place in first) == sorted(await committed(made, lane))


async def delete_before(made, topic, lane, offset):
    tp = TopicPartition(made.prefix + topic, lane)
    async with administering(made.settings.kafka) as admin:
        await admin.delete_records({tp: RecordsToDelete(offset)})


async def test_what_the_brokers_have_deleted_is_told_and_read_from_an_export_and_the_brokers_together(walled, tmp_path):
    await live(walled, Messages())
    command, directory = Command(walled.environment), tmp_path / "export"
    assert command("history", "export", str(directory)).code == 0
    await live(walled, Messages(name="f"), workers=0)
    whole = await batches(await fixed(walled.settings))
    (row,) = await walled.fetch("SELECT next_offset FROM lane_offset WHERE lane = 0 AND topic = 'purchase'")
    await delete_before(walled, Topic.PURCHASE, 0, 3)
    with pytest.raises(HistoryError, match=r"of purchase\[0\], and offsets 0 to 2 are gone; read them from an export"):
        await batches(await fixed(walled.settings))
    assert await batches(await fixed(walled.settings, HistorySource(directory))) == whole
    alone = await batches(await fixed(walled.settings, HistorySource(directory, brokers=False)))
    assert all(
        0 < len(alone[lane]) < len(whole[lane]) and whole[lane][: len(alone[lane])] == alone[lane] for lane in whole
    )
    await delete_before(walled, Topic.PURCHASE, 0, row["next_offset"])
    refused = command("history", "export", str(directory))
    assert refused.code == 1
    assert "what lies between is gone" in refused.complaint
    with pytest.raises(HistoryError, match="what lies between is gone"):
        await fixed(walled.settings, HistorySource(directory))


def files_of(directory):
    return {str(file.relative_to(directory)): file.read_bytes() for file in directory.rglob("*.zst")}


def contents(directory):
    import cramjam

    joined = Counter()
    for name, content in sorted(files_of(directory).items()):
        for line in bytes(cramjam.zstd.decompress(content)).splitlines():
            joined[name.rpartition("-")[0], line] += 1
    return joined


async def test_an_export_that_is_killed_half_way_goes_on_where_it_was(walled, tmp_path):
    await live(walled, Messages())
    command = Command(walled.environment)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    ran = command("history", "export", str(whole), "--json")
    assert ran.code == 0
    part = killed / "lane-00" / f"{next((whole / 'lane-00').glob('lane-log-*')).name}.part"
    part.parent.mkdir(parents=True)
    os.mkfifo(part)  # whoever opens it waits for a reader: so far one lane comes, and no further
    export = command.start("history", "export", str(killed), log=tmp_path / "export.log")
    before = len(list((whole / "lane-00").glob("*.zst"))) - 1
    await eventually(lambda: len(list(part.parent.glob("*.zst"))) == before)
    await kill_with_children(export)
    part.unlink()
    part.write_bytes(b"as one leaves it that is killed while it writes")
    assert files_of(killed).items() < files_of(whole).items()
    assert command("history", "check", str(killed)).code == 0
    assert command("history", "export", str(killed)).code == 0
    assert contents(killed) == contents(whole)
    assert sum(contents(whole).values()) == ran.json["records"]
    checked = command("history", "check", str(killed), "--json").json
    rows = await walled.fetch("SELECT lane, batch_seq FROM lane ORDER BY 1")
    assert checked["ok"]
    assert [(each["lane"], each["batches"]) for each in checked["lanes"]] == [tuple(row) for row in rows]
    again = command("history", "export", str(killed), "--json").json
    assert (again["records"], again["files"]) == (0, 0)


async def kill_with_children(process):
    """Kill the command alone; the processes that it started must end by themselves."""
    import psutil

    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    await eventually(lambda: not any(child.is_running() and child.status() != "zombie" for child in children))


async def test_an_export_is_continued_with_what_came_since_and_damage_is_told(walled, tmp_path):
    (worker,) = await live(walled, Messages())
    command, directory = Command(walled.environment), tmp_path / "export"
    first = command("history", "export", str(directory), "--json").json
    kept = files_of(directory)
    await live(walled, Messages(name="f"), workers=0)
    more = command("history", "export", str(directory), "--json").json
    assert first["records"] > 0 and more["records"] > 0
    assert sum(contents(directory).values()) == first["records"] + more["records"]
    assert kept.items() < files_of(directory).items()
    history = await fixed(walled.settings, HistorySource(directory, brokers=False))
    assert await batches(history) == await batches(await fixed(walled.settings))
    worker.kill()
    file = next(directory.glob("lane-00/purchase-*.zst"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    found = command("history", "check", str(directory))
    assert found.code == 1
    assert f"lane 0: {file} is damaged" in found.out
    with pytest.raises(HistoryError, match=f"{file.name} is damaged"):
        await batches(history)
    file.write_bytes(content[:-1])
    refused = command("history", "export", str(directory))
    assert (refused.code, f"{file} has {len(content) - 1:,} bytes instead of" in refused.complaint) == (1, True)


async def test_topics_made_anew_are_not_mixed_with_what_was_exported(walled, tmp_path):
    (worker,) = await live(walled, Messages())
    worker.kill()
    command, directory = Command(walled.environment), tmp_path / "export"
    assert command("history", "export", str(directory)).code == 0
    name = walled.prefix + Topic.CREDIT_LINE
    async with administering(walled.settings.kafka) as admin:
        await admin.delete_topics([name])
    await eventually(lambda: created_anew(walled))
    other = Messages(name="other")
    await walled.send(
        [other.line_opened(account) for account in [*ACCOUNTS, *(f"x-{account}" for account in ACCOUNTS)]]
    )
    refused = command("history", "export", str(directory))
    assert refused.code == 1
    assert "credit-line[" in refused.complaint
    assert "made anew" in refused.complaint


async def created_anew(made):
    await topics.create(made.settings)
    return not await topics.check(made.settings)


async def test_two_exports_into_one_directory_are_kept_apart(walled, tmp_path):
    from workers.replay.export import locked

    with locked(tmp_path):
        refused = Command(walled.environment)("history", "export", str(tmp_path))
    assert (refused.code, "another export writes to" in refused.complaint) == (1, True)


async def test_an_export_may_be_of_some_lanes_and_end_at_a_time(walled, tmp_path):
    await live(walled, Messages())
    command = Command(walled.environment)
    whole = await fixed(walled.settings)
    async with whole.lane(1) as lane:
        logs = [batch.log async for batch in lane.batches()]
    until = logs[0].lane_time
    ran = command("history", "export", str(tmp_path / "e"), "--lane", "1", "--until", until.isoformat())
    assert ran.code == 0, ran.err
    assert sorted(each.name for each in (tmp_path / "e").iterdir()) == [".lock", "history.json", "lane-01"]
    found = await batches(await fixed(walled.settings, HistorySource(tmp_path / "e", brokers=False)))
    kept = [(log.batch_seq, log.chain_hash) for log in logs if log.lane_time <= until]
    assert [each[:2] for each in found[1]] == kept
    assert command("history", "export", str(tmp_path / "e"), "--until", "yesterday").code == 2
    assert command("history", "export", str(tmp_path / "e"), "--lane", "2").code == 2


READ_ALL = """
import asyncio, tracemalloc
from workers.replay.history import fixed
from workers.settings.model import Settings

async def main():
    history = await fixed(Settings.load())
    tracemalloc.start()
    size = 0
    async with history.lane(0) as lane:
        async for batch in lane.unlogged_batches():
            size += sum(len(each.record.value or b"") for each in batch.taken)
    print(size, tracemalloc.get_traced_memory()[1])

asyncio.run(main())
"""


async def test_a_lane_is_read_in_bounded_memory(walled):
    size = 6_000
    async with walled.producer() as producer:
        for begin in range(0, 12_000, 500):
            numbers = range(begin, begin + 500)
            some = [
                Message(chosen, f"acc-{number}", os.urandom(size // 2).hex().encode())
                for number in numbers
                for chosen in [Topic.PURCHASE if number % 2 else Topic.REPAYMENT]
            ]
            await asyncio.gather(*[await walled.put(producer, each, 0) for each in some])
    ran = await asyncio.create_subprocess_exec(
        sys.executable, "-c", READ_ALL, env={**os.environ, **walled.environment}, cwd=REPO, stdout=-1
    )
    out, _ = await ran.communicate()
    read, peak = map(int, out.split())
    assert read == 12_000 * size
    assert peak < read / 2  # a batch, what is buffered for the next, and a fetch of each topic: 21 MB
