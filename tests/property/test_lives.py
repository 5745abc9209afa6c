"""Each newer rule in a small life of the model alone, with values worked out by hand."""

from dataclasses import replace
from datetime import timedelta

import pytest

from settlement.entities import PlanKind
from settlement.messages import (
    BillInstalmentRequested,
    CardLinked,
    DebitRequested,
    DebtChargedOff,
    DebtRescheduled,
    DepositPaid,
    DepositRefundRequested,
    MerchantActivity,
    MerchantRegistered,
    PenaltyWaived,
    Plan,
    PurchaseCredited,
    PurchasePlaced,
    RepaymentReceived,
    RepaymentReinstated,
    RepaymentReversed,
    ReturnRequested,
    ShopSettingsChanged,
    ShopWithdrawalRequested,
    SuspenseReleased,
)
from settlement.party import Party, PartyKind
from tests.property.lives import Life, at
from tests.property.model.facts import available, credit, obligation_status, owed_in_all
from tests.property.model.invariants import check_account

APPLIED = ("applied", None)


@pytest.fixture
def life():
    """One order of 1000.00, due on 10 March; what must always hold is checked at the end."""
    told = Life()
    told.open("taobao")
    told.buy(100_000)
    yield told
    check_account(told.account, told.model.lane_time)


def statuses(life: Life) -> list[str]:
    return [debit[-1] for debit in life.debits()]


# Debits.


def test_a_debit_that_succeeds_after_midnight_leaves_nothing(life: Life):
    life.tick("03-11 00:00")
    assert (life.penalties, life.account["freezes"]) == (50, {"overdue"})
    life.repay("03-11 09:00", 100_000, debit="d1")
    assert (owed_in_all(life.account), life.penalties, life.account["freezes"]) == (0, 0, set())


def test_the_rest_of_a_partial_success_is_asked_for_at_the_next_midnight(life: Life):
    life.tick("03-10 00:00")
    life.repay("03-10 09:00", 60_000, debit="d1")
    assert len(life.debits()) == 1
    life.tick("03-11 00:00")
    assert life.debits()[1] == ("d2", 40_000, "2026-03-10", 1, "due", "requested")
    assert life.sent("payment_overdue")[0][2:] == (40_000, at("03-10 00:00").date())
    life.tick("03-15 00:00")
    assert len(life.debits()) == 2  # penalties wait: never a debit a day


def test_what_was_asked_for_in_vain_is_asked_for_on_request_and_by_a_further_card(life: Life):
    assert life.say("03-09 09:00", DebitRequested()) == ("declined", "nothing_due")
    assert life.say("03-10 09:00", DebitRequested()) == ("declined", "in_progress")
    assert life.say("03-10 10:00", CardLinked()) == ("duplicate", None)
    life.fail("03-10 11:00", "d1")
    life.tick("03-13 00:00")
    assert statuses(life) == ["failed"]
    assert life.say("03-13 09:00", DebitRequested()) == APPLIED
    assert life.debits()[1] == ("d2", 100_150, "2026-03-10", 1, "due", "requested")
    life.fail("03-13 10:00", "d2")
    assert life.say("03-13 11:00", CardLinked()) == APPLIED
    assert life.debits()[2][1:] == (100_150, "2026-03-10", 1, "due", "requested")


def test_what_was_asked_for_in_vain_goes_with_the_next_due_day(life: Life):
    life.buy(5_000, when="03-05 10:00", order_id="o2")
    life.fail("03-10 11:00", "d1")
    life.tick("04-10 00:00")
    assert life.debits()[1:] == [("d2", 5_000 + 100_000 + 30 * 50, "2026-04-10", 1, "due", "requested")]


def test_a_retry_asks_for_what_bounced_meanwhile(life: Life):
    paid = life.repay("03-09 09:00", 30_000)
    life.fail("03-10 11:00", "d1", retryable=True)
    life.reverse("03-10 12:00", paid)
    life.tick("03-11 00:00")
    assert life.debits()[1:] == [("d2", 100_050, "2026-03-10", 2, "retry", "requested")]


def test_two_debits_of_one_obligation_are_lowered_the_newer_first(life: Life):
    paid = life.repay("03-10 09:00", 30_000)  # the debit of the day is requested anew for 700.00
    life.reverse("03-10 12:00", paid)
    life.tick("03-11 00:00")
    assert [(debit[1], debit[-1]) for debit in life.debits()[1:]] == [(70_000, "requested"), (30_000, "requested")]
    life.repay("03-11 12:00", 20_050)
    assert [(debit[1], debit[-1]) for debit in life.debits()[1:]] == [
        (70_000, "requested"),
        (30_000, "cancelled"),
        (10_000, "requested"),
    ]


def test_a_debit_is_not_replaced_by_one_that_asks_for_the_same(life: Life):
    paid = life.repay("03-10 09:00", 50_000)
    life.fail("03-10 10:00", "d2", retryable=True)
    life.tick("03-11 00:00")
    life.reverse("03-11 12:00", paid)
    life.tick("03-12 00:00")
    both = [(50_025, "requested"), (50_000, "requested")]
    assert [(debit[1], debit[-1]) for debit in life.debits()[2:]] == both
    assert life.say("03-12 10:00", PenaltyWaived("v1", 70, "CNY", "ill", "chief")) == APPLIED
    assert owed_in_all(life.account) == 100_005
    assert [(debit[1], debit[-1]) for debit in life.debits()[2:]] == both
    life.repay("03-12 11:00", 15)  # 0.10 of principal: the newer gives way
    assert [(debit[1], debit[-1]) for debit in life.debits()[3:]] == [(50_000, "cancelled"), (49_990, "requested")]


def test_what_bounced_is_asked_for_though_the_debit_of_the_rest_fails_for_good(life: Life):
    paid = life.repay("03-10 09:00", 30_000)
    life.reverse("03-10 12:00", paid)
    life.fail("03-10 12:00", "d2")
    life.tick("03-11 00:00")
    assert life.debits()[2:] == [("d3", 100_000, "2026-03-10", 1, "due", "requested")]


def test_what_bounced_and_was_asked_for_by_a_retry_in_vain_is_left_alone(life: Life):
    paid = life.repay("03-10 09:00", 30_000)
    life.tick("03-11 09:00")
    life.reverse("03-11 12:00", paid)
    life.fail("03-11 12:00", "d2", retryable=True)  # 24 hours are over: the next attempt comes at once, for all
    assert life.debits()[2] == ("d3", 100_035, "2026-03-10", 2, "retry", "requested")
    life.fail("03-11 12:00", "d3")
    life.tick("03-12 00:00")
    assert len(life.debits()) == 3


def test_a_debit_that_nobody_answers_stands_in_the_way_for_seven_days(life: Life):
    life.tick("03-16 23:59")
    assert statuses(life) == ["requested"]
    life.tick("03-17 00:00")
    assert life.debits() == [
        ("d1", 100_000, "2026-03-10", 1, "due", "unanswered"),
        ("d2", 100_300, "2026-03-10", 1, "due", "requested"),
    ]
    assert life.sent("debit_unanswered")[0][2:] == ("d1", 100_000, at("03-10 00:00").date(), "to operators")
    life.repay("03-18 09:00", 100_300, debit="d2")
    assert (owed_in_all(life.account), life.penalties) == (0, 350 - 50)
    life.repay("03-19 09:00", 100_000, debit="d1")  # it was taken on the due day: nothing was ever overdue
    assert (owed_in_all(life.account), life.penalties, life.account["freezes"]) == (0, 0, set())
    assert sum(amount for amount, _ in life.paid_out()) == 100_300


def test_a_cancelled_debit_that_succeeds_pays_what_is_due_and_the_rest_goes_out(life: Life):
    life.buy(7_000, when="03-05 10:00", order_id="o2")
    life.repay("03-10 09:00", 40_000)
    assert statuses(life) == ["cancelled", "requested"]
    life.repay("03-10 10:00", 100_000, debit="d1")
    assert statuses(life) == ["succeeded", "cancelled"]
    assert life.paid_out() == [(40_000, "overpayment")]
    assert owed_in_all(life.account) == 7_000


def test_what_a_debit_after_all_leaves_and_displaces_goes_out_at_once(life: Life):
    life.tick("03-10 00:00")
    assert life.say("03-10 08:00", PurchaseCredited("o1", "g1", 10_000, "CNY", "goodwill", None)) == APPLIED
    life.repay("03-10 09:00", 40_000)
    life.repay("03-10 10:00", 100_000, debit="d1")
    assert (owed_in_all(life.account), life.paid_out()) == (0, [(50_000, "overpayment")])


# Late money.


def test_penalties_that_were_paid_meanwhile_go_back(life: Life):
    life.repay("03-15 12:00", 100_250)
    assert (owed_in_all(life.account), life.penalties) == (0, 250)
    life.repay("03-10 12:00", 100_000)
    assert life.paid_out() == [(100_250, "overpayment")]
    assert (life.penalties, life.account["freezes"]) == (0, set())


def test_the_order_in_which_money_is_told_does_not_matter():
    states = []
    for told in (("03-12 12:00", "03-15 12:00"), ("03-15 12:00", "03-12 12:00")):
        life = Life()
        life.open("taobao")
        life.buy(100_000)
        for when in told:
            life.repay(when, 50_000)
        life.tick("03-20 12:00")
        states.append((owed_in_all(life.account), life.penalties, credit(life.account)))
    assert states[0] == states[1]


def test_released_is_told_in_the_order_of_the_obligations_that_are_paid():
    life, instalments = Life(), Plan(PlanKind.INSTALMENT, None, 3)
    life.open("taobao")
    life.buy(30_000, instalments, order_id="o1")
    life.buy(60_000, instalments, order_id="o2")
    life.repay("03-10 09:00", 10_180, order="o1")
    life.repay("03-11 09:00", 70_000)
    released = [(order_id, amount) for _, order_id, amount, *_ in life.sent("limit.released")]
    assert released[:1] == [("o1", 10_000)]
    assert [order_id for order_id, _ in released[1:]] == ["o2", "o1"]


def test_what_waited_equally_long_is_decided_in_the_order_of_arrival():
    life = Life()
    life.open("taobao")
    for _ in range(7):
        life.tick("02-20 10:00")
    names = [life.repay("02-20 11:00", 5, order="typo") for _ in range(3)]  # e9, e10, e11: not as texts are sorted
    life.tick("02-23 11:00")
    money = [each["input"].body for each in life.model.verdicts if isinstance(each["input"].body, RepaymentReceived)]
    assert [each.repayment_id for each in money[-3:]] == names


def test_a_reversal_brings_no_penalties_for_the_days_that_are_gone(life: Life):
    paid = life.repay("03-12 09:00", 50_100)  # two penalties of 0.50, and half of it
    life.tick("03-14 09:00")
    assert life.penalties == 100 + 2 * 25
    life.reverse("03-14 10:00", paid)
    life.tick("03-15 09:00")
    assert (life.penalties, owed_in_all(life.account)) == (150 + 50, 100_000 + 200)


def test_a_reversal_that_is_undone_never_was(life: Life):
    paid = life.repay("03-09 09:00", 100_000)
    life.reverse("03-20 09:00", paid)
    life.tick("03-25 09:00")
    assert (owed_in_all(life.account), life.penalties) == (100_000 + 250, 250)
    assert life.say("03-25 10:00", RepaymentReinstated(paid, "won")) == APPLIED
    assert (owed_in_all(life.account), life.penalties, life.account["freezes"]) == (0, 0, set())
    assert life.say("03-25 11:00", RepaymentReinstated(paid, "won")) == ("duplicate", None)


def test_money_of_an_unknown_account_waits_in_suspense():
    life, nobody = Life(), Party(PartyKind.ACCOUNT, "nobody")
    money = RepaymentReceived("r1", 500, "CNY", "account", None, None, "manual")
    assert life.say("03-01 09:00", money, nobody) == ("parked", None)
    life.tick("03-04 09:00")
    assert life.verdict_of(RepaymentReceived) == ("applied", "reference_unknown")
    assert life.say("03-04 10:00", money, nobody) == ("duplicate", None)
    assert life.say("03-04 11:00", SuspenseReleased("r1", "assigned"), nobody) == APPLIED
    assert life.say("03-04 12:00", SuspenseReleased("r1", "again"), nobody) == ("duplicate", None)
    assert life.say("03-04 13:00", RepaymentReversed("r1", "bounced"), nobody) == ("duplicate", None)


# Returns, credits, fees.


def test_a_return_asked_for_in_time_and_told_late_undoes_overdue(life: Life):
    life.repay("03-14 09:00", 200)
    assert (life.penalties, life.account["freezes"]) == (200, {"overdue"})
    returned = ReturnRequested("t1", "o1", 100_000, "CNY", "other", (), None)
    assert life.say("03-10 23:00", returned) == APPLIED
    assert (life.penalties, life.account["freezes"]) == (0, set())
    assert owed_in_all(life.account) == 100_000 - 200


def test_a_return_told_late_but_asked_for_late_is_declined(life: Life):
    life.tick("03-14 09:00")
    returned = ReturnRequested("t1", "o1", 100_000, "CNY", "other", (), None)
    assert life.say("03-11 00:00", returned) == ("declined", "window_closed")


def test_a_credit_lessens_penalties_and_gives_back_what_was_paid_above(life: Life):
    life.repay("03-14 09:00", 200)  # four penalties of 0.50
    credited = PurchaseCredited("o1", "g1", 99_000, "CNY", "goodwill", None)
    assert life.say("03-14 10:00", credited) == APPLIED
    assert (life.penalties, owed_in_all(life.account)) == (4, 1_000)
    assert life.paid_out() == [(196, "order_refund")]
    assert life.say("03-14 11:00", PurchaseCredited("o1", "g2", 1_001, "CNY", "goodwill", None)) == (
        "declined",
        "amount_exceeds_order",
    )


def test_each_split_of_a_bill_has_fees_of_its_own():
    life = Life()
    life.open("douyin")
    life.buy(90_000)
    paid = life.repay("03-01 09:00", 30_000)
    assert life.say("03-01 10:00", BillInstalmentRequested(at("03-06 00:00").date(), 3)) == APPLIED
    life.reverse("03-01 11:00", paid)
    assert life.say("03-01 12:00", BillInstalmentRequested(at("03-06 00:00").date(), 6)) == APPLIED
    fees = sorted((owed["principal"], owed["fee"]) for owed in life.account["obligations"])
    assert fees == [(5_000, 180)] * 6 + [(20_000, 360)] * 3


# Hardship.


def test_penalties_are_waived(life: Life):
    life.tick("03-15 09:00")
    assert life.say("03-15 10:00", PenaltyWaived("v1", 100, "CNY", "ill", "chief")) == APPLIED
    assert owed_in_all(life.account) == 100_150
    assert life.say("03-15 11:00", PenaltyWaived("v2", None, "CNY", "ill", "chief")) == APPLIED
    assert owed_in_all(life.account) == 100_000
    assert life.say("03-15 12:00", PenaltyWaived("v3", None, "CNY", "ill", "chief")) == ("declined", "nothing_due")


def test_overdue_debt_is_made_new_and_a_missed_part_makes_all_of_it_due(life: Life):
    life.tick("03-15 09:00")
    assert life.say("03-15 10:00", DebtRescheduled("h1", 3, "ill", "chief")) == APPLIED
    assert life.account["freezes"] == set()
    assert statuses(life) == ["cancelled"]
    parts = [(owed["due_on"].isoformat(), owed["principal"], owed["penalty"]) for owed in life.account["obligations"]]
    assert parts == [("2026-04-10", 33_334, 250), ("2026-05-10", 33_333, 0), ("2026-06-10", 33_333, 0)]
    life.tick("04-11 00:00")
    assert life.account["freezes"] == {"overdue"}
    assert {owed["due_on"].isoformat() for owed in life.account["obligations"]} == {"2026-04-10", "2026-04-11"}
    assert life.debits()[1:] == [
        ("d2", 33_584, "2026-04-10", 1, "due", "requested"),
        ("d3", 66_666, "2026-04-11", 1, "due", "requested"),
    ]
    life.tick("04-30 00:00")
    assert life.penalties == 250


def test_debt_is_charged_off_and_recovered(life: Life):
    life.tick("03-15 09:00")
    assert life.say("03-15 10:00", DebtChargedOff("c1", "gone", "chief")) == APPLIED
    assert (owed_in_all(life.account), life.account["charged_off"], available(life.account)) == (0, 100_250, 0)
    assert [obligation_status(owed) for owed in life.account["obligations"]] == ["charged_off"]
    assert (statuses(life), life.account["closed"], life.account["freezes"]) == (["cancelled"], True, set())
    paid = life.repay("03-20 09:00", 60_000)
    assert life.account["recovered"] == 60_000
    life.repay("03-21 09:00", 50_000)
    assert (life.account["recovered"], life.paid_out()) == (100_250, [(9_750, "overpayment")])
    life.reverse("03-22 09:00", paid)
    assert life.account["recovered"] == 40_250


def test_more_than_storage_holds_costs_the_message_only():
    life = Life()
    life.open("taobao")
    half = RepaymentReceived("p1", 2**62, "CNY", "account", None, None, "manual")
    assert life.say("02-21 09:00", half) == APPLIED
    assert life.say("02-21 10:00", replace(half, repayment_id="p2")) == ("dead_lettered", "amount_overflow")
    assert life.say("02-21 11:00", replace(half, repayment_id="p3", amount_minor=2**62 - 1)) == APPLIED


def test_a_merchant_that_owes_the_platform_gets_nothing_back():
    life, shop = Life(), Party(PartyKind.MERCHANT, "m1")
    life.say("02-21 09:00", MerchantRegistered("CNY", 7), shop)
    life.say("02-21 09:00", DepositPaid("d1", 500, "CNY", "bank"), shop)
    life.say("02-21 09:00", MerchantActivity("CNY", -1, 0), shop)
    asked = DepositRefundRequested("q1", "d1", None, "CNY", "closing", "me", "original_route", False, None)
    assert life.say("02-21 10:00", asked, shop) == ("declined", "owes_platform")
    withdrawn = ShopWithdrawalRequested("w1", 1, "CNY")
    assert life.say("02-21 11:00", withdrawn, shop) == ("declined", "owes_platform")


# Shops and notices.


def test_shops_set_what_they_take():
    life = Life()
    life.open("taobao")
    instalments = Plan(PlanKind.INSTALMENT, None, 3)
    said = []
    for number, (shop, amount) in enumerate(
        [
            (ShopSettingsChanged("m1", False, None, None, "CNY"), 100),
            (ShopSettingsChanged("m1", True, (Plan(PlanKind.STATEMENT),), 500, "CNY"), 600),
            (ShopSettingsChanged("m1", True, (Plan(PlanKind.INSTALMENT),), 500, "CNY"), 501),
            (ShopSettingsChanged("m1", True, (instalments,), 500, "CNY"), 500),
        ]
    ):
        life.say("02-21 09:00", shop)
        placed = PurchasePlaced(f"o{number}", "m1", amount, "CNY", instalments, item_eligible=True, item_plans=None)
        said.append(life.say("02-21 10:00", placed))
    assert said == [
        ("declined", "not_supported"),
        ("declined", "plan_not_offered"),
        ("declined", "above_shop_maximum"),
        APPLIED,
    ]


def test_penalties_are_told_first_and_then_weekly(life: Life):
    life.tick("03-26 00:00")
    told = [(when, amount) for when, _, amount in life.sent("penalty_charged")]
    first = at("03-11 00:00")
    assert told == [(first, 50), (first + timedelta(days=7), 350), (first + timedelta(days=14), 350)]
