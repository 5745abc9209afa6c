"""Programmes and shops as the terms and the shops want them, published to running workers."""

import json
from pathlib import Path

import pytest

from settlement.terms import TermsBook
from tests.command import Command
from tests.integration.cli.conftest import lines, record
from tests.platform import platform

BUYERS = [f"a-{number}" for number in range(6)]
"""Enough that both lanes have some."""


@pytest.fixture
async def postpay(stack, tmp_path):
    async with platform(stack.bootstrap, stack.dsn, tmp_path, lanes=2, POSTPAY_CLOCK="event") as made:
        worker = made.worker()
        yield Command(made.environment)
        assert await worker.stopped() == 0, worker.tail()


@pytest.fixture
def terms(tmp_path) -> Path:
    """The terms of this release, and from February on a programme abroad."""
    document = json.loads(json.dumps(TermsBook.builtin().document))
    version = json.loads(json.dumps(document["versions"][-1])) | {"effective_from": "2026-02-01"}
    version["programmes"]["abroad"] = version["programmes"]["kuaishou"] | {"currency": "USD"}
    document["versions"].append(version)
    file = tmp_path / "terms.json"
    file.write_text(json.dumps(document))
    return file


def settled(postpay, *records) -> None:
    assert postpay("produce", "-", stdin=lines(*records)).code == 0
    assert postpay("lag", "--wait", "50").code == 0


def opened(account_id: str, day: str, programme: str, currency: str):
    return record(
        "credit-line", account_id, "credit_line.opened", f"opened-{day}", f"{day}T10:00:00+08:00",
        account_id=account_id, programme=programme, limit_minor=500_000, currency=currency,
    )  # fmt: skip


def placed(account_id: str, order_id: str, occurred_at: str, amount_minor: int, currency: str = "USD"):
    return record(
        "purchase", account_id, "purchase.placed", order_id, occurred_at, account_id=account_id, order_id=order_id,
        merchant_id="m-1", amount_minor=amount_minor, currency=currency, plan={"kind": "deferred", "days": 30},
    )  # fmt: skip


def received(account_id: str, order_id: str, occurred_at: str):
    ids = {"account_id": account_id, "order_id": order_id}
    return record("purchase", account_id, "purchase.received", f"{order_id}-received", occurred_at, **ids)


def reasons(postpay, account_id: str) -> list[tuple[str, str | None]]:
    history = postpay("account", "show", account_id, "--json").json["history"]
    return [(each["event_id"], each["reason"]) for each in history]


async def test_a_programme_is_whatever_the_terms_name(postpay, terms):
    settled(postpay, opened("a-1", "2026-02-01", "abroad", "USD"))
    assert postpay("decision", "show", "credit-line", "opened-2026-02-01", "--json").json["reason"] == "not_supported"

    assert postpay("terms", "publish", str(terms), "--occurred-at", "2026-02-02T00:00:00+0800").code == 0
    settled(
        postpay,
        opened("a-1", "2026-02-02", "abroad", "USD"),
        opened("a-2", "2026-02-02", "abroad", "CNY"),
        placed("a-1", "o-1", "2026-02-02T11:00:00+08:00", 120_000),
        received("a-1", "o-1", "2026-02-02T12:00:00+08:00"),
        record("clock", None, "clock.ticked", "due", "2026-03-04T08:00:00+08:00"),
    )
    story = postpay("account", "show", "a-1", "--json").json
    assert (story["programme"], story["currency"], story["used_minor"]) == ("abroad", "USD", 120_000)
    (debit,) = postpay("consume", "auto-debit").lines
    assert (debit["value"]["amount_minor"], debit["value"]["currency"]) == (120_000, "USD")
    mismatch = postpay("decision", "show", "credit-line", "opened-2026-02-02", "--key", "a-2", "--json").json
    assert mismatch["reason"] == "currency_mismatch"

    document = json.loads(terms.read_text())
    document["versions"].append(json.loads(json.dumps(document["versions"][-1])) | {"effective_from": "2026-05-01"})
    document["versions"][-1]["programmes"]["abroad"]["currency"] = "EUR"
    terms.write_text(json.dumps(document))
    refused = postpay("terms", "publish", str(terms))
    assert (refused.code, "'abroad' to keep its currency USD" in refused.complaint) == (1, True)
    # Who sends them all the same gets a dead letter on every lane, and nothing changes.
    settled(postpay, record("terms", "terms", "terms.published", "sly", "2026-03-04T09:00:00+08:00", terms=document))
    letters = postpay("dead-letters", "list", "--json").lines
    assert [(each["reason"], each["event_id"]) for each in letters] == [("terms_invalid", "sly")] * 2
    assert postpay("audit").code == 0


async def test_what_a_shop_sets_holds_on_every_lane(postpay):
    settings = {"merchant_id": "m-1", "enabled": True, "currency": "CNY", "max_order_minor": 500}
    off = settings | {"enabled": False}
    settled(
        postpay,
        *(opened(buyer, "2026-01-01", "kuaishou", "CNY") for buyer in BUYERS),
        *(placed(buyer, "o-1", "2026-01-02T10:00:00+08:00", 501, "CNY") for buyer in BUYERS),
        record(
            "terms", "m-1", "shop.settings_changed", "s-1", "2026-01-03T10:00:00+08:00", **settings,
            plans=[{"kind": "deferred", "days": 30}, {"kind": "trial"}],
        ),
        *(placed(buyer, "o-2", "2026-01-04T10:00:00+08:00", 501, "CNY") for buyer in BUYERS),
        *(placed(buyer, "o-3", "2026-01-04T11:00:00+08:00", 500, "CNY") for buyer in BUYERS),
        record("terms", "m-1", "shop.settings_changed", "s-2", "2026-01-05T10:00:00+08:00", **off),
        *(placed(buyer, "o-4", "2026-01-06T10:00:00+08:00", 500, "CNY") for buyer in BUYERS),
        *(received(buyer, "o-3", "2026-01-06T11:00:00+08:00") for buyer in BUYERS),
    )  # fmt: skip
    expected = [("o-1", None), ("o-2", "above_shop_maximum"), ("o-3", None), ("o-4", "not_supported")]
    for buyer in BUYERS:
        assert reasons(postpay, buyer) == [("opened-2026-01-01", None), *expected, ("o-3-received", None)]
    lanes = {each["partition"] for each in postpay("consume", "purchase").lines}
    assert lanes == {0, 1}
    story = postpay("merchant", "show", "m-1", "--json").json
    assert story["settings"]["enabled"] is False
    assert [each["kind"] for each in story["settings"]["plans"]] == ["trial", "deferred", "statement", "instalment"]
    assert "Its goods can't be paid later, since 2026-01-05 10:00:00." in postpay("merchant", "show", "m-1").out
    assert postpay("audit").code == 0
