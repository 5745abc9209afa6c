"""Situations that real platforms met, told to the model alone: it gives their right values."""

from dataclasses import replace

from settlement.entities import PlanKind
from settlement.messages import (
    CreditLineOpened,
    ParcelInspected,
    Plan,
    RepaymentReceived,
    ReturnRequested,
    ReturnReviewed,
    TermsPublished,
)
from tests.property.lives import Life
from tests.property.model.facts import owed_in_all
from tests.property.tellers.programmes import BUILTIN, NIPPON, UNUSABLE, WITH_NIPPON, with_programmes


def test_a_part_that_bounces_while_the_rest_is_debited_is_debited_beside_it():
    life = Life()
    life.open("taobao")
    life.buy(30000)
    first = life.repay("03-10 09:00", 20000)
    assert life.debits()[-1] == ("d2", 10000, "2026-03-10", 1, "due", "requested")
    life.reverse("03-10 18:00", first)
    assert life.debits()[-1][-1] == "requested"
    life.tick("03-11 00:00")
    assert life.debits()[1:] == [
        ("d2", 10000, "2026-03-10", 1, "due", "requested"),
        ("d3", 20000, "2026-03-10", 1, "due", "requested"),
    ]
    life.repay("03-14 12:00", 20000, debit="d3")
    life.repay("03-16 12:00", 10000, debit="d2")
    assert (owed_in_all(life.account), life.penalties, life.account["freezes"]) == (0, 0, set())


def test_money_for_an_order_that_never_comes_pays_the_account_as_of_its_time():
    life = Life()
    life.open("douyin")
    life.buy(50000)
    life.repay("03-01 10:00", 50000, order="typo")
    life.tick("03-04 09:59")
    assert life.verdict_of(CreditLineOpened) == ("applied", None)
    assert owed_in_all(life.account) == 50000
    life.tick("03-07 10:00")
    assert life.verdict_of(RepaymentReceived) == ("applied", "reference_unknown")
    assert (owed_in_all(life.account), life.penalties, life.account["freezes"]) == (0, 0, set())


def test_money_told_after_its_due_day_undoes_what_followed():
    life = Life()
    life.open("douyin")
    life.buy(50000)
    life.tick("03-05 10:00")
    life.repay("03-05 10:00", 50000, order="typo")
    life.tick("03-08 09:00")
    assert life.account["freezes"] == {"overdue"}
    life.tick("03-08 10:00")
    assert (owed_in_all(life.account), life.penalties, life.account["freezes"]) == (0, 0, set())
    assert life.debits() == [("d1", 50000, "2026-03-06", 1, "due", "cancelled")]


def test_a_part_paid_in_time_and_told_late_costs_only_the_penalty_of_the_rest():
    life = Life()
    life.open("kuaishou")
    life.buy(1_000_000, Plan(PlanKind.DEFERRED, 30))
    life.tick("04-01 14:00")
    assert life.penalties == 5000
    life.repay("03-21 14:00", 999_900)
    assert life.penalties == 10
    assert owed_in_all(life.account) == 100 + 10


def returned_whole(reason: str) -> Life:
    life = Life()
    life.open("taobao")
    life.buy(90000, Plan(PlanKind.INSTALMENT, None, 3))
    life.repay("02-22 10:00", 30540)
    evidence = ("https://photo/1",) if reason == "quality_issue" else ()
    life.say("02-23 10:00", ReturnRequested("t1", "o1", 90000, "CNY", reason, evidence, None))
    life.say("02-23 10:30", ReturnReviewed("t1", "approved", "seen"))
    life.say("02-23 11:00", ParcelInspected("t1", "intact", (), (), "courier"))
    return life


def test_a_fee_is_kept_when_the_buyer_changed_his_mind():
    assert returned_whole("no_longer_wanted").paid_out() == [(30000, "order_refund")]


def test_a_fee_goes_back_when_the_goods_were_not_good():
    assert returned_whole("quality_issue").paid_out() == [(30540, "order_refund")]


def test_a_programme_is_not_supported_until_published_terms_name_it():
    life = Life()
    line = CreditLineOpened("nippon", 1000, "JPY", None, card_linked=False, identity_verified=False)
    assert life.say("02-20 09:00", line) == ("declined", "not_supported")
    published = TermsPublished(with_programmes(nippon=NIPPON | {"currency": "JPY"}))
    assert life.say("02-20 10:00", published) == ("applied", None)
    assert life.say("02-20 11:00", replace(line, currency="CNY")) == ("declined", "currency_mismatch")
    assert life.say("02-20 11:00", line) == ("applied", None)


def test_a_programme_of_published_terms_keeps_its_currency_and_never_goes():
    life = Life()
    for unusable in UNUSABLE:
        assert life.say("02-20 09:00", TermsPublished(unusable)) == ("dead_lettered", "terms_invalid")
    assert life.say("02-20 10:00", TermsPublished(WITH_NIPPON)) == ("applied", None)
    assert life.say("02-20 11:00", TermsPublished(BUILTIN)) == ("dead_lettered", "terms_invalid")
    life.open("nippon")
    life.buy(10_000, Plan(PlanKind.DEFERRED, 14))
    life.tick("03-07 00:00")  # due on 6 March, 14 days after 20 February
    assert (life.penalties, life.account["freezes"]) == (5, {"overdue"})
    life.repay("03-07 09:00", 10_005)
    life.tick("03-08 08:59")
    assert life.account["freezes"] == {"overdue"}
    life.tick("03-08 09:00")
    assert life.account["freezes"] == set()
