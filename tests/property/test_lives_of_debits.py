"""What is debited when, and what becomes of the answers: small lives of the model alone, worked out by hand."""

from settlement.entities import PlanKind
from settlement.messages import (
    CardLinked,
    DebitRequested,
    PenaltyWaived,
    Plan,
    PurchaseCredited,
    PurchaseKept,
    RepaymentReceived,
)
from tests.property.lives import Life, at
from tests.property.model.facts import owed_in_all

APPLIED = ("applied", None)


def statuses(life: Life) -> list[str]:
    return [debit[-1] for debit in life.debits()]


def test_a_debit_that_succeeds_after_midnight_leaves_nothing(life: Life):
    life.tick("03-11 00:00")
    assert (life.penalties, life.account["freezes"]) == (50, {"overdue"})
    life.repay("03-11 09:00", 100_000, debit="d1")
    assert (owed_in_all(life.account), life.penalties, life.account["freezes"]) == (0, 0, set())


def test_what_a_debit_cleared_counts_from_the_instant_of_its_request():
    life = Life()
    life.open("taobao")
    life.buy(100_000)
    life.buy(50_000, when="03-05 10:00", order_id="o2")
    life.repay("03-12 09:00", 100_000, order="o1")
    life.fail("03-12 10:00", "d2")  # what is left of o1 is asked for again on the next due day, with o2
    life.tick("04-10 00:00")
    life.repay("04-10 09:00", life.debits()[2][1], debit="d3")
    assert owed_in_all(life.account) == 0
    assert [fall["cleared_at"] for owed in life.account["obligations"] for fall in owed["falls"]] == [at("04-10 00:00")]


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


def test_a_debit_of_an_expiry_at_midnight_counts_before_what_falls_overdue(life: Life):
    life.repay("03-08 00:00", 1_000, order="typo")  # waits until the 00:00 at which its buyer is overdue
    life.tick("03-11 00:00")
    assert life.debits()[1] == ("d2", 99_000, "2026-03-10", 1, "due", "requested")
    assert life.account["freezes"] == {"overdue"}
    life.repay("03-11 09:00", 99_000, debit="d2")
    assert (owed_in_all(life.account), life.penalties, life.account["freezes"]) == (0, 0, set())


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


def test_what_was_kept_is_paid_by_its_debit_that_nobody_answered_in_time():
    life = Life()
    life.open("tmall")
    life.buy(100_000, Plan(PlanKind.TRIAL, 30))
    assert life.say("02-21 10:00", PurchaseKept("o1")) == APPLIED
    life.tick("02-28 10:00")
    assert statuses(life) == ["unanswered"]
    life.repay("03-01 10:00", 100_000, debit="d1")  # not due until 22 March
    assert (owed_in_all(life.account), life.paid_out()) == (0, [])


def test_a_debit_after_all_leaves_alone_what_a_payoff_paid_that_was_not_due():
    life = Life()
    life.open("douyin")
    life.buy(60_000, Plan(PlanKind.INSTALMENT, None, 3))
    life.tick("03-06 00:00")
    payoff = RepaymentReceived("all", 60_360, "CNY", "payoff", None, None, "manual")
    assert life.say("03-06 10:00", payoff) == APPLIED
    assert (owed_in_all(life.account), statuses(life)) == (0, ["cancelled"])
    life.repay("03-06 10:05", 20_360, debit="d1")
    assert (owed_in_all(life.account), life.paid_out()) == (0, [(20_360, "overpayment")])


def test_a_debit_after_all_leaves_alone_what_money_by_hand_paid_that_was_not_due(life: Life):
    life.buy(20_000, when="03-05 10:00", order_id="o2")
    life.repay("03-10 09:00", 115_000)
    life.repay("03-10 10:00", 100_000, debit="d1")
    assert (owed_in_all(life.account), life.paid_out()) == (5_000, [(100_000, "overpayment")])
