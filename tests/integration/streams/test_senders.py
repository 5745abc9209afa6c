"""Lanes that share one producer: who fences whom, what the lane-log says of it, and that nobody else's lanes suffer."""

import json
import signal

import pytest
from aiokafka.errors import KafkaError

from contracts.topics import Topic
from tests.platform import Messages, eventually, platform
from workers.kafka.homes import home_of
from workers.lanes.lanelog import ClaimLog, log_key
from workers.lanes.relay import CLAIM_AGAIN_AFTER
from workers.lanes.sender import TRANSACTION_TIMEOUT_S, fence, lane_sender, producer_named

FENCED = "sender fenced"
INTERRUPTED = "relay interrupted"


@pytest.fixture
async def made(stack, tmp_path):
    async with platform(stack.bootstrap, stack.dsn, tmp_path) as platform_:
        yield platform_


def account_of(lane):
    return next(name for name in (f"acc-{number}" for number in range(100)) if home_of(name, 2) == lane)


async def claims(made, lane):
    documents = [json.loads(record.value) for record in await made.read(Topic.LANE_LOG) if record.partition == lane]
    return [document for document in documents if document["kind"] == "claim"]


async def epochs(made):
    return [row["epoch"] for row in await made.fetch("SELECT epoch FROM lane ORDER BY lane")]


async def database_id(made):
    return str((await made.fetch("SELECT database_id FROM identity"))[0][0])


async def test_a_workers_lanes_share_a_sender_and_release_it_when_it_ends(made):
    messages = Messages()
    await made.send([messages.line_opened(account_of(lane)) for lane in (0, 1)])
    worker = made.worker()
    await made.settled(2)
    assert await worker.stopped() == 0
    last = [(await claims(made, lane))[-1] for lane in (0, 1)]
    assert [claim["released"] for claim in last] == [True, True]
    assert last[0]["sender"] == last[1]["sender"] != ""


async def test_who_finds_itself_fenced_drops_the_lane_that_was_lost_and_goes_on_with_the_others(made):
    messages = Messages()
    await made.send([messages.line_opened(account_of(lane)) for lane in (0, 1)])
    worker = made.worker()
    await made.settled(2)
    before = await epochs(made)
    sender = (await claims(made, 0))[-1]["sender"]
    await made.fetch("UPDATE lane SET epoch = epoch + 1 WHERE lane = 0")  # as by another that claims it
    await fence(made.settings, sender)
    await made.send([messages.purchase_placed(account_of(lane), f"order-{lane}") for lane in (0, 1)])
    await made.settled(4)
    await worker.says(FENCED)
    assert await epochs(made) == [before[0] + 2, before[1]]
    assert INTERRUPTED not in worker.log.read_text()
    await made.require_sound()


async def test_a_frozen_workers_sender_is_fenced_by_who_takes_its_lanes(made):
    messages = Messages()
    await made.send([messages.line_opened(account_of(lane)) for lane in (0, 1)])
    frozen = made.worker()
    await made.settled(2)
    sender = (await claims(made, 0))[-1]["sender"]
    frozen.send(signal.SIGSTOP)
    await made.send([messages.purchase_placed(account_of(lane), f"order-{lane}") for lane in (0, 1)])
    made.worker()
    await made.settled(4)
    assert (await claims(made, 0))[-1]["sender"] != sender
    zombie = producer_named(made.settings, sender)
    await zombie.start()  # has the epoch after that of whoever fenced it
    assert zombie._txn_manager.producer_epoch >= 2
    await zombie.stop()
    frozen.send(signal.SIGCONT)
    await made.send([messages.purchase_placed(account_of(lane), f"late-{lane}") for lane in (0, 1)])
    await made.settled(6)
    await made.require_sound()


async def test_a_lanes_own_producer_of_an_earlier_release_is_fenced_and_its_transaction_ended(made):
    identity = await database_id(made)
    old = producer_named(made.settings, lane_sender(identity, 0))
    await old.start()
    claim = json.loads(ClaimLog(identity, "", made.prefix, made.settings.group, 0, 0, "old").encode())
    del claim["sender"], claim["released"]
    await old.begin_transaction()
    await old.send_and_wait(made.prefix + Topic.LANE_LOG, json.dumps(claim).encode(), key=log_key(0), partition=0)
    made.worker()
    await made.send([Messages().line_opened(account_of(0))])
    await made.settled(1, within_s=TRANSACTION_TIMEOUT_S / 2)
    with pytest.raises(KafkaError):
        await old.commit_transaction()
    await old.stop()
    await made.require_sound()


async def test_a_lane_that_sends_for_long_claims_again_now_and_then(made):
    messages = Messages()
    account = account_of(0)
    await made.send([messages.line_opened(account)])
    worker = made.worker(POSTPAY_WORKER__BATCH_MAX_MESSAGES="1")
    more = CLAIM_AGAIN_AFTER + 10
    await made.send([messages.purchase_placed(account, f"order-{number}") for number in range(more)])
    await eventually(lambda: _is_claimed_again(made), state=made.state)
    assert len(set(await epochs(made))) == 1
    assert await worker.stopped() == 0


async def _is_claimed_again(made):
    named = [claim for claim in await claims(made, 0) if not claim["released"]]
    return len(named) > 1
