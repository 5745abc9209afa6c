"""Money of an unknown account, from its coming to the account it belongs to, as operators do it."""

import pytest

from tests.command import Command
from tests.integration.cli.conftest import lines, record
from tests.integration.cli.repairing import log_in
from tests.platform import platform

OPENED = {"programme": "kuaishou", "limit_minor": 500_000, "currency": "CNY"}


def money(account_id: str, event_id: str, amount_minor: int, occurred_at: str, repayment_id: str = "r-1"):
    return record(
        "repayment", account_id, "repayment.received", event_id, occurred_at, account_id=account_id,
        repayment_id=repayment_id, amount_minor=amount_minor, currency="CNY", purpose="account", channel="external",
    )  # fmt: skip


def opened(account_id: str, occurred_at: str, **fields):
    given = {"account_id": account_id, **OPENED, **fields}
    return record("credit-line", account_id, "credit_line.opened", f"{account_id}-opened", occurred_at, **given)


HISTORY = lines(
    money("a-71", "e-1", 30_000, "2026-01-02T10:00:00+08:00"),
    opened("a-17", "2026-01-01T10:00:00+08:00"),
    record(
        "purchase", "a-17", "purchase.placed", "p-1", "2026-01-01T11:00:00+08:00", account_id="a-17", order_id="o-1",
        merchant_id="m-1", amount_minor=50_000, currency="CNY", plan={"kind": "deferred", "days": 30},
    ),
    record(
        "purchase", "a-17", "purchase.received", "p-2", "2026-01-01T12:00:00+08:00", account_id="a-17", order_id="o-1"
    ),
    money("nobody", "e-2", 700, "2026-01-03T10:00:00+08:00"),
    record("clock", None, "clock.ticked", "t-1", "2026-01-06T10:00:00+08:00"),
)  # fmt: skip


@pytest.fixture
async def made(stack, tmp_path):
    async with platform(stack.bootstrap, stack.dsn, tmp_path, lanes=2, POSTPAY_CLOCK="event") as made:
        yield made


@pytest.fixture
async def postpay(made):
    command = Command(made.environment)
    worker = made.worker()
    assert command("produce", "-", stdin=HISTORY).code == 0
    assert command("lag", "--wait", "50").code == 0, worker.tail()
    yield command
    assert await worker.stopped() == 0, worker.tail()


async def test_money_of_an_unknown_account_is_listed_shown_and_assigned(made, postpay, nowhere):
    listed = postpay("suspense", "list", "--open", "--json").lines
    assert [(each["account_id"], each["amount_minor"], each["event_id"]) for each in listed] == [
        ("nobody", 700, "e-2"),
        ("a-71", 30_000, "e-1"),
    ]
    assert postpay("suspense", "list", "--key", "nobody", "--json").lines == [listed[0]]
    assert postpay("suspense", "list", "--event-id", "e-1", "--json").lines == [listed[1]]
    assert postpay("suspense", "list", "--since", "2026-01-06T10:00:00+0800", "--json").lines == [listed[0]]
    assert postpay("suspense", "list", "--until", "2026-01-06T10:00:00+0800", "--json").lines == [listed[1]]
    assert postpay("decision", "show", "repayment", "e-1", "--json").json["reason"] == "reference_unknown"

    several = postpay("suspense", "show", "r-1")
    assert (several.code, "nobody, a-71" in several.complaint or "a-71, nobody" in several.complaint) == (1, True)
    assert postpay("suspense", "show", "r-2").code == 1
    shown = postpay("suspense", "show", "r-1", "--key", "a-71")
    assert "300.00 CNY came on 2026-01-02 10:00:00 (Asia/Shanghai) by external for account a-71," in shown.out

    unknown = postpay("suspense", "assign", "r-1", "--key", "a-71", "--to", "a-18")
    assert (unknown.code, "no such account is known" in unknown.complaint) == (1, True)
    assign = ("suspense", "assign", "r-1", "--key", "a-71", "--to", "a-17", "--occurred-at", "2026-01-06T11:00:00+0800")
    async with log_in(made, "postpay_auditor") as (_, reader):
        refused = postpay(*assign, **reader)
        assert (refused.code, "operators are members of postpay_ops" in refused.complaint) == (2, True)
    assert postpay(*assign, POSTPAY_KAFKA__BOOTSTRAP=nowhere["POSTPAY_KAFKA__BOOTSTRAP"]).code == 2
    sent = postpay(*assign, "--as", "ann", "--json").json
    entries = postpay("operator-log", "list", "--subject", "a-71/r-1", "--json").lines
    assert [(each["action"], each["outcome"]) for each in entries] == [
        ("assign_suspense", "done"),
        ("assign_suspense", "intended"),
        ("assign_suspense", "failed"),
        ("assign_suspense", "intended"),
    ]
    assert (entries[0]["operator"], entries[1]["after"]["account_id"]) == ("ann", "a-17")
    assert entries[1]["after"]["event_ids"] == sent["event_ids"]
    assert "cannot be reached" in entries[2]["after"]["error"]
    assert (sent["from"], sent["to"], sent["amount_minor"]) == ("a-71", "a-17", 30_000)
    assert postpay("lag", "--wait", "50").code == 0

    story = postpay("account", "show", "a-17", "--json").json
    (obligation,) = story["orders"][0]["obligations"]
    assert (obligation["paid_minor"], story["used_minor"], story["customer_credit_minor"]) == (30_000, 20_000, 0)
    again = postpay(*assign)
    assert (again.code, "not in suspense any more" in again.complaint) == (1, True)
    assert [each["account_id"] for each in postpay("suspense", "list", "--open", "--json").lines] == ["nobody"]
    released = postpay("suspense", "list", "--reason", "assigned to a-17", "--json").lines
    assert [each["released_at"] for each in released] == ["2026-01-06T03:00:00+00:00"]
    audit = postpay("audit", "--json")
    assert (audit.code, [each for each in audit.json["checks"] if not each["ok"]]) == (0, [])
