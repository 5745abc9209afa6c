"""What an input names is loaded before it is decided."""

import json
from typing import get_args

import pytest

from settlement import messages
from settlement.entities import (
    AccountPayout,
    Appeal,
    CashOut,
    Debit,
    Deposit,
    DepositRefund,
    MerchantBalance,
    MerchantCase,
    MerchantPayout,
    Order,
    Repayment,
    Return,
    ShopWithdrawal,
)
from settlement.shop import ShopSettings
from settlement.subjects import references
from settlement.suspense import SuspenseEntry
from tests.contract.builders import accepted, golden_inputs

NAMED = {
    "purchase.placed.v1": {(Order, "o-1"), (ShopSettings, "m-1")},
    "purchase.placed.v1-instalment": {(Order, "o-5"), (ShopSettings, "m-1")},
    "purchase.received.v1": {(Order, "o-1")},
    "purchase.kept.v1": {(Order, "o-2")},
    "purchase.cancelled.v1": {(Order, "o-3")},
    "purchase.amount_lowered.v1": {(Order, "o-1")},
    "purchase.extension_requested.v1": {(Order, "o-2")},
    "return.reviewed.v1": {(Return, "ret-3")},
    "return.withdrawn.v1": {(Return, "ret-1")},
    "return.requested.v1": {(Return, "ret-1"), (Order, "o-1")},
    "return.parcel_inspected.v1": {(Return, "ret-2")},
    "repayment.received.v1": {
        *((kind, "rep-1") for kind in (Repayment, SuspenseEntry)),
        (Debit, "5e2f1a0c-2f5b-5d0e-9a55-0f5f4f0f6a11"),
    },
    "repayment.received.v1-order": {(Repayment, "rep-9"), (SuspenseEntry, "rep-9"), (Order, "o-1")},
    "repayment.received.v1-payoff": {(Repayment, "rep-10"), (SuspenseEntry, "rep-10")},
    "repayment.failed.v1": {(Debit, "5e2f1a0c-2f5b-5d0e-9a55-0f5f4f0f6a11")},
    "repayment.reversed.v1": {(Repayment, "rep-1"), (SuspenseEntry, "rep-1")},
    "suspense.released.v1": {(SuspenseEntry, "rep-7")},
    "credit_line.appeal_decided.v1": {(Appeal, "ap-1")},
    "credit_line.cash_out_requested.v1": {(CashOut, "co-1")},
    "credit_line.unfreeze_requested.v1": set(),
    "credit_line.bill_instalment_requested.v1": set(),
    "deposit.paid.v1": {(Deposit, "d-1"), (MerchantBalance, "CNY")},
    "promotion.started.v1": {(MerchantCase, "promotion:spring")},
    "promotion.finished.v1": {(MerchantCase, "promotion:spring")},
    "dispute.opened.v1": {(MerchantCase, "dispute:disp-1")},
    "violation.cleared.v1": {(MerchantCase, "violation:v-1")},
    "deposit_refund.requested.v1": {(DepositRefund, "req-1"), (Deposit, "d-1"), (MerchantBalance, "CNY")},
    "deposit_refund.reviewed.v1": {(DepositRefund, "req-1")},
    "deposit_refund.withdrawn.v1": {(DepositRefund, "req-1")},
    "shop_balance.withdrawal_requested.v1": {(ShopWithdrawal, "w-1"), (MerchantBalance, "CNY")},
    "payout.succeeded.v1": {(kind, "0b0a5a3e-3f0e-5c57-9d0c-8a3c7b9f2d10") for kind in (AccountPayout, MerchantPayout)},
    "payout.failed.v1": {(kind, "7f6c1b1c-5b86-5e5f-8f62-3c0f3a1f7e42") for kind in (AccountPayout, MerchantPayout)},
    "merchant_activity.recorded.v1": {(MerchantBalance, "CNY")},
    "credit_line.frozen.v1": set(),
    "merchant.registered.v1": {(MerchantBalance, "CNY")},
    "merchant.settlement_cycle_changed.v1": set(),
    "clock.ticked.v1": set(),
    "terms.published.v1": set(),
    "shop.settings_changed.v1": {(ShopSettings, "m-1")},
    "shop.settings_changed.v1-off": {(ShopSettings, "m-1")},
}


def golden(stem):
    path = next(path for path in golden_inputs() if path.stem == stem)
    content = json.loads(path.read_text(encoding="utf-8"))
    return accepted(content["value"], content["topic"], key=content["key"])


@pytest.mark.parametrize("stem", NAMED)
def test_a_message_names_what_it_makes_and_what_it_is_about(stem):
    assert set(references(golden(stem))) == NAMED[stem]


def test_every_body_with_an_id_names_something():
    without = {type(golden(stem).body) for stem, named in NAMED.items() if not named}
    for body in get_args(messages.Body):
        ids = [name for name in body.__dataclass_fields__ if name.endswith("_id")]
        assert not ids or body not in without
