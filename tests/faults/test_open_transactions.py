"""A transaction that another producer leaves open: told by lag, worker and log; what lies behind it is settled once."""

import asyncio

import pytest

from tests.command import Command
from tests.faults import foreign
from tests.faults.looking import HEALED_S, ended, is_ready, lines, metric
from tests.platform import Messages, eventually, platform
from workers.kafka.homes import home_of
from workers.lanes.open_transactions import TOLD_AFTER_S

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(240)]

HOLDS_BACK = "a transaction that nobody ends holds records back"
OVER = "no transaction is open any more"


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
