"""Merchants: registration, cases, and what account lanes hand to them."""

from datetime import date

import pytest

from settlement.decision import Outcome
from settlement.entities import CaseKind
from settlement.ledger import LedgerAccount, Posting
from settlement.messages import CaseClosed, CaseOpened, MerchantActivity, MerchantRegistered
from tests.unit.settlement.builders import SHOP, Lane, deposited, lane_with_merchant, refund_asked


def test_registration_makes_a_merchant_known():
    lane = lane_with_merchant()
    merchant = lane.merchant
    assert (merchant.registered_on, merchant.currency, merchant.settlement_cycle_days) == (date(2026, 1, 1), "CNY", 7)
    assert lane.send("2026-01-02", MerchantRegistered("CNY", 7)).outcome is Outcome.DUPLICATE
    assert lane.send("2026-01-02", MerchantRegistered("CNY", 14)).outcome is Outcome.CONFLICT


@pytest.mark.parametrize(
    "body", [deposited(), CaseOpened(CaseKind.DISPUTE, "d"), CaseClosed(CaseKind.DISPUTE, "d"), refund_asked()]
)
def test_messages_wait_for_the_registration_even_if_activity_came_before(body):
    lane = Lane()
    assert lane.send("2026-01-01", body).waits_for == "merchant:shop"
    assert lane.send("2026-01-02", MerchantActivity("CNY", 100, 0)).outcome is Outcome.APPLIED
    assert len(lane.states[SHOP].parked) == 1
    lane.send("2026-01-03", MerchantRegistered("CNY", 7))
    assert lane.merchant.registered_on == date(2026, 1, 3)


@pytest.mark.parametrize("kind", list(CaseKind))
def test_cases_are_counted_by_kind(kind):
    lane = lane_with_merchant()
    lane.send("2026-01-02", CaseOpened(kind, "one"))
    lane.send("2026-01-02", CaseOpened(kind, "two"))
    lane.send("2026-01-03", CaseClosed(kind, "one"))
    merchant = lane.merchant
    counts = {
        CaseKind.PROMOTION: merchant.open_promotions,
        CaseKind.DISPUTE: merchant.open_disputes,
        CaseKind.VIOLATION: merchant.open_violations,
    }
    assert counts.pop(kind) == 1
    assert set(counts.values()) == {0}


def test_a_case_begins_and_ends_once():
    lane = lane_with_merchant()
    assert lane.send("2026-01-02", CaseOpened(CaseKind.VIOLATION, "v", "fake")).outcome is Outcome.APPLIED
    assert lane.send("2026-01-02", CaseOpened(CaseKind.VIOLATION, "v", "fake")).outcome is Outcome.DUPLICATE
    assert lane.send("2026-01-02", CaseOpened(CaseKind.VIOLATION, "v", "late")).outcome is Outcome.CONFLICT
    assert lane.send("2026-01-03", CaseClosed(CaseKind.VIOLATION, "v")).outcome is Outcome.APPLIED
    assert lane.send("2026-01-03", CaseClosed(CaseKind.VIOLATION, "v")).outcome is Outcome.DUPLICATE
    assert lane.merchant.open_violations == 0


def test_an_end_without_a_start_waits_for_it():
    lane = lane_with_merchant()
    assert lane.send("2026-01-02", CaseClosed(CaseKind.PROMOTION, "p")).waits_for == "case:promotion:p"
    assert lane.send("2026-01-02", CaseOpened(CaseKind.DISPUTE, "p")).outcome is Outcome.APPLIED
    lane.send("2026-01-03", CaseOpened(CaseKind.PROMOTION, "p"))
    assert (lane.merchant.open_promotions, lane.merchant.open_disputes) == (0, 1)


def test_activity_is_booked_to_the_payable_whether_registered_or_not():
    lane = Lane()
    taken = lane.send("2026-01-01", MerchantActivity("CNY", 5_000, 2))
    given = lane.send("2026-01-02", MerchantActivity("CNY", -7_000, -1))
    transit, payable = LedgerAccount.MERCHANT_TRANSIT, LedgerAccount.MERCHANT_PAYABLE
    assert taken.postings == (Posting(transit, payable, "CNY", 5_000),)
    assert given.postings == (Posting(payable, transit, "CNY", 7_000),)
    assert lane.balance.payable_minor == -2_000
    assert lane.merchant.open_after_sales == 1
    assert lane.merchant.registered_on is None


def test_balances_are_kept_per_currency():
    lane = lane_with_merchant()
    lane.send("2026-01-01", MerchantActivity("CNY", 5_000, 0))
    lane.send("2026-01-01", MerchantActivity("USD", 300, 0))
    assert lane.balance.payable_minor == 5_000
