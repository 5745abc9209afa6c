"""The bank answers payouts, and shopkeepers what they are told."""

import json
from datetime import datetime, timedelta

import pytest

from contracts.decode import decode
from contracts.records import RawRecord
from demo.bank import Bank
from demo.record import Record
from demo.shopkeepers import Shopkeepers
from settlement.messages import Input

TOLD_AT = datetime.fromisoformat("2026-04-07T00:00:00+08:00")


def result_of(no: int) -> Record | None:
    payout = {
        "payout_id": f"p-{no}",
        "payee_kind": "merchant",
        "payee_id": "shop-001",
        "occurred_at": TOLD_AT.isoformat(),
    }
    (found,) = list(Bank(5).answer(json.dumps(payout).encode())) or [None]
    return found


def replies(template: str, no: int = 1, **params) -> list[Record]:
    notice = {
        "notification_id": f"n-{no}",
        "occurred_at": TOLD_AT.isoformat(),
        "recipient_id": "shop-001",
        "template": template,
        "params": params,
    }
    return list(Shopkeepers(5).answer(json.dumps(notice).encode()))


def understood(record: Record) -> Input:
    decoded = decode(RawRecord(record.topic.value, 0, 0, 0, record.key, record.value))
    assert isinstance(decoded, Input), decoded
    return decoded


def test_nearly_all_payouts_are_answered_and_most_succeed():
    results = [result_of(no) for no in range(1_000)]
    types = [None if each is None else understood(each).type for each in results]
    assert 920 < types.count("payout.succeeded") < 990
    assert 15 < types.count("payout.failed") < 60
    assert 0 < types.count(None) < 20


def test_a_payout_is_always_answered_the_same_way_to_its_payee():
    assert result_of(1) == result_of(1)
    assert result_of(1).key == b"shop-001"
    assert result_of(1).occurred_at >= TOLD_AT + timedelta(days=1)


def test_what_went_to_the_shop_balance_is_withdrawn():
    paid = {"request_id": "q", "amount_minor": 900, "currency": "CNY"}
    assert replies("deposit_refund_paid", refund_to="original_route", **paid) == []
    many = [replies("deposit_refund_paid", no, refund_to="shop_balance", **paid) for no in range(100)]
    amounts = {understood(record).body.amount_minor for each in many for record in each}
    assert amounts == {900, 450, 9_000}
    assert all(understood(each[-1]).body.amount_minor <= 900 for each in many)


@pytest.mark.parametrize(
    ("template", "kind"),
    [
        ("deposit_refund_received", "deposit_refund.withdrawn"),
        ("settlement_paid", "merchant.settlement_cycle_changed"),
    ],
)
def test_a_few_shopkeepers_think_of_something_else(template, kind):
    many = [record for no in range(500) for record in replies(template, no, request_id="q")]
    assert {understood(each).type for each in many} == {kind}
    assert 5 < len(many) < 100
