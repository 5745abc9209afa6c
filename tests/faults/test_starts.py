"""A worker that gets no lanes says what is in its way, goes on trying, and stops when it is told to."""

from collections.abc import AsyncIterator

import pytest

from contracts.topics import LANE_TOPICS
from tests.faults import foreign
from tests.faults.looking import AT_ONCE_S, HEALED_S, ended, is_ready, lines, metric, says_not_ready
from tests.platform import Messages, Platform, platform
from workers.kafka import topics

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(240)]

REFUSED = "the group does not let this worker in: it goes on trying"
LET_IN = "the group has let this worker in"


@pytest.fixture
async def made(guarded_stack, tmp_path) -> AsyncIterator[Platform]:
    async with platform(guarded_stack.bootstrap, guarded_stack.dsn, tmp_path, POSTPAY_OPS__REFRESH_S="0.5") as made:
        messages = Messages()
        await made.send([messages.line_opened("acc-1"), messages.purchase_placed("acc-1", "order-1")])
        yield made


async def settles_once(made: Platform, worker) -> None:
    await is_ready(worker)
    await made.settled(2, within_s=HEALED_S)
    await made.require_sound()
    assert await worker.stopped() == 0


async def test_a_group_that_a_foreign_consumer_sits_in_is_named_and_waited_for(made):
    async with foreign.member(made.bootstrap, made.settings.group, [f"{made.prefix}purchase"]):
        worker = made.worker()
        await says_not_ready(worker, made.settings.group, "InconsistentGroupProtocol", foreign.CLIENT_ID)
        other = made.worker()
        await says_not_ready(other, "InconsistentGroupProtocol")
        assert await metric(worker, "postpay_assigned") == 0
        await ended(other, AT_ONCE_S)
        assert worker.is_running
    await settles_once(made, worker)
    assert (len(lines(worker, REFUSED)), len(lines(worker, LET_IN))) == (1, 1)


async def test_a_consumer_that_the_broker_deals_out_partitions_to_is_told_of_and_outwaited(made):
    names = [made.prefix + topic for topic in LANE_TOPICS]
    async with foreign.member(made.bootstrap, made.settings.group, names, group_protocol="consumer"):
        worker = made.worker()
        await says_not_ready(worker, made.settings.group, "shares the group")
    await settles_once(made, worker)
    assert len(lines(worker, "the group gives parts of lanes")) == 1
    assert len(lines(worker, "the group gives whole lanes again")) == 1


async def test_a_group_that_the_worker_may_not_join_is_named_and_waited_for(made):
    async with foreign.denied(made.bootstrap, "GROUP", made.settings.group, "READ"):
        worker = made.worker()
        await says_not_ready(worker, made.settings.group, "GroupAuthorizationFailed")
        other = made.worker()
        await says_not_ready(other, "GroupAuthorizationFailed")
        await ended(other, AT_ONCE_S)
    await settles_once(made, worker)
    assert (len(lines(worker, REFUSED)), len(lines(worker, LET_IN))) == (1, 1)


async def test_a_member_that_loses_its_right_to_the_group_says_so_and_comes_back(made):
    worker = made.worker()
    await is_ready(worker)
    await made.settled(2)
    async with foreign.denied(made.bootstrap, "GROUP", made.settings.group, "READ"):
        await says_not_ready(worker, "GroupAuthorizationFailed")
        await made.send([Messages(name="later").purchase_placed("acc-1", "order-2")])
    await is_ready(worker)
    await made.settled(3, within_s=HEALED_S)
    await made.require_sound()
    assert await worker.stopped() == 0


async def test_a_topic_that_is_deleted_meanwhile_is_named_and_its_lanes_come_back_with_it(made):
    worker = made.worker()
    await is_ready(worker)
    await made.settled(2)
    name = f"{made.prefix}payout-result"
    await foreign.delete_topic(made.bootstrap, name)
    await says_not_ready(worker, f"{name} has 0")
    await topics.create(made.settings)
    await is_ready(worker)
    await made.send([Messages(name="later").purchase_placed("acc-1", "order-2")])
    await made.settled(3, within_s=HEALED_S)
    assert len(lines(worker, "lanes refused: wrong number of partitions")) == 1
    assert len(lines(worker, "topics have as many partitions as there are lanes")) == 1
    assert await worker.stopped() == 0


async def test_more_workers_than_lanes_are_ready(made):
    workers = [made.worker() for _ in range(made.settings.lanes + 1)]
    for worker in workers:
        await is_ready(worker)
    await made.settled(2)
    for worker in workers:
        await ended(worker, AT_ONCE_S)
