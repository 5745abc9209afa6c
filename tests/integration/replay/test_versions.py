"""What another version of the rules decided differently is told apart from what somebody changed."""

import asyncio

import pytest

from contracts.topics import Topic
from settlement.version import RULES_VERSION
from tests.command import Command
from tests.integration.replay.conftest import caught_up, falsify
from tests.platform import Messages, platform
from workers.kafka.homes import home_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

OLD_RELEASE = '''
"""The release before: version 1 of the rules, which refused every purchase below ten yuan."""

import settlement.version

settlement.version.RULES_VERSION = 1

import settlement.decide
from settlement.decision import DeclineReason
from settlement.messages import PurchasePlaced

unknown, placed = settlement.decide.RULES[PurchasePlaced]


def strict(draft, body):
    if body.amount_minor < 1000:
        return draft.declined(DeclineReason.NOT_SUPPORTED)
    return placed(draft, body)


settlement.decide.RULES[PurchasePlaced] = (unknown, strict)
'''


@pytest.fixture
async def upgraded(stack, tmp_path):
    """Two lanes, settled by the release before and then by this one; only the first had a purchase of less."""
    (tmp_path / "sitecustomize.py").write_text(OLD_RELEASE)
    async with platform(stack.bootstrap, stack.dsn, tmp_path) as made:
        messages, old = Messages(), {"PYTHONPATH": str(tmp_path), "POSTPAY_WORKER__BATCH_MAX_MESSAGES": "1"}
        small, large = (next(f"acc-{no}" for no in range(99) if home_of(f"acc-{no}", 2) == lane) for lane in range(2))
        opened = [messages.line_opened(account) for account in (small, large)]
        before = [
            messages.purchase_placed(small, "o1", amount_minor=900),
            messages.purchase_placed(large, "o2", amount_minor=5000),
        ]
        after = [messages.purchase_placed(account, "o3") for account in (small, large)]
        for sent, environment in ((opened + before, old), (after, {})):
            await made.send(sent)
            worker = made.worker(POSTPAY_WORKER__MERGE_WAIT_S="5", **environment)
            await caught_up(made)
            assert await worker.stopped() == 0
        yield made


async def verified(made, *arguments, **settings):
    return await asyncio.to_thread(Command(made.environment).process, "replay", "verify", *arguments, **settings)


async def test_what_other_rules_decided_differently_is_no_corruption_and_what_was_changed_is(upgraded):
    ran = await verified(upgraded, "--json")
    assert ran.code == 0, ran.out
    first, second = ran.json["lanes"]
    assert (ran.json["equal"], ran.json["complete"]) == (True, False)
    by_version = {each["rules_version"]: (each["batches"], each["differing"] > 0) for each in first["versions"]}
    assert by_version.keys() == {1, RULES_VERSION} and by_version[1][1]
    (example,) = [each["first"] for each in first["versions"] if each["rules_version"] == 1]
    assert (example["column"], example["recorded"], example["decided"]) == ("outcome", "'declined'", "'applied'")
    assert first["state_rows"] is None and "rules version 1" in first["unfinished"]
    assert [each["differing"] for each in second["versions"]] == [0, 0] and second["state_rows"] > 0
    said = (await verified(upgraded)).out
    assert f"under rules version 1 (this is {RULES_VERSION})" in said and "equal as far as it was compared" in said
    await beside_balances(upgraded)
    await falsify(
        upgraded.settings.postgres.dsn,
        "UPDATE decision SET outcome = 'applied', reason = NULL WHERE outcome = 'declined'",
    )
    ran = await verified(upgraded, "--json")
    assert ran.code == 1
    found = ran.json["lanes"][0]["difference"]
    assert "changed since" in found["note"] and found["column"] == "reasons", found
    assert Topic.PURCHASE in found["where"]


async def beside_balances(upgraded):
    """Where all came to the same, a migration may have filled columns, but never a balance."""
    dsn = upgraded.settings.postgres.dsn
    await falsify(dsn, "UPDATE account SET card_linked = NOT card_linked WHERE lane = 1")
    ran = await verified(upgraded, "--json", "--lane", "1")
    (lane,) = ran.json["lanes"]
    assert (ran.code, lane["state_by_rules"], lane["first_by_rules"]["column"]) == (0, 1, "card_linked"), ran.out
    assert "1 column came out differently, none a balance" in (await verified(upgraded, "--lane", "1")).out
    await falsify(dsn, "UPDATE account SET available_minor = available_minor + 1 WHERE lane = 1")
    ran = await verified(upgraded, "--json", "--lane", "1")
    assert (ran.code, ran.json["lanes"][0]["difference"]["column"]) == (1, "available_minor"), ran.out


async def test_what_this_version_decides_differently_is_a_difference(upgraded, tmp_path):
    """A release that forgot to raise its version."""
    (tmp_path / "forgetful").mkdir()
    code = OLD_RELEASE.replace("RULES_VERSION = 1", f"RULES_VERSION = {RULES_VERSION}").replace("< 1000", "== 1000")
    (tmp_path / "forgetful" / "sitecustomize.py").write_text(code)
    ran = await verified(upgraded, "--json", PYTHONPATH=str(tmp_path / "forgetful"))
    assert ran.code == 1
    found = ran.json["lanes"][1]["difference"]
    assert (found["column"], found["recorded"], found["decided"]) == ("outcome", "'applied'", "'declined'")
    assert "those that were hashed when it was settled" in found["note"]
