"""A lane-log that is lost: the fixed rule is said clearly, and two runs agree to the last number."""

import json

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from contracts.topics import Topic
from demo.history import History, tick
from settlement.terms import TermsBook
from tests.command import Command
from tests.integration.replay.conftest import LANES, falsify, work
from tests.platform import platform
from workers.replay.merge import FIXED_RULE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

DAYS = 10


@pytest.fixture(scope="module")
async def command(stack, tmp_path_factory):
    """`postpay` on a settled platform of whose lane-log nothing is left."""
    logs = tmp_path_factory.mktemp("unlogged")
    async with platform(stack.bootstrap, stack.dsn, logs, lanes=LANES, POSTPAY_CLOCK="event") as made:
        history = History(accounts=12, merchants=2, days=DAYS, seed=5)
        await work(made, [[*history.day(day), tick(history.midnight_after(day))] for day in range(DAYS)])
        await lose_lane_log(made)
        await falsify(made.settings.postgres.dsn, "DELETE FROM outbox")  # where what was relayed stays for a while
        yield Command(made.environment)


async def lose_lane_log(made):
    admin = AIOKafkaAdminClient(bootstrap_servers=made.bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([made.prefix + Topic.LANE_LOG])
    finally:
        await admin.close()
    created = Command(made.environment)("topics", "create")
    assert created.code == 0, created.err


async def test_a_verification_proves_nothing_says_its_rule_and_agrees_with_the_next(command):
    first, second = (command("replay", "verify", "--json").json for _ in range(2))
    assert not first["complete"]
    for one, other in zip(first["lanes"], second["lanes"], strict=True):
        assert one["unfinished"].startswith(FIXED_RULE)
        assert one["messages"] > 10
        assert one["unfinished"] == other["unfinished"], "the same hash"
    assert "fixed rule" in command("replay", "verify").out


async def test_simulations_say_their_rule_and_agree(command, tmp_path):
    file = tmp_path / "terms.json"
    document = json.loads(json.dumps(TermsBook.builtin().document))
    file.write_text(json.dumps(document))
    same = command("replay", "simulate", "--terms", str(file), "--recorded-terms", str(file), "--json").json
    assert same["lanes_without_log"] == LANES
    assert same["equal"], same["most_apart"]
    for programme in document["versions"][0]["programmes"].values():
        programme.setdefault("needs", {})["score_at_least"] = 700
    file.write_text(json.dumps(document))
    first, second = (command("replay", "simulate", "--terms", str(file), "--json").json for _ in range(2))
    assert not first["equal"]
    assert any(FIXED_RULE in note for note in first["notes"])
    for report in (first, second):
        del report["seconds"], report["per_s"]
    assert first == second
