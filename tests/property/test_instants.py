"""Small lives in which much happens at one instant, or counts from before what has come since: core and model agree."""

from dataclasses import replace
from datetime import date

from settlement.entities import PlanKind
from settlement.messages import (
    AmountLowered,
    BillInstalmentRequested,
    DebtRescheduled,
    Input,
    ParcelInspected,
    PayoutFailed,
    Plan,
    PurchaseCancelled,
    PurchaseKept,
    PurchasePlaced,
    RepaymentReinstated,
    ReturnRequested,
    ReturnReviewed,
)
from tests.property.agreement import Duel
from tests.property.lane import Lane
from tests.property.lives import DAYS, Life
from tests.property.model.facts import credit, owed_in_all

MONTH, TWO_MONTHS = (Plan(PlanKind.DEFERRED, days) for days in (30, 60))
IN_THREE = Plan(PlanKind.INSTALMENT, periods=3)
WEEK = Plan(PlanKind.TRIAL, 7)


class SharedLife(Life):
    """One that the core hears of too; they agree after every message."""

    def __init__(self) -> None:
        super().__init__()
        self.duel = Duel(DAYS, Lane())
        self.model = self.duel.model

    def hear(self, message: Input) -> None:
        self.duel.receive(message)


def test_of_two_reversals_at_one_instant_the_second_freezes_the_line_that_credit_has_cleared():
    life = SharedLife()
    life.open("kuaishou")
    life.buy(2500, MONTH)
    life.buy(1000, TWO_MONTHS, order_id="o2")
    first, second = life.repay("03-01 10:00", 100, order="o1"), life.repay("03-02 10:00", 2400, order="o1")
    life.repay("03-25 10:00", 200, order="o1")
    assert credit(life.account) == 200
    life.reverse("03-25 10:00", first)
    assert (credit(life.account), life.account["freezes"]) == (100, set())
    life.reverse("03-25 10:00", second)
    assert (owed_in_all(life.account), life.account["freezes"]) == (3300, {"overdue"})
    assert [amount for _, _, amount, _ in life.sent("payment_overdue")] == [100, 2400]


def test_credit_pays_only_when_all_trials_of_its_instant_have_ended():
    """The return keeps o2 from anything at its end, which comes before that of o3."""
    life = SharedLife()
    life.open("tmall")
    for order_id, amount in (("o1", 300), ("o2", 400), ("o3", 600)):
        life.buy(amount, WEEK, order_id=order_id)
    life.say("02-20 10:00", PurchasePlaced("o4", "m1", 800, "CNY", WEEK, item_eligible=True, item_plans=None))
    life.say("02-20 11:00", PurchaseKept("o1"))
    life.say("02-20 11:00", ReturnRequested("r1", "o2", 200, "CNY", "other", (), None))
    life.say("02-20 12:00", PurchaseCancelled("o4", "changed"))
    life.repay("02-21 10:00", 370, order="o4")
    life.tick("02-27 00:00")
    assert (owed_in_all(life.account), life.paid_out()) == (530, [])


def test_what_is_reinstated_after_a_plan_costs_nothing_for_the_days_on_which_it_had_paid():
    life = SharedLife()
    life.open("kuaishou")
    life.buy(100_000, MONTH)
    paid = life.repay("03-24 10:00", 100_100, order="o1")  # the second day it is overdue
    life.reverse("04-10 10:00", paid)
    life.say("04-12 10:00", DebtRescheduled("h1", 3, "illness", "chief"))
    before = life.penalties
    life.say("04-20 10:00", RepaymentReinstated(paid, "won"))
    assert before == 4 * 50
    assert life.penalties == 2 * 50 + 2 * 33  # two thirds stand in other parts, and were unpaid on two days


def test_what_came_for_a_declined_order_is_left_over_also_when_it_is_reinstated_after_the_order_was_placed_anew():
    known = []
    for is_reversed in (False, True):
        life = SharedLife()
        life.open("kuaishou")
        life.buy(3000, MONTH)
        declined = PurchasePlaced("o2", "m1", 5000, "CNY", MONTH, item_eligible=False, item_plans=None)
        assert life.say("02-20 11:00", declined)[0] == "declined"
        paid = life.repay("02-21 10:00", 4000, order="o2")
        if is_reversed:
            life.reverse("02-21 11:00", paid)
        life.buy(5000, TWO_MONTHS, "02-22 10:00", "o2")
        life.tick("03-22 10:00")  # o1 is due
        if is_reversed:
            life.say("03-22 12:00", RepaymentReinstated(paid, "won"))
        known.append((owed_in_all(life.account), credit(life.account)))
    assert known == [(5000, 1000)] * 2


def test_a_penalty_that_a_return_told_late_gives_back_goes_out_with_what_a_failed_payout_left():
    life = SharedLife()
    life.open("kuaishou")
    life.buy(1000, MONTH)
    life.repay("03-23 10:00", 1101)
    (payout_id,) = life.account["payouts"]
    life.say("03-24 10:00", PayoutFailed(payout_id, "card closed"))
    asked = ReturnRequested("r1", "o1", 500, "CNY", "quality_issue", ("https://photo/1",), None)
    life.say("03-24 11:00", asked)
    assert credit(life.account) == 100
    life.say("03-21 10:00", replace(asked, return_id="r2"))
    assert life.paid_out() == [(100, "overpayment"), (101, "overpayment")]


def test_what_a_lowering_has_moved_to_a_part_is_overdue_though_what_the_part_was_overdue_for_turns_out_to_be_paid():
    life = SharedLife()
    life.open("douyin", "01-28 10:00")
    life.buy(100, when="01-28 10:00")
    paid = life.repay("01-28 11:00", 1)
    life.say("02-01 10:00", BillInstalmentRequested(date(2026, 2, 6), 3))
    life.reverse("02-10 10:00", paid)
    life.say("02-10 11:00", AmountLowered("o1", 99, "CNY", "price"))  # 27 are due on 02-06 now, and 24 thrice later
    life.say("02-10 12:00", RepaymentReinstated(paid, "won"))
    assert [told[2:] for told in life.sent("payment_overdue")] == [(1, date(2026, 2, 6)), (26, date(2026, 2, 6))]
    assert life.account["freezes"] == {"overdue"}
    life.tick("02-11 00:00")
    assert life.penalties == 1
    assert [debit[1:] for debit in life.debits()] == [(26, "2026-02-06", 1, "due", "requested")]


def test_what_a_lowering_makes_of_a_part_that_was_sent_back_is_owed_and_overdue():
    """A return takes the first instalment back, for the second is paid; then that payment is reversed."""
    life = SharedLife()
    life.open("taobao")
    life.buy(100, IN_THREE)
    life.tick("04-10 00:00")
    paid = life.repay("04-10 01:00", 34, debit=life.debits()[-1][0])
    life.say("04-10 02:00", ReturnRequested("r1", "o1", 67, "CNY", "quality_issue", ("https://photo/1",), None))
    life.say("04-10 03:00", ReturnReviewed("r1", "approved", "broken"))
    life.say("04-10 04:00", ParcelInspected("r1", "intact", (), (), "i1"))
    assert [owed["principal"] for owed in life.account["obligations"]] == [0, 33, 0]
    life.reverse("04-10 05:00", paid)
    life.say("04-10 06:00", AmountLowered("o1", 99, "CNY", "price"))
    assert [owed["principal"] for owed in life.account["obligations"]] == [32, 0, 0]
    assert [told[2:] for told in life.sent("payment_overdue")] == [(35, date(2026, 3, 10)), (32, date(2026, 3, 10))]
    life.tick("04-11 00:00")
    assert life.debits()[-1][1:] == (32, "2026-03-10", 1, "due", "requested")


def test_a_pending_retry_asks_for_what_was_paid_meanwhile_and_taken_back():
    life = SharedLife()
    life.open("kuaishou")
    life.buy(1000, MONTH)
    life.buy(2000, MONTH, order_id="o2")
    life.tick("03-22 00:00")
    life.fail("03-22 01:00", life.debits()[0][0], retryable=True)
    life.reverse("03-22 03:00", life.repay("03-22 02:00", 1000, order="o1"))
    life.tick("03-24 00:00")
    assert [debit[1:] for debit in life.debits()] == [
        (3000, "2026-03-22", 1, "due", "failed"),
        (3002, "2026-03-22", 2, "retry", "requested"),  # with the penalties of 03-23
    ]


def test_a_return_takes_an_order_out_of_a_debit_that_asked_for_it_before_it_was_paid():
    """The penalties of the other one make up for what was paid, so that the debit goes on."""
    life = SharedLife()
    life.open("kuaishou")
    life.buy(1, MONTH)
    life.buy(2000, MONTH, order_id="o2")
    life.tick("03-24 00:00")
    paid = life.repay("03-24 02:00", 2, order="o1")
    assert [debit[1:] for debit in life.debits()] == [(2001, "2026-03-22", 1, "due", "requested")]
    life.say("03-24 03:00", ReturnRequested("r1", "o1", 1, "CNY", "quality_issue", ("https://photo/1",), None))
    life.reverse("03-24 04:00", paid)
    assert [debit[1:] for debit in life.debits()] == [
        (2001, "2026-03-22", 1, "due", "cancelled"),
        (2002, "2026-03-22", 1, "due", "requested"),
    ]


def test_what_a_return_told_late_leaves_is_debited_at_once_and_overdue_at_the_next_midnight():
    life = SharedLife()
    life.open("kuaishou", "01-28 10:00")
    life.buy(250, MONTH, when="01-28 10:00")
    life.tick("03-05 14:00")
    assert life.account["freezes"] == {"overdue"}
    life.say("02-25 06:00", ReturnRequested("r1", "o1", 125, "CNY", "no_longer_wanted", (), None))
    assert life.account["freezes"] == set()
    assert life.debits()[-1][1:] == (125, "2026-02-27", 1, "due", "requested")
    life.tick("03-06 00:00")
    assert [told[2:] for told in life.sent("payment_overdue")] == [(250, date(2026, 2, 27)), (125, date(2026, 2, 27))]


def test_of_two_reinstatements_that_wait_for_a_reversal_the_second_is_a_duplicate():
    life = SharedLife()
    life.open("kuaishou")
    life.buy(1000, MONTH)
    paid = life.repay("02-20 10:00", 400, order="o1")
    for hour in ("11:00", "12:00"):
        life.say(f"02-20 {hour}", RepaymentReinstated(paid, "won"))
    life.reverse("02-20 13:00", paid)
    assert [told["verdict"][0] for told in life.model.verdicts[-3:]] == ["applied", "applied", "duplicate"]
