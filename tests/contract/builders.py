"""Messages and records with valid defaults, and one sample of every output."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from contracts.decode import decode
from contracts.records import RawRecord, Rejected
from contracts.topics import party_kind
from settlement import outputs
from settlement.messages import Input
from settlement.outputs import Output
from settlement.party import Party, PartyKind

GOLDEN = Path(__file__).with_name("golden")
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
MISSING = object()


def placed(**changes: Any) -> dict[str, Any]:
    """A valid `purchase.placed` with some fields changed; MISSING leaves one out."""
    return changed(
        {
            "event_id": "e-1",
            "type": "purchase.placed",
            "occurred_at": "2026-03-01T10:15:30.123+08:00",
            "account_id": "a-1",
            "order_id": "o-1",
            "merchant_id": "m-1",
            "amount_minor": 129900,
            "currency": "CNY",
            "plan": {"kind": "deferred", "days": 30},
        },
        changes,
    )


def changed(message: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**message, **changes}.items() if value is not MISSING}


def record(
    value: Any,
    topic: str = "purchase",
    key: bytes | str | None = MISSING,  # type: ignore[assignment]
    headers: Sequence[tuple[str, bytes]] = (),
    offset: int = 7,
) -> RawRecord:
    """A record of a value, given as bytes or as what JSON will be made of; keyed by the body unless told otherwise."""
    raw = value if isinstance(value, bytes) or value is None else json.dumps(value).encode()
    if key is MISSING:
        kind = party_kind(topic)
        name = "payee_id" if topic == "payout-result" else f"{kind}_id"
        key = str(value.get(name, "a-1")) if isinstance(value, dict) else "a-1"
    return RawRecord(topic, 3, offset, 1_772_331_330_123, key.encode() if isinstance(key, str) else key, raw, headers)


def accepted(value: Any, topic: str = "purchase", **more: Any) -> Input:
    decoded = decode(record(value, topic, **more))
    assert isinstance(decoded, Input), decoded
    return decoded


def refused(value: Any, topic: str = "purchase", **more: Any) -> Rejected:
    decoded = decode(record(value, topic, **more))
    assert isinstance(decoded, Rejected), decoded
    return decoded


def golden_inputs() -> list[Path]:
    return sorted((GOLDEN / "in").glob("*.json"))


ACCOUNT = Party(PartyKind.ACCOUNT, "a-1")
MERCHANT = Party(PartyKind.MERCHANT, "店铺-1")
NOW = datetime(2026, 4, 1, 16, 0, 0, 250_000, tzinfo=UTC)
ID = "5e2f1a0c-2f5b-5d0e-9a55-0f5f4f0f6a11"

OUTPUTS = {
    "auto_debit.requested": Output(
        ID,
        NOW,
        "due_day:a-1:2026-04-02",
        ACCOUNT,
        outputs.AutoDebitRequested("a-1", "d-1", 129900, "CNY", ("o-1", "o-2"), date(2026, 4, 2), 1, "due"),
    ),
    "auto_debit.cancelled": Output(
        ID, NOW, "e-1", ACCOUNT, outputs.AutoDebitCancelled("a-1", "d-1", "return_requested")
    ),
    "limit.released": Output(
        ID, NOW, "e-1", ACCOUNT, outputs.LimitReleased("a-1", "o-1", 129900, "CNY", "repaid", 500000, 800000)
    ),
    "limit.reclaimed": Output(
        ID, NOW, "e-1", ACCOUNT, outputs.LimitReclaimed("a-1", 300000, "CNY", "limit_lowered", -100, 500000)
    ),
    "limit.restored": Output(
        ID, NOW, "e-1", ACCOUNT, outputs.LimitRestored("a-1", 300000, "CNY", "limit_raised", 500000, 800000)
    ),
    "notification.requested": Output(
        ID,
        NOW,
        "e-1",
        MERCHANT,
        outputs.NotificationRequested(
            ID,
            "merchant",
            "店铺-1",
            "deposit_refund_refused",
            {"request_id": "r-1", "amount_minor": 100, "reasons": ["promotion_active"], "urgent": True, "due_on": None},
            ("保证金退款申请未通过", "Your deposit refund was refused"),
        ),
    ),
    "payout.requested": Output(
        ID,
        NOW,
        "e-1",
        MERCHANT,
        outputs.PayoutRequested(ID, PartyKind.MERCHANT, "店铺-1", 2000000, "CNY", "alipay", "deposit_refund"),
    ),
    "merchant_activity.recorded": Output(
        ID, NOW, "lane-3/batch-12", MERCHANT, outputs.MerchantActivityRecorded("店铺-1", "CNY", -500, 1)
    ),
}
"""One output of every type."""


RAW = json.dumps(placed()).encode()
"""A valid message."""
