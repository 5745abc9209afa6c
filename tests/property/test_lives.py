"""Each newer rule in a small life of the model alone, with values worked out by hand."""

from dataclasses import replace
from datetime import timedelta

from settlement.entities import PlanKind
from settlement.messages import (
    BillInstalmentRequested,
    CreditLineOpened,
    DebtChargedOff,
    DebtRescheduled,
    DepositPaid,
    DepositRefundRequested,
    MerchantActivity,
    MerchantRegistered,
    PayoutSucceeded,
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

APPLIED = ("applied", None)


def statuses(life: Life) -> list[str]:
    return [debit[-1] for debit in life.debits()]


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


def test_what_is_displaced_pays_of_what_was_open_at_its_own_time(life: Life):
    """What a reversal opens again was paid then: else money that came would make something else overdue."""
    life.buy(10_000, order_id="o2")
    first = life.repay("03-08 09:00", 100_000, order="o1")
    life.repay("03-09 09:00", 10_000)
    life.reverse("03-15 09:00", first)
    life.tick("03-16 09:00")
    assert [(owed["paid"]["principal"], len(owed["falls"])) for owed in life.account["obligations"]] == [
        (0, 1),
        (10_000, 0),
    ]
    life.repay("03-08 12:00", 5_000)
    assert [(owed["paid"]["principal"], len(owed["falls"])) for owed in life.account["obligations"]] == [
        (5_000, 1),
        (10_000, 0),
    ]
    assert len(life.sent("payment_overdue")) == 1


def test_what_is_displaced_goes_on_paying_what_it_paid(life: Life):
    """Also what a reversal had opened when it came."""
    first = life.repay("03-10 12:00", 100_000)
    life.reverse("03-12 09:00", first)
    life.repay("03-11 09:00", 100_000)
    assert (owed_in_all(life.account), statuses(life)) == (0, ["cancelled"])
    life.repay("03-13 09:00", 30_000, debit="d1")
    assert (owed_in_all(life.account), life.paid_out()) == (0, [(30_000, "overpayment")])
    assert all(fall["cleared_at"] for owed in life.account["obligations"] for fall in owed["falls"])


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


def test_what_comes_when_two_waits_end_ends_the_second():
    life = Life()
    life.open("taobao")
    life.repay("02-20 11:00", 5, order="typo")
    assert life.say("02-20 11:00", PayoutSucceeded("d1")) == ("parked", None)
    life.tick("02-23 11:00")  # the money goes out as payout d1
    assert life.verdict_of(PayoutSucceeded) == APPLIED


def test_a_reversal_brings_no_penalties_for_the_days_that_are_gone(life: Life):
    paid = life.repay("03-12 09:00", 50_100)  # two penalties of 0.50, and half of it
    life.tick("03-14 09:00")
    assert life.penalties == 100 + 2 * 25
    life.reverse("03-14 10:00", paid)
    life.tick("03-15 09:00")
    assert (life.penalties, owed_in_all(life.account)) == (150 + 50, 100_000 + 200)


def test_a_reversal_at_midnight_comes_after_the_penalty_of_that_midnight(life: Life):
    paid = life.repay("03-12 09:00", 50_100)
    life.reverse("03-14 00:00", paid)
    life.tick("03-15 00:00")
    assert life.penalties == 100 + 2 * 25 + 50
    assert [fall["cleared_at"] for owed in life.account["obligations"] for fall in owed["falls"]] == [None, None]


def test_what_is_paid_at_the_instant_of_a_reversal_was_overdue_until_then(life: Life):
    """Taobao frees the line three days after."""
    paid = life.repay("03-10 09:00", 100_000)
    life.reverse("03-14 09:00", paid)
    life.repay("03-14 09:00", 100_000)
    assert (owed_in_all(life.account), life.account["freezes"]) == (0, {"overdue"})
    life.tick("03-17 09:00")
    assert life.account["freezes"] == set()


def test_a_reversal_that_is_undone_never_was(life: Life):
    paid = life.repay("03-09 09:00", 100_000)
    life.reverse("03-20 09:00", paid)
    life.tick("03-25 09:00")
    assert (owed_in_all(life.account), life.penalties) == (100_000 + 250, 250)
    assert life.say("03-25 10:00", RepaymentReinstated(paid, "won")) == APPLIED
    assert (owed_in_all(life.account), life.penalties, life.account["freezes"]) == (0, 0, set())
    assert life.say("03-25 11:00", RepaymentReinstated(paid, "won")) == ("duplicate", None)


def test_money_of_an_account_whose_opening_was_declined_goes_to_suspense():
    life, nobody = Life(), Party(PartyKind.ACCOUNT, "nobody")
    line = CreditLineOpened("nippon", 1000, "CNY", None, card_linked=False, identity_verified=False)
    assert life.say("03-01 08:00", line, nobody) == ("declined", "not_supported")
    money = RepaymentReceived("r1", 500, "CNY", "account", None, None, "manual")
    assert life.say("03-01 09:00", money, nobody) == ("parked", None)
    life.tick("03-04 09:00")
    assert life.verdict_of(RepaymentReceived) == ("applied", "reference_unknown")


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


def test_a_return_asked_for_in_time_gives_the_limit_back_before_it_releases():
    life = Life()
    life.open("kuaishou")
    life.buy(100_000, Plan(PlanKind.DEFERRED, 30))
    life.tick("03-24 09:00")  # due on 22 March; what was unused is gone
    assert life.account["limit"] == 100_000
    assert life.say("03-20 09:00", ReturnRequested("t1", "o1", 100_000, "CNY", "other", (), None)) == APPLIED
    assert life.sent("limit.restored")[0][1:] == (900_000, "cleared", 900_000, 1_000_000)
    assert life.sent("limit.released")[0][1:] == ("o1", 100_000, "returned", 1_000_000, 1_000_000)


def test_a_paid_penalty_that_is_none_pays_what_is_returned_first():
    """As it would where the parcel has to be waited for."""
    life = Life()
    life.open("kuaishou")
    life.buy(100_000, Plan(PlanKind.DEFERRED, 30))
    life.repay("03-23 09:00", 50)
    assert (life.penalties, owed_in_all(life.account)) == (50, 100_000)
    assert life.say("03-22 20:00", ReturnRequested("t1", "o1", 100_000, "CNY", "other", (), None)) == APPLIED
    assert (owed_in_all(life.account), life.paid_out()) == (0, [(50, "order_refund")])


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


def test_money_of_a_declined_account_waits_for_its_own_hours_though_it_was_told_before():
    life = Life()
    line = CreditLineOpened("taobao", 1_000, "USD", 800, card_linked=True, identity_verified=True)
    assert life.say("02-20 09:00", line)[0] == "declined"
    money = RepaymentReceived("r1", 100, "CNY", "account", None, None, "manual")
    assert [life.say(when, money) for when in ("02-20 10:00", "02-20 12:00")] == [("parked", None)] * 2
    life.tick("02-24 00:00")
    assert [(each["at"], each["verdict"]) for each in life.model.verdicts if each["was_parked"]] == [
        (at("02-23 10:00"), ("applied", "reference_unknown")),
        (at("02-23 12:00"), ("duplicate", None)),
    ]
