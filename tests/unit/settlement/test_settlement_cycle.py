"""Settlement cycles: what is payable goes out in full on every payout date."""

import pytest

from settlement.decision import Outcome
from settlement.ledger import LedgerAccount, Posting
from settlement.messages import MerchantActivity, MerchantRegistered, SettlementCycleChanged
from settlement.outputs import NotificationRequested, PayoutRequested
from settlement.party import PartyKind
from settlement.timers import WHOLE_MERCHANT, Timer, TimerKind
from tests.unit.settlement.builders import SHOP, Lane, at, lane_with_merchant


def sold(lane: Lane, when: str, amount_minor: int, currency: str = "CNY") -> None:
    lane.send(when, MerchantActivity(currency, amount_minor, 0))


def paid_out(lane: Lane) -> list[int]:
    return [body.amount_minor for body in lane.outputs(PayoutRequested)]


def payout_at(lane: Lane):
    """When the merchant's payout timer is due, if there is one."""
    found = [each.due_at for each in lane.states[SHOP].timers.values() if each.kind is TimerKind.MERCHANT_PAYOUT]
    return found[0] if found else None


def test_all_that_is_payable_is_paid_out_at_midnight_of_the_payout_date():
    lane = lane_with_merchant()
    sold(lane, "2026-01-02", 5_000)
    sold(lane, "2026-01-07", 700)
    assert lane.tick("2026-01-07 23:59") == []
    lane.tick("2026-01-08 00:00")
    (payout,) = lane.outputs(PayoutRequested)
    assert (payout.payee_kind, payout.payee_id, payout.amount_minor) == (PartyKind.MERCHANT, "shop", 5_700)
    assert (payout.currency, payout.route, payout.reason) == ("CNY", "bank", "merchant_settlement")
    (notice,) = lane.outputs(NotificationRequested)
    assert (notice.template, notice.recipient_id, notice.params["amount_minor"]) == ("settlement_paid", "shop", 5_700)
    assert notice.params["payout_id"] == payout.payout_id
    (settled,) = lane.last
    payable, clearing = LedgerAccount.MERCHANT_PAYABLE, LedgerAccount.PAYOUT_CLEARING
    assert settled.decision.postings == (Posting(payable, clearing, "CNY", 5_700),)
    assert lane.balance.payable_minor == 0


def test_payouts_follow_the_cycle_from_the_registration_date():
    lane = lane_with_merchant()
    sold(lane, "2026-01-20", 100)
    assert payout_at(lane) == at("2026-01-22 00:00")
    lane.tick("2026-01-22 00:00")
    assert payout_at(lane) is None
    sold(lane, "2026-01-22 00:00", 100)
    assert payout_at(lane) == at("2026-01-29 00:00")


def test_what_arrives_at_the_midnight_of_a_payout_goes_with_the_next():
    lane = lane_with_merchant()
    sold(lane, "2026-01-02", 5_000)
    sold(lane, "2026-01-08 00:00", 300)
    assert paid_out(lane) == [5_000]
    lane.tick("2026-01-15 00:00")
    assert paid_out(lane) == [300]


def test_a_negative_payable_waits_and_later_sales_are_offset_against_it():
    lane = lane_with_merchant()
    sold(lane, "2026-01-02", 5_000)
    lane.tick("2026-01-08 00:00")
    sold(lane, "2026-01-09", -2_000)
    assert lane.tick("2026-01-15 00:00") == []
    sold(lane, "2026-01-16", 2_500)
    lane.tick("2026-01-22 00:00")
    assert paid_out(lane) == [500]


def test_what_is_taken_back_before_the_payout_date_is_not_paid():
    lane = lane_with_merchant()
    sold(lane, "2026-01-02", 5_000)
    sold(lane, "2026-01-05", -5_000)
    assert payout_at(lane) is None
    assert lane.tick("2026-01-08 00:00") == []


def test_activity_of_another_currency_is_kept_and_not_paid_out():
    lane = lane_with_merchant()
    sold(lane, "2026-01-02", 300, "USD")
    assert lane.tick("2026-01-08 00:00") == []
    sold(lane, "2026-01-09", 5_000)
    lane.tick("2026-01-15 00:00")
    (payout,) = lane.outputs(PayoutRequested)
    assert (payout.amount_minor, payout.currency) == (5_000, "CNY")


def test_nothing_is_paid_out_before_the_registration_and_all_of_it_on_the_first_payout_date_after():
    lane = Lane()
    sold(lane, "2026-01-01", 5_000)
    assert lane.tick("2026-02-01") == []
    lane.send("2026-02-01", MerchantRegistered("CNY", 7))
    assert paid_out(lane) == []
    lane.tick("2026-02-08 00:00")
    assert paid_out(lane) == [5_000]


def test_a_registration_told_late_is_paid_once_at_once_for_all_payout_dates_that_have_passed():
    lane = Lane()
    sold(lane, "2026-01-01", 5_000)
    lane.tick("2026-02-10 12:00")
    lane.send("2026-01-01", MerchantRegistered("CNY", 7))
    assert paid_out(lane) == [5_000]
    assert payout_at(lane) is None
    sold(lane, "2026-02-10 12:00", 40)
    assert payout_at(lane) == at("2026-02-12 00:00")  # the sixth week from the registration


def test_a_registration_told_at_the_midnight_of_its_first_payout_date_is_paid_at_once():
    lane = Lane()
    sold(lane, "2026-01-01", 5_000)
    lane.tick("2026-01-08 00:00")
    lane.send("2026-01-01", MerchantRegistered("CNY", 7))
    assert paid_out(lane) == [5_000]


def test_a_payout_date_on_which_nothing_is_payable_pays_nothing():
    lane = lane_with_merchant()
    sold(lane, "2026-01-02", -5_000)
    timer = Timer(SHOP, TimerKind.MERCHANT_PAYOUT, WHOLE_MERCHANT, at("2026-01-08 00:00"))
    lane.states[SHOP].timers[timer.kind, timer.subject_id] = timer  # left by an older release, for instance
    lane.tick("2026-01-08 00:00")
    assert lane.outputs() == []


def test_a_registration_told_late_whose_first_payout_date_is_ahead_waits_for_it():
    lane = Lane()
    sold(lane, "2026-01-01", 5_000)
    lane.tick("2026-01-05 12:00")
    lane.send("2026-01-01", MerchantRegistered("CNY", 7))
    assert paid_out(lane) == []
    assert payout_at(lane) == at("2026-01-08 00:00")


def test_a_changed_cycle_counts_from_the_last_payout_date():
    lane = lane_with_merchant()
    sold(lane, "2026-01-17", 5_000)
    assert lane.send("2026-01-20", SettlementCycleChanged(30)).outcome is Outcome.APPLIED
    assert lane.merchant.settlement_cycle_days == 30
    assert lane.tick("2026-02-13 23:59") == []  # 15 January and 30 days
    lane.tick("2026-02-14 00:00")
    assert paid_out(lane) == [5_000]
    sold(lane, "2026-02-15", 60)
    assert payout_at(lane) == at("2026-03-16 00:00")


def test_a_cycle_changed_before_its_first_payout_date_counts_from_the_registration():
    lane = lane_with_merchant()
    sold(lane, "2026-01-02", 5_000)
    lane.send("2026-01-03", SettlementCycleChanged(3))
    assert payout_at(lane) == at("2026-01-04 00:00")


@pytest.mark.parametrize("cycle_days", [1, 2, 3])
def test_a_shorter_cycle_whose_payout_date_has_passed_pays_at_once(cycle_days):
    lane = lane_with_merchant()
    sold(lane, "2026-01-09", 5_000)
    lane.send("2026-01-12 00:00", SettlementCycleChanged(cycle_days))
    assert paid_out(lane) == [5_000]
    assert payout_at(lane) is None


def test_a_changed_cycle_pays_nothing_when_nothing_is_payable():
    lane = lane_with_merchant()
    sold(lane, "2026-01-09", -5_000)
    lane.send("2026-01-12", SettlementCycleChanged(1))
    assert lane.outputs() == []
    assert payout_at(lane) is None


def test_setting_the_cycle_there_is_changes_no_payout_date():
    lane = lane_with_merchant()
    sold(lane, "2026-01-09", 5_000)
    assert lane.send("2026-01-10", SettlementCycleChanged(7)).outcome is Outcome.APPLIED
    assert payout_at(lane) == at("2026-01-15 00:00")


def test_a_changed_cycle_waits_for_the_registration():
    lane = Lane()
    assert lane.send("2026-01-01", SettlementCycleChanged(30)).waits_for == "merchant:shop"
    lane.send("2026-01-02", MerchantRegistered("CNY", 7))
    assert lane.merchant.settlement_cycle_days == 30
