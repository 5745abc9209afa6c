"""Input of every kind of producer goes its whole way once: topic, tables, notification, lane-log."""

import asyncio
import json

import pytest
from confluent_kafka import Producer as LibrdkafkaProducer

from contracts.topics import Topic
from tests.platform import Message, Messages, eventually, platform
from workers.kafka.homes import home_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
async def made(stack, tmp_path):
    async with platform(stack.bootstrap, stack.dsn, tmp_path) as platform_:
        yield platform_


async def test_one_purchase_goes_from_topic_to_table_to_notification(made):
    messages = Messages()
    await made.send([messages.line_opened("acc-1"), messages.purchase_placed("acc-1", "order-1")])
    # One batch, however far apart a slow machine fetches the two topics.
    worker = made.worker(POSTPAY_WORKER__MERGE_WAIT_S="30")
    await made.settled(2)
    (account,) = await made.fetch("SELECT available_minor, held_minor FROM account")
    assert (account["available_minor"], account["held_minor"]) == (10**9 - 1000, 1000)
    (notice,) = await made.outputs()
    assert (notice["template"], notice["recipient_id"]) == ("purchase_accepted", "acc-1")
    (record,) = [json.loads(each.value) for each in await made.read(Topic.LANE_LOG) if b'"batch"' in each.value]
    assert record["offsets"] == {"credit-line": [0, 1, 1], "purchase": [0, 1, 1]}
    assert record["outcomes"] == {"applied": 2}
    await made.require_sound()
    assert await worker.stopped() == 0


async def test_compressed_and_transactional_input_is_settled_and_aborted_input_is_not(made):
    messages = Messages()
    await made.send([messages.line_opened("acc-1")])
    for codec in ("gzip", "lz4", "snappy", "zstd"):
        await made.send(
            [messages.purchase_placed("acc-1", f"{codec}-{number}") for number in range(5)], compression_type=codec
        )
    async with made.producer(transactional_id=f"{made.prefix}team") as producer:
        for commits in (True, False, True, False):
            await producer.begin_transaction()
            await asyncio.gather(
                *[
                    await made.put(producer, messages.purchase_placed("acc-1", f"{commits}-{number}"))
                    for number in range(3)
                ]
            )
            await (producer.commit_transaction() if commits else producer.abort_transaction())
    made.worker()
    # The second committed transaction repeats the first one's orders under new event ids.
    await made.settled(1 + 20 + 6)
    assert await made.outcomes() == {"applied": 1 + 20 + 3, "duplicate": 3}
    assert await made.count("SELECT count(*) FROM purchase_order WHERE order_id LIKE 'False%'") == 0
    await made.require_sound()


async def test_control_records_at_the_end_are_settled_too_so_that_the_lag_becomes_zero(made):
    messages = Messages()
    async with made.producer(transactional_id=f"{made.prefix}team") as producer:
        await producer.begin_transaction()
        await (await made.put(producer, messages.line_opened("acc-1")))
        await producer.abort_transaction()
    made.worker()
    lane = home_of("acc-1", made.settings.lanes)
    position = "SELECT coalesce(max(next_offset), 0) FROM lane_offset WHERE lane = $1 AND topic = 'credit-line'"

    async def reached():
        return await made.count(position, lane) == 2

    await eventually(reached, state=made.state)
    await made.require_sound()


async def test_what_a_crc32_producer_puts_elsewhere_is_settled_on_its_home_lane(made):
    messages = Messages()
    accounts = [f"acc-{number}" for number in range(30)]
    opened = [messages.line_opened(account) for account in accounts]
    placed = [messages.purchase_placed(account, f"order-{account}") for account in accounts]
    producer = LibrdkafkaProducer({"bootstrap.servers": made.bootstrap})
    for message in [*opened, *placed]:
        producer.produce(made.prefix + message.topic, message.value, key=message.key.encode())
    assert producer.flush(20) == 0
    records = await made.read(Topic.CREDIT_LINE)
    misplaced = {r.key.decode() for r in records if r.partition != home_of(r.key.decode(), made.settings.lanes)}
    assert misplaced, "librdkafka's default partitioner should put some elsewhere"
    made.worker()
    await made.settled(2 * len(accounts))
    assert await made.outcomes() == {"applied": 2 * len(accounts)}
    rows = await made.fetch("SELECT lane, account_id FROM account")
    assert {(row["lane"], row["account_id"]) for row in rows} == {
        (home_of(account, made.settings.lanes), account) for account in accounts
    }
    # Settled under the topic they were produced to, whichever way they came.
    topics = await made.fetch("SELECT DISTINCT topic FROM decision")
    assert {row["topic"] for row in topics} == {"credit-line", "purchase"}
    assert len(await made.read(Topic.REROUTED)) == 2 * len(misplaced)
    await made.require_sound()


async def test_a_record_without_a_time_on_a_wrong_lane_is_settled_at_home(made):
    account = "acc-1"
    wrong = 1 - home_of(account, made.settings.lanes)
    message = Messages().line_opened(account)
    async with made.producer() as producer:
        batch = producer.create_batch()
        batch.append(timestamp=-1, key=account.encode(), value=message.value, headers=[("own", None)])
        await (await producer.send_batch(batch, made.prefix + message.topic, partition=wrong))
    made.worker()
    await made.settled(1)
    (sent_on,) = await made.read(Topic.REROUTED)
    assert dict(sent_on.headers)["postpay-origin-timestamp"] == b"-1"
    assert await made.outcomes() == {"applied": 1}
    await made.require_sound()


async def test_a_record_put_wrong_on_rerouted_as_well_is_a_dead_letter(made):
    account = "acc-1"
    wrong = 1 - home_of(account, made.settings.lanes)
    message = Messages().line_opened(account)
    origin = [
        ("postpay-origin-topic", b"credit-line"),
        ("postpay-origin-partition", b"%d" % (1 - wrong)),
        ("postpay-origin-offset", b"0"),
        ("postpay-origin-timestamp", b"0"),
    ]
    async with made.producer() as producer:
        await (await made.put(producer, Message(Topic.REROUTED, account, message.value, origin), wrong))
    made.worker()
    await made.settled(1)
    (letter,) = await made.outputs(Topic.DEAD_LETTER)
    assert (letter["reason"], letter["topic"]) == ("misrouted", "credit-line")
    await made.require_sound()


async def test_garbage_becomes_one_dead_letter_each_and_its_neighbours_are_settled(made):
    messages = Messages()
    garbage = [b"", b"{", b"null", b"\xff\xfe", b'{"a":1,"a":2}', b"x" * 300_000, b'{"type":"purchase.placed"}', b"\0"]
    sent = [messages.line_opened("acc-1")]
    for number, value in enumerate(garbage):
        sent += [Message(Topic.PURCHASE, "acc-1", value), messages.purchase_placed("acc-1", f"order-{number}")]
    await made.send(sent, max_request_size=2 * 1024 * 1024)
    made.worker()
    await made.settled(len(sent))
    assert await made.outcomes() == {"applied": 1 + len(garbage), "dead_lettered": len(garbage)}
    letters = await made.outputs(Topic.DEAD_LETTER)
    assert sorted(letter["offset"] for letter in letters) == [2 * number for number in range(len(garbage))]
    await made.require_sound()


async def test_sending_everything_twice_changes_nothing(made):
    messages = Messages()
    sent = [messages.line_opened("acc-1"), *(messages.purchase_placed("acc-1", f"order-{n}") for n in range(20))]
    made.worker()
    await made.send(sent)
    await made.settled(len(sent))
    before = await made.outputs()
    await made.send(sent)
    await made.settled(2 * len(sent))
    assert await made.outcomes() == {"applied": len(sent), "duplicate": len(sent)}
    assert await made.outputs() == before
    await made.require_sound()
