"""A platform's whole life once more: sent again into its live topics, and read again by a group that forgot it all."""

from collections import Counter
from heapq import merge

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts.topics import LANE_TOPICS, OUTPUT_TOPICS, Topic
from demo.answers import HEARD_TOPICS, Answers
from demo.history import History, tick
from demo.quarter import START, Quarter
from demo.reader import TopicReader
from demo.sender import Sender
from tests.platform import Messages, Platform, eventually, platform
from workers.kafka.clients import producing
from workers.ops.lag import lag_reader
from workers.replay.broker import broker_records
from workers.replay.history import fixed

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(400)]

DAYS = 40
READ = 500
BOOKKEEPING = {"lane", "lane_offset", "lane_relay", "batch", "outbox", "receipt", "dead_letter", "parked", "timer"}
"""How far lanes are, and which records were known already, refused, or wait: none of it has happened in the books."""
SENT = [topic for topic in LANE_TOPICS if topic is not Topic.REROUTED]
OUTPUTS = [topic for topic in OUTPUT_TOPICS if topic not in {Topic.LANE_LOG, Topic.DEAD_LETTER}]


@pytest.fixture(scope="module")
async def lived(stack, tmp_path_factory):
    """Six weeks of fourscore buyers and six shops, with all that answers them; two workers go on."""
    logs = tmp_path_factory.mktemp("lived")
    async with platform(stack.bootstrap, stack.dsn, logs, POSTPAY_CLOCK="event") as made:
        for _ in range(2):
            made.worker()
        await live(made)
        yield made


async def caught_up(made):
    async with made.database() as connection, lag_reader(made.settings) as reader:
        return (await reader.measure(connection)).caught_up


async def live(made):
    history, answers = History(accounts=80, merchants=6, days=DAYS, seed=3), Answers(3)
    async with producing(made.settings.kafka) as producer, TopicReader(made.settings, HEARD_TOPICS) as said:
        sender = Sender(producer, made.settings)
        await sender.send([tick(history.quarter.start)])
        await eventually(lambda: caught_up(made), state=made.state)
        for day in range(DAYS):
            midnight = history.midnight_after(day)
            await sender.send(merge(history.day(day), answers.due(midnight), key=lambda each: each.delivered_at))
            await sender.send([tick(midnight)])
            await eventually(lambda: caught_up(made), state=made.state)
            async for record in said.up_to_now():
                answers.hear(record.topic.removeprefix(made.prefix), record.value or b"")


async def books(made):
    """A digest of every table but those of BOOKKEEPING, and of all timers but those of what waits."""
    async with made.database() as connection:
        tables = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'postpay'::regnamespace AND relkind IN ('r', 'p')"
            " AND NOT relispartition ORDER BY 1"
        )
        chosen = {name: f"SELECT * FROM {name}" for (name,) in tables if name not in BOOKKEEPING}
        chosen["timer"] = "SELECT * FROM timer WHERE kind <> 'parking_expiry'"
        return {
            name: tuple(
                await connection.fetchrow(
                    f"SELECT count(*), md5(string_agg(t::text, E'\n' ORDER BY t::text)) FROM ({rows}) t"
                )
            )
            for name, rows in chosen.items()
        }


async def everything(made):
    """All committed records of the lanes' topics, lane by lane and topic by topic.

    But for `rerouted`: what a lane put there is a record of another topic, and goes the same way again when that does.
    """
    history = await fixed(made.settings)
    records = []
    for extent in history.extents.values():
        async with broker_records(made.settings, extent) as broker:
            for topic in SENT:
                for first in range(0, extent.ends[topic], READ):
                    records += await broker.read(topic, first, min(first + READ, extent.ends[topic]))
    return records


async def outputs(made):
    return sorted(each["event_id"] for each in await made.outputs(*OUTPUTS))


async def given_up(made):
    rows = await made.fetch("SELECT topic, event_id FROM dead_letter WHERE reason = 'unmatched'")
    return {tuple(row) for row in rows}


async def test_the_whole_history_sent_again_changes_nothing_but_duplicates(lived):
    made = lived
    before, outcomes, said, unmatched = [await look(made) for look in (books, Platform.outcomes, outputs, given_up)]
    rerouted = await made.read(Topic.REROUTED)
    assert rerouted and before["posting"][0] > 500 and before["merchant_payout"][0] > 0 and said and unmatched
    records = await everything(made)
    assert {each.topic for each in records} == set(SENT)
    async with made.producer() as producer:
        for each in records:
            await producer.send(
                made.prefix + each.topic, each.value, each.key, each.partition, each.timestamp_ms, list(each.headers)
            )
        await producer.flush()
    await eventually(lambda: caught_up(made), state=made.state)
    assert await books(made) == before
    assert await outputs(made) == said
    again = await made.outcomes() - outcomes
    assert again.keys() <= {"duplicate", "conflict", "dead_lettered", "parked"}
    assert again["conflict"] == outcomes["conflict"]
    assert again.total() == len(records)
    # What was never decided is no duplicate: it is refused again, or waits again for what it names.
    assert again["dead_lettered"] + again["parked"] == outcomes["dead_lettered"]
    waiting = await made.fetch("SELECT topic, event_id FROM parked")
    assert {tuple(row) for row in waiting} <= unmatched
    activity = [each for each in records if each.topic == Topic.MERCHANT_ACTIVITY]
    assert len(await made.read(Topic.MERCHANT_ACTIVITY)) == 2 * len(activity) > 0
    assert len(await made.read(Topic.REROUTED)) == 2 * len(rerouted)
    await made.require_sound()


async def test_a_group_that_forgot_its_offsets_settles_only_what_is_new(lived):
    made = lived
    for worker in made.workers:
        assert await worker.stopped() == 0
    before, outcomes, said = [await look(made) for look in (books, Platform.outcomes, outputs)]
    await forget_offsets(made)
    for _ in range(2):
        made.worker()
    messages = Messages(lambda: Quarter(START, DAYS).end, "new")
    await made.send([messages.message(Topic.MERCHANT, "m-new", "merchant.registered", **NEW_MERCHANT)])
    await eventually(lambda: caught_up(made), state=made.state)
    assert await made.outcomes() - outcomes == Counter(applied=1)
    after = await books(made)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"decision", "merchant"}
    assert await outputs(made) == said
    await made.require_sound()


NEW_MERCHANT = {"merchant_id": "m-new", "currency": "CNY", "settlement_cycle_days": 7}


async def forget_offsets(made):
    """Set the group back to the beginning of everything, as its tools do while it has no members."""
    everywhere = [TopicPartition(made.prefix + topic, lane) for topic in LANE_TOPICS for lane in (0, 1)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=made.bootstrap, group_id=made.settings.group, enable_auto_commit=False
    )
    await consumer.start()
    try:
        consumer.assign(everywhere)
        assert any([await consumer.committed(each) for each in everywhere])
        await consumer.commit(dict.fromkeys(everywhere, 0))
        assert [await consumer.committed(each) for each in everywhere] == [0] * len(everywhere)
    finally:
        await consumer.stop()
