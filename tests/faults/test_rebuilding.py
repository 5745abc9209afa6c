"""A rebuild that is killed on its way: nothing half is put in use, and the next one begins cleanly."""

import signal

import pytest

from tests.integration.replay.conftest import caught_up
from tests.integration.replay.test_rebuild import OPERATOR_LOG, content, entered, rebuilt, schemas, shopped
from tests.platform import Messages, platform
from workers.lanes.fault_points import REBUILD_CHECKPOINTS

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(400)]


async def test_killed_anywhere_it_leaves_the_old_one_in_use_and_the_next_one_begins_anew(stack, tmp_path):
    async with platform(stack.bootstrap, stack.dsn, tmp_path) as made:
        messages = Messages()
        await shopped(made, messages)
        dsn = made.settings.postgres.dsn
        await entered(dsn, 3)
        before = await content(dsn)
        for point in REBUILD_CHECKPOINTS:
            ran = await rebuilt(made, POSTPAY_FAULT=point)
            if point == "rebuild_copied":  # a process of its lanes, not itself
                assert (ran.code, ran.out) == (1, "")
                assert "a process that read lanes was killed" in ran.complaint
            else:
                assert ran.code == -signal.SIGKILL, ran.out + ran.err
            assert await schemas(made) == ["postpay", "postpay_rebuilt"], point
            assert await content(dsn) == before, point
        worker = made.worker()
        await made.send([messages.purchase_placed(f"acc-{number}", "o-between") for number in range(12)])
        await caught_up(made)
        assert await worker.stopped() == 0
        before = await content(dsn)
        ran = await rebuilt(made)
        assert ran.code == 0, ran.out + ran.err
        assert await schemas(made) == ["postpay", ran.json["kept_as"]]
        after = await content(dsn)
        assert after[OPERATOR_LOG].pop()[0] == 4
        assert after == before
        assert await entered(dsn, 1) == 5
        worker = made.worker()
        await made.send([messages.purchase_placed(f"acc-{number}", "o-after") for number in range(12)])
        await caught_up(made)
        assert await worker.stopped() == 0
        await made.require_sound()
