"""The command `postpay` as people run it, against the shared stack, and one small settled platform to look at."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from devstack import ports
from tests.command import Command
from tests.platform import Platform, Worker, eventually, platform


def lines(*records: dict[str, Any]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def record(topic: str, key: str | None, kind: str, event_id: str, occurred_at: str, **fields: Any) -> dict[str, Any]:
    value = {"event_id": event_id, "type": kind, "occurred_at": occurred_at, **fields}
    return {"topic": topic, "key": key, "value": value}


# One buyer who pays later and returns nothing, one shop with a deposit, one refusal, one record that is no JSON.
SHOP_MONTH = lines(
    record(
        "merchant", "m-1", "merchant.registered", "m-e1", "2026-01-01T09:00:00+08:00",
        merchant_id="m-1", currency="CNY", settlement_cycle_days=7,
    ),
    record(
        "merchant", "m-1", "deposit.paid", "m-e2", "2026-01-01T09:30:00+08:00",
        merchant_id="m-1", deposit_id="d-1", amount_minor=200_000, currency="CNY", route="alipay",
    ),
    record(
        "credit-line", "a-1", "credit_line.opened", "c-e1", "2026-01-01T10:00:00+08:00",
        account_id="a-1", programme="kuaishou", limit_minor=500_000, currency="CNY", score=700,
    ),
    record(
        "purchase", "a-1", "purchase.placed", "p-e1", "2026-01-02T10:00:00+08:00", account_id="a-1", order_id="o-1",
        merchant_id="m-1", amount_minor=120_000, currency="CNY", plan={"kind": "deferred", "days": 30},
    ),
    record(
        "purchase", "a-1", "purchase.received", "p-e2", "2026-01-04T10:00:00+08:00",
        account_id="a-1", order_id="o-1",
    ),
    record(
        "purchase", "a-1", "purchase.placed", "p-e3", "2026-01-05T10:00:00+08:00", account_id="a-1", order_id="o-2",
        merchant_id="m-1", amount_minor=900_000, currency="CNY", plan={"kind": "deferred", "days": 30},
    ),
    record(
        "purchase", "a-1", "purchase.received", "p-e9", "2026-01-06T10:00:00+08:00",
        account_id="a-1", order_id="o-9",
    ),
    {"topic": "purchase", "key": "a-1", "value": {"base64": "AP8="}},
)  # fmt: skip
SHOP_RECORDS = 8


@pytest.fixture(scope="session")
async def shop(stack, tmp_path_factory) -> AsyncIterator["Shop"]:
    """A platform with a worker and a month of one shop, settled; tests only look at it."""
    logs = tmp_path_factory.mktemp("shop")
    async with platform(stack.bootstrap, stack.dsn, logs, lanes=2, POSTPAY_CLOCK="event") as made:
        command = Command(made.environment)
        worker = made.worker(POSTPAY_OPS__REFRESH_S="0.5")
        assert command("produce", "-", stdin=SHOP_MONTH).code == 0
        waited = command("lag", "--wait", "50")
        assert waited.code == 0, waited.out + worker.log.read_text()
        yield Shop(made, command, worker)
        assert await worker.stopped() == 0, worker.tail()


@dataclass(frozen=True)
class Shop:
    """The settled platform, how to ask about it, and its worker."""

    platform: Platform
    postpay: Command
    worker: Worker


@pytest.fixture
async def fresh(stack, tmp_path) -> AsyncIterator[Platform]:
    """A migrated platform of two lanes with topics and no worker."""
    async with platform(stack.bootstrap, stack.dsn, tmp_path, lanes=2, POSTPAY_CLOCK="event") as made:
        yield made


@pytest.fixture
def postpay(fresh) -> Command:
    return Command(fresh.environment)


@pytest.fixture
def nowhere() -> dict[str, str]:
    """Settings of servers that do not answer."""
    port = ports.choose()
    return {
        "POSTPAY_KAFKA__BOOTSTRAP": f"127.0.0.1:{port}",
        "POSTPAY_POSTGRES__DSN": f"postgresql://me:hidden@127.0.0.1:{port}/none",
    }


@pytest.fixture
def soon() -> Callable[..., Any]:
    return eventually
