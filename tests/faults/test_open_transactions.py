"""A transaction that another producer leaves open: told by lag, worker and log; what lies behind it is settled once."""

import asyncio

import pytest

from contracts.topics import Topic
from tests.command import Command
from tests.faults import foreign
from tests.faults.looking import HEALED_S, ended, is_ready, lines, metric
from tests.platform import Messages, eventually, platform
from workers.kafka.homes import home_of
from workers.lanes.open_transactions import TOLD_AFTER_S
from workers.replay import broker
from workers.replay.broker import output_extent
from workers.replay.extent import HistoryError

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(240)]

HOLDS_BACK = "a transaction that nobody ends holds records back"
OVER = "no transaction is open any more"
SHOWN_AFTER_S = 10.0
"""What lies behind a transaction in an output topic: enough for a verification to begin meanwhile."""


@pytest.mark.parametrize("end", ["commit", "abort"])
async def test_records_behind_a_foreign_transaction_are_told_of_and_settled_once_when_it_ends(end, stack, tmp_path):
    async with platform(stack.bootstrap, stack.dsn, tmp_path, POSTPAY_OPS__REFRESH_S="0.5") as made:
        postpay = Command(made.environment)
        messages = Messages()
        await made.send([messages.line_opened("acc-1"), messages.purchase_placed("acc-1", "order-1")])
        worker = made.worker()
        await made.settled(2)
        inside, behind = messages.purchase_placed("acc-1", "inside"), messages.purchase_placed("acc-1", "behind")
        lane = home_of("acc-1", made.settings.lanes)

        def send(producer):
            producer.produce(made.prefix + inside.topic, inside.value, inside.key, partition=lane)

        async with foreign.open_transaction(made.bootstrap, send) as producer:
            await made.send([behind])
            said = (postpay("lag", "--json")).json
            assert (said["caught_up"], said["records"], said["open_transaction_records"]) == (False, 0, 2)
            (topic,) = [each for each in said["settled"] if each["open_transaction_records"]]
            assert (topic["topic"], topic["lane"], topic["open_transaction_records"]) == ("purchase", lane, 2)
            assert topic["open_transaction_seconds"] > 0
            assert "2 records behind open transactions" in (postpay("lag")).out

            async def told():
                return bool(lines(worker, HOLDS_BACK))

            await eventually(told, TOLD_AFTER_S + HEALED_S)
            assert await metric(worker, "postpay_open_transaction_records") == 2
            assert await metric(worker, "postpay_open_transaction_seconds") > TOLD_AFTER_S
            assert await metric(worker, "postpay_ready") == 1
            ending = producer.commit_transaction if end == "commit" else producer.abort_transaction
            await asyncio.to_thread(ending)
        records = 4 if end == "commit" else 3
        await made.settled(records, within_s=HEALED_S)
        assert (postpay("lag", "--wait", "30", "--json")).code == 0
        assert await made.count("SELECT count(*) FROM purchase_order") == records - 1
        await eventually(lambda: len(lines(worker, OVER)) == 1)
        assert len(lines(worker, HOLDS_BACK)) == 1
        await made.require_sound()
        await is_ready(worker)
        await ended(worker)


async def test_a_verification_waits_for_outputs_that_are_sent_and_not_shown_yet(stack, tmp_path):
    async with platform(stack.bootstrap, stack.dsn, tmp_path) as made:
        messages = Messages()
        await made.send([messages.line_opened("acc-1")])
        made.worker()
        await made.settled(1)

        async with foreign.open_transaction(made.bootstrap, _notice(made), SHOWN_AFTER_S):
            await made.send([messages.purchase_placed("acc-1", "order-1")])
            await made.settled(2)  # its batch is in the lane-log, and its notice behind the transaction
            assert await made.outputs(Topic.NOTIFICATION) == []
            verified, _ = await asyncio.gather(
                asyncio.to_thread(Command(made.environment), "replay", "verify", "--json"), made.require_sound()
            )
        assert verified.code == 0, verified
        assert verified.json["outputs"] == 1


async def test_a_transaction_in_an_output_topic_that_does_not_end_is_named(stack, tmp_path, monkeypatch):
    monkeypatch.setattr(broker, "OPEN_TIMEOUT_S", 0.0)
    async with platform(stack.bootstrap, stack.dsn, tmp_path) as made:
        lane = home_of("acc-1", made.settings.lanes)
        async with foreign.open_transaction(made.bootstrap, _notice(made)) as producer:
            with pytest.raises(
                HistoryError, match=rf"{made.prefix}notification\[{lane}\] from offset 0: a transaction"
            ):
                await output_extent(made.settings, lane, [Topic.NOTIFICATION])
            await asyncio.to_thread(producer.abort_transaction)
        monkeypatch.undo()
        extent = await output_extent(made.settings, lane, [Topic.NOTIFICATION])
        assert extent.ends == {Topic.NOTIFICATION: 2}  # its record, and what aborts it


def _notice(made):
    """Sends a record where lane notices of acc-1 go."""
    lane = home_of("acc-1", made.settings.lanes)
    return lambda producer: producer.produce(made.prefix + Topic.NOTIFICATION, b"{}", b"acc-1", partition=lane)
