"""Lanes by themselves and beside each other: time, terms, timers, pausing, stopping, handing over."""

import asyncio
import json
import signal
import time
from datetime import UTC, datetime, timedelta

import asyncpg
import psutil
import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition

from contracts.topics import Topic
from settlement.terms import TermsBook
from storage import lanes
from tests.platform import Message, Messages, eventually, platform
from tests.runbooks import accept_gap
from workers.kafka.homes import home_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

START = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
async def made(stack, tmp_path):
    async with platform(stack.bootstrap, stack.dsn, tmp_path) as platform_:
        yield platform_


@pytest.fixture
async def timed(stack, tmp_path):
    """Under the event clock."""
    environment = {"POSTPAY_CLOCK": "event", "POSTPAY_WORKER__TIMERS_PER_BATCH": "10"}
    async with platform(stack.bootstrap, stack.dsn, tmp_path, **environment) as platform_:
        yield platform_


class Clock:
    """Time that a test moves on."""

    def __init__(self, now=START):
        self.now = now

    def __call__(self):
        self.now += timedelta(seconds=1)
        return self.now


def account_on(lane, lanes_there=2):
    return next(name for name in (f"acc-{n}" for n in range(100)) if home_of(name, lanes_there) == lane)


async def broadcast(made, message):
    async with made.producer() as producer:
        for lane in range(made.settings.lanes):
            await (await made.put(producer, message, lane))


def trial(messages, account):
    """A trial purchase that was received: its end sets a timer."""
    return [
        messages.line_opened(account, programme="tmall", score=700),
        messages.purchase_placed(account, f"order-{account}", plan={"kind": "trial", "days": 7}),
        messages.message(Topic.PURCHASE, account, "purchase.received", account_id=account, order_id=f"order-{account}"),
    ]


async def test_under_the_event_clock_a_tick_fires_what_became_due_in_bounded_batches(timed):
    clock = Clock()
    messages = Messages(clock)
    accounts = [f"acc-{number}" for number in range(60)]
    await timed.send([message for account in accounts for message in trial(messages, account)])
    worker = timed.worker()
    await timed.settled(3 * len(accounts))
    assert await timed.outputs(Topic.AUTO_DEBIT) == []
    clock.now += timedelta(days=10)
    await broadcast(timed, messages.clock_ticked())
    await eventually(lambda: requested(timed, len(accounts)), state=timed.state)
    debits = await timed.outputs(Topic.AUTO_DEBIT)
    assert {debit["account_id"] for debit in debits} == set(accounts)
    assert {debit["occurred_at"][:10] for debit in debits} == {"2026-03-08"}  # 00:00 of the 9th in Shanghai
    logs = [json.loads(record.value) for record in await timed.read(Topic.LANE_LOG)]
    parties = [log["timers"]["parties"] for log in logs if log["kind"] == "batch" and log["timers"]["parties"]]
    assert sum(parties) == len(accounts)
    assert max(parties) <= 10
    assert await worker.stopped() == 0
    await timed.require_sound()


async def requested(made, number):
    return len(await made.outputs(Topic.AUTO_DEBIT)) >= number


async def fired(made):
    return await made.fetch("SELECT decided_at FROM decision WHERE kind = 'timer'")


async def test_under_the_wall_clock_an_idle_lane_wakes_up_for_its_next_timer(made):
    messages = Messages()
    account = account_on(0)
    await made.send(trial(messages, account))
    began_at = time.monotonic()
    first = made.worker()
    await made.settled(3)
    start_took = timedelta(seconds=time.monotonic() - began_at)
    assert await first.stopped() == 0
    # Late enough that the next worker has started, and is idle, on a slow machine as well.
    soon = await made.count("SELECT clock_timestamp() + $1", timedelta(seconds=5) + 3 * start_took)
    await made.fetch("UPDATE timer SET due_at = $1 WHERE kind = 'trial_end'", soon)
    made.worker()
    await eventually(lambda: fired(made), state=made.state)
    assert (await fired(made))[0]["decided_at"] == soon
    (batch,) = await made.fetch("SELECT committed_at FROM batch ORDER BY committed_at DESC LIMIT 1")
    assert timedelta() <= batch["committed_at"] - soon < timedelta(seconds=2)


async def test_a_lane_switches_to_new_terms_when_it_comes_to_them(made):
    messages = Messages()
    document = json.loads(json.dumps(TermsBook.builtin().document))
    later = json.loads(json.dumps(document["versions"][-1])) | {"effective_from": "2027-01-01"}
    document["versions"].append(later)
    made.worker()
    before = await made.count("SELECT count(DISTINCT terms_digest) FROM lane")
    await broadcast(made, messages.message(Topic.TERMS, "terms", "terms.published", terms=document))
    await made.settled(2)
    digests = await made.fetch("SELECT DISTINCT terms_digest FROM lane")
    assert before == 1
    assert [row["terms_digest"] for row in digests] == [TermsBook.parse(document).digest]
    document["versions"] = []
    await broadcast(made, messages.message(Topic.TERMS, "terms", "terms.published", terms=document))
    await made.settled(4)
    assert {letter["reason"] for letter in await made.outputs(Topic.DEAD_LETTER)} == {"terms_invalid"}
    assert await made.fetch("SELECT DISTINCT terms_digest FROM lane") == digests
    await made.require_sound()


@pytest.mark.timeout(400)  # 30 MB pass through an inbox of 1 MiB: 45 s on a quiet machine
async def test_a_lane_whose_row_somebody_holds_waits_alone_and_within_bounds_of_memory(made):
    messages = Messages()
    blocked, free = account_on(0), account_on(1)
    worker = made.worker(POSTPAY_WORKER__INBOX_BYTES=str(2**20))
    await made.send([messages.line_opened(blocked), messages.line_opened(free)])
    await made.settled(2)
    size = psutil.Process(worker.pid).memory_info().rss
    holder = await asyncpg.connect(made.settings.postgres.dsn)
    async with holder.transaction():
        await holder.execute("SELECT FROM postpay.lane WHERE lane = 0 FOR UPDATE")
        padding = "x" * 20_000
        await made.send([messages.purchase_placed(blocked, f"order-{n}", padding=padding) for n in range(1500)])
        await made.send([messages.purchase_placed(free, f"other-{n}") for n in range(300)])
        await eventually(lambda: orders(made, 300), state=made.state)
        assert await made.count("SELECT count(*) FROM purchase_order WHERE lane = 0") == 0
        await worker.says("database away")
        grown = psutil.Process(worker.pid).memory_info().rss - size
        assert grown < 25 * 2**20, f"{grown} bytes for a lane that may hold 1 MiB of 30"
    await holder.close()
    await made.settled(2 + 1500 + 300, within_s=240)
    assert await made.outcomes() == {"applied": 1802}
    assert worker.log.read_text().count("database away") == 1
    await made.require_sound()


async def orders(made, number):
    return await made.count("SELECT count(*) FROM purchase_order") >= number


async def test_a_worker_told_to_stop_finishes_and_relays_its_batch_and_another_goes_on(made):
    messages = Messages()
    accounts = [f"acc-{number}" for number in range(50)]
    worker = made.worker()
    await made.send([messages.line_opened(account) for account in accounts])
    sent = len(accounts)
    sending = asyncio.create_task(
        made.send([messages.purchase_placed(accounts[n % 50], f"order-{n}") for n in range(3000)], linger_ms=5)
    )
    await eventually(lambda: orders(made, 1), state=made.state)
    worker.send(signal.SIGINT)
    assert await worker.ended(30) == 0, worker.tail()
    assert await made.relayed(), "what was settled must be sent before the end"
    await sending
    made.worker()
    await made.settled(sent + 3000)
    assert await made.outcomes() == {"applied": sent + 3000}
    await made.require_sound()


async def test_a_worker_that_still_waits_for_its_database_can_be_stopped(made):
    worker = made.worker(POSTPAY_POSTGRES__DSN="postgresql://nobody@127.0.0.1:1/none")
    await worker.says("waiting for the database")
    worker.send(signal.SIGTERM)
    assert await worker.ended() == 0, worker.tail()  # one that does not listen gives up in the end, with 2


async def test_lanes_move_to_a_worker_that_joins_and_those_that_stay_keep_their_claim(stack, tmp_path):
    async with platform(stack.bootstrap, stack.dsn, tmp_path, lanes=4) as made:
        messages = Messages()
        first = made.worker()
        await made.send([messages.line_opened(f"acc-{n}") for n in range(20)])
        await made.settled(20)
        second = made.worker()
        await eventually(lambda: epochs(made, [1, 1, 2, 2]), state=made.state)
        await made.send([messages.purchase_placed(f"acc-{n}", f"order-{n}") for n in range(20)])
        await made.settled(40)
        assert await owners(made, 2)
        assert await epochs(made, [1, 1, 2, 2])
        assert await first.stopped() == 0
        await eventually(lambda: owners(made, 1), state=made.state)
        await made.send([messages.purchase_placed(f"acc-{n}", f"more-{n}") for n in range(20)])
        await made.settled(60)
        assert await second.stopped() == 0
        await made.require_sound()


async def epochs(made, expected):
    return [row["epoch"] for row in await made.fetch("SELECT epoch FROM lane ORDER BY epoch")] == expected


async def owners(made, number):
    rows = await made.fetch("SELECT owner, count(*) FROM lane GROUP BY owner")
    return len(rows) == number


async def test_a_batch_under_an_older_epoch_is_refused_and_the_lane_claimed_again(made):
    """As a zombie finds itself, but the group still says the lane is ours."""
    messages = Messages()
    account = account_on(0)
    worker = made.worker()
    await made.send([messages.line_opened(account)])
    await made.settled(1)
    async with made.database() as connection:
        stranger = await lanes.claim(connection, 0, "stranger")
    await made.send([messages.purchase_placed(account, f"order-{n}") for n in range(10)])
    await made.settled(11)
    assert await made.count("SELECT epoch FROM lane WHERE lane = 0") == stranger.epoch + 1
    assert worker.is_running
    await made.require_sound()


async def test_input_deleted_before_it_was_settled_stops_the_lane_until_somebody_accepts_the_gap(made):
    messages = Messages()
    account = account_on(0)
    await made.send([messages.line_opened(account)])
    await made.send([messages.purchase_placed(account, f"order-{n}") for n in range(10)])
    purchases = TopicPartition(f"{made.prefix}purchase", 0)
    admin = AIOKafkaAdminClient(bootstrap_servers=made.bootstrap)
    await admin.start()
    await admin.delete_records({purchases: RecordsToDelete(before_offset=4)})
    await admin.close()
    worker = made.worker()
    await worker.says("offsets 0 to 3 were deleted before they were settled")
    assert await made.count("SELECT count(*) FROM decision") == 0
    other = account_on(1)
    await made.send([messages.line_opened(other)])
    await eventually(lambda: made.count("SELECT count(*) FROM account WHERE lane = 1"), state=made.state)
    async with made.database() as connection:
        await accept_gap(connection, 0, "purchase", 4)
    await made.settled(1 + 1 + 6)
    assert worker.log.read_text().count("lane stopped") == 1
    await made.require_sound()


async def test_a_topic_made_anew_stops_the_lane(made):
    messages = Messages()
    account = account_on(0)
    worker = made.worker()
    await made.send([messages.line_opened(account)])
    await made.settled(1)
    assert await worker.stopped() == 0
    admin = AIOKafkaAdminClient(bootstrap_servers=made.bootstrap)
    await admin.start()
    await admin.delete_topics([f"{made.prefix}credit-line"])
    await admin.close()
    from workers.kafka import topics

    async def made_anew():
        return f"{made.prefix}credit-line" in (await topics.create(made.settings)).created

    await eventually(made_anew)
    await eventually(lambda: agrees(made))
    await made.send([Messages(name="other").line_opened(account)])
    again = made.worker()
    await again.says("is not the one that was settled last")
    assert await made.count("SELECT count(*) FROM decision") == 1


async def agrees(made):
    from workers.kafka import topics

    return await topics.check(made.settings) == []


async def test_a_message_of_no_known_time_does_not_hold_up_the_event_clock(timed):
    clock = Clock()
    messages = Messages(clock)
    account = account_on(0)
    sent = [messages.line_opened(account), Message(Topic.PURCHASE, account, b"{")]
    far = messages.purchase_placed(account, "far", occurred_at=(START + timedelta(days=500)).isoformat())
    await timed.send([*sent, far, messages.purchase_placed(account, "order-1")])
    timed.worker()
    await timed.settled(4)
    assert await timed.outcomes() == {"applied": 2, "dead_lettered": 2}
    assert {letter["reason"] for letter in await timed.outputs(Topic.DEAD_LETTER)} == {"not_json", "time_jump"}


async def test_a_record_that_the_database_refuses_costs_itself_and_not_its_lane(made):
    messages = Messages()
    accounts = [name for name in (f"acc-{n}" for n in range(100)) if home_of(name, 2) == 0][:3]
    async with made.database() as connection:
        await connection.execute("ALTER TABLE purchase_order ADD CHECK (order_id <> 'poison')")
    orders = [
        messages.purchase_placed(account, "poison" if n == 7 and account is accounts[1] else f"order-{n}")
        for n in range(20)
        for account in accounts
    ]
    await made.send([messages.line_opened(account) for account in accounts])
    await made.send(orders)
    worker = made.worker()
    await made.settled(len(accounts) + len(orders))
    (letter,) = await made.outputs(Topic.DEAD_LETTER)
    assert (letter["reason"], letter["input_event_id"]) == ("internal_error", json.loads(orders[22].value)["event_id"])
    assert "CheckViolationError" in letter["detail"]
    assert await made.count("SELECT count(*) FROM purchase_order") == len(orders) - 1
    assert worker.log.read_text().count("the database refuses a record") == 1
    assert "lane stopped" not in worker.log.read_text()
    assert await worker.stopped() == 0
    await made.require_sound()
