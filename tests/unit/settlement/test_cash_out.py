"""Cash-outs: what stands against them, what is paid out, and when it is owed."""

from dataclasses import replace
from datetime import date

import pytest

from settlement.decision import DeclineReason, Outcome
from settlement.entities import Account, CashOut, Obligation
from settlement.ledger import LedgerAccount
from settlement.messages import CashOutRequested, CloseRequested
from settlement.outputs import AutoDebitRequested, LimitReleased, NotificationRequested, PayoutRequested
from settlement.statuses import ObligationStatus
from settlement.values import revised
from tests.unit.settlement.builders import (
    BUYER,
    Lane,
    at,
    cashed_out,
    lane_with_line,
    on_statement,
    opened,
    repaid,
    rules_of,
    without_notices,
)

OFFERED = {"daily_cap_minor": 100_000, "days_without_overdue": 90}


def obligation(status: ObligationStatus, due_on: date) -> Obligation:
    return Obligation("buyer", "old", 99, None, due_on, status, 100, 0, 0, 0, 0, 0, None)


OBSTACLES = [
    (DeclineReason.LINE_CLOSED, {"closed_at": at("2026-01-01")}, {}, {}),
    (DeclineReason.LINE_FROZEN, {"freeze_reasons": ("security",)}, {}, {}),
    (DeclineReason.OVERDUE, {}, {}, {}),
    (DeclineReason.CARD_NOT_LINKED, {"card_linked": False}, {}, {"needs": {"card_linked": True}}),
    (DeclineReason.IDENTITY_NOT_VERIFIED, {"identity_verified": False}, {}, {"needs": {"identity_verified": True}}),
    (DeclineReason.SCORE_BELOW_THRESHOLD, {"score": 649}, {}, {"needs": {"score_at_least": 650}}),
    (DeclineReason.CURRENCY_MISMATCH, {}, {"currency": "USD"}, {}),
    (DeclineReason.LIMIT_EXCEEDED, {}, {"amount_minor": 200_001}, {}),
    (DeclineReason.NOT_OFFERED, {}, {}, {"cash_out": {}}),
    (DeclineReason.IDENTITY_NOT_VERIFIED, {"identity_verified": False}, {}, {}),
    (DeclineReason.RECENT_OVERDUE, {"overdue_until": at("2025-12-31")}, {}, {}),
    (DeclineReason.DAILY_CAP_EXCEEDED, {}, {"amount_minor": 100_001}, {}),
]
"""Each obstacle to a cash-out alone, in the order of the rules: of the account, the request, the programme."""


@pytest.mark.parametrize("first", range(len(OBSTACLES)))
def test_a_cash_out_is_declined_with_the_first_reason_that_applies(first):
    terms: dict = {"needs": {}, "cash_out": OFFERED}
    of_account, request = {}, cashed_out()
    for _, account, body, programme in reversed(OBSTACLES[first:]):
        of_account |= account
        request = replace(request, **body)
        terms |= {key: {**terms[key], **value} if value else {} for key, value in programme.items()}
    lane = Lane(rules_of("own", "taobao", **terms))
    lane.send("2026-01-01", opened("own", 200_000))
    lane.states[BUYER].entities[Account][BUYER.id] = revised(lane.account, **of_account)
    if DeclineReason.OVERDUE in [reason for reason, *_ in OBSTACLES[first:]]:
        late = obligation(ObligationStatus.OVERDUE, date(2025, 12, 1))
        lane.states[BUYER].entities[Obligation] = {"old": late}
    before = lane.account
    decision = lane.send("2026-01-02", request)
    assert (decision.outcome, decision.reason) == (Outcome.DECLINED, OBSTACLES[first][0])
    (notice,) = lane.outputs()
    assert isinstance(notice, NotificationRequested)
    assert (notice.template, notice.params["reason"]) == ("cash_out_declined", OBSTACLES[first][0])
    assert lane.account == before


def test_a_cash_out_is_paid_to_the_card_and_uses_the_limit():
    lane = lane_with_line("taobao")
    decision = lane.send("2026-01-02", cashed_out(30_000))
    (payout,) = without_notices(lane.outputs())
    assert isinstance(payout, PayoutRequested)
    assert (payout.payee_id, payout.amount_minor, payout.route, payout.reason) == ("buyer", 30_000, "card", "cash_out")
    assert [(each.debit, each.credit, each.amount_minor) for each in decision.postings] == [
        (LedgerAccount.LIMIT_USED, LedgerAccount.LIMIT_AVAILABLE, 30_000),
        (LedgerAccount.RECEIVABLE, LedgerAccount.PAYOUT_CLEARING, 30_000),
    ]
    assert lane.limits() == (100_000, 70_000, 0, 30_000)
    assert lane.notices() == ["cash_out_paid"]
    assert decision.activity == ()


@pytest.mark.parametrize(
    ("when", "billed_on", "due_on"),
    [
        ("2026-01-31 23:59", date(2026, 2, 1), date(2026, 2, 10)),
        ("2026-02-01 00:00", date(2026, 3, 1), date(2026, 3, 10)),
    ],
)
def test_it_is_owed_with_the_next_statement(when, billed_on, due_on):
    lane = lane_with_line("taobao")
    lane.send(when, cashed_out(30_000))
    (owed,) = lane.obligations
    assert (owed.order_id, owed.principal_minor, owed.fee_minor) == (None, 30_000, 0)
    assert (owed.billed_on, owed.due_on) == (billed_on, due_on)
    assert lane.get(CashOut, "cash-out").obligation_ids == (owed.obligation_id,)
    lane.tick(f"{due_on} 00:00")
    (request,) = lane.outputs(AutoDebitRequested)
    assert (request.amount_minor, request.order_ids, request.reason) == (30_000, (), "due")


def test_it_is_debited_together_with_the_orders_of_its_statement():
    lane = lane_with_line("taobao", rules=rules_of("taobao", "taobao", captured_on="placing"))
    lane.send("2026-01-02", on_statement(amount_minor=5_000))
    lane.send("2026-01-03", cashed_out(30_000))
    lane.tick("2026-02-10 00:00")
    (request,) = lane.outputs(AutoDebitRequested)
    assert (request.amount_minor, request.order_ids) == (35_000, ("order",))


def test_repaying_it_releases_the_limit_of_no_order():
    lane = lane_with_line("taobao")
    lane.send("2026-01-02", cashed_out(30_000))
    lane.send("2026-01-03", repaid(30_000))
    assert lane.outputs(LimitReleased) == [LimitReleased("buyer", None, 30_000, "CNY", "repaid", 100_000, 100_000)]


def test_a_cash_out_told_after_its_due_date_is_debited_at_once():
    lane = lane_with_line("taobao")
    lane.tick("2026-02-11")
    lane.send("2026-01-02", cashed_out(30_000))
    assert [each.due_on for each in lane.outputs(AutoDebitRequested)] == [date(2026, 2, 10)]


def test_cash_outs_of_one_date_are_capped_together():
    lane = lane_with_line("taobao", 500_000)
    assert lane.send("2026-01-02 00:00", cashed_out(60_000, "a")).outcome is Outcome.APPLIED
    assert lane.send("2026-01-02 23:59", cashed_out(40_001, "b")).reason == DeclineReason.DAILY_CAP_EXCEEDED
    assert lane.send("2026-01-02 23:59", cashed_out(40_000, "b")).outcome is Outcome.APPLIED
    assert lane.send("2026-01-02 23:59", cashed_out(1, "c")).reason == DeclineReason.DAILY_CAP_EXCEEDED
    assert lane.send("2026-01-03 00:00", cashed_out(100_000, "c")).outcome is Outcome.APPLIED
    assert (lane.account.cash_out_on, lane.account.cash_out_day_minor) == (date(2026, 1, 3), 100_000)


def test_one_that_comes_after_a_later_date_counts_as_of_that():
    lane = lane_with_line("taobao", 500_000)
    lane.send("2026-01-05", cashed_out(60_000, "a"))
    assert lane.send("2026-01-04", cashed_out(40_001, "b")).reason == DeclineReason.DAILY_CAP_EXCEEDED
    assert lane.send("2026-01-04", cashed_out(40_000, "b")).outcome is Outcome.APPLIED
    assert lane.account.cash_out_on == date(2026, 1, 5)
    assert lane.send("2026-01-05", cashed_out(1, "c")).reason == DeclineReason.DAILY_CAP_EXCEEDED


@pytest.mark.parametrize(
    ("when", "outcome"), [("2026-05-13 11:59", Outcome.DECLINED), ("2026-05-13 12:00", Outcome.APPLIED)]
)
def test_nothing_was_overdue_for_90_days(when, outcome):
    lane = lane_with_line("taobao")
    lane.send("2026-01-02", cashed_out(30_000, "first"))
    lane.tick("2026-02-11 00:00")
    assert lane.send("2026-02-11", cashed_out(1)).reason == DeclineReason.LINE_FROZEN
    lane.send("2026-02-12 12:00", repaid(40_000))
    assert lane.send(when, cashed_out(30_000)).outcome is outcome


def test_a_cash_out_id_is_taken_once_paid_and_free_when_declined():
    lane = lane_with_line("taobao")
    assert lane.send("2026-01-02", cashed_out(100_001)).reason == DeclineReason.LIMIT_EXCEEDED
    assert lane.send("2026-01-02", cashed_out(1_000)).outcome is Outcome.APPLIED
    assert lane.send("2026-01-03", cashed_out(1_000)).outcome is Outcome.DUPLICATE
    assert lane.send("2026-01-03", cashed_out(1_001)).outcome is Outcome.CONFLICT
    assert lane.limits() == (100_000, 99_000, 0, 1_000)


def test_on_a_closed_line_a_repetition_is_declined_too():
    lane = lane_with_line("taobao")
    lane.send("2026-01-02", cashed_out(1_000))
    lane.send("2026-01-03", repaid(1_000))
    lane.send("2026-01-04", CloseRequested())
    assert lane.send("2026-01-05", cashed_out(1_000)).reason == DeclineReason.LINE_CLOSED


@pytest.mark.parametrize("programme", ["kuaishou", "douyin", "tmall"])
def test_other_programmes_offer_no_cash_out(programme):
    assert lane_with_line(programme).send("2026-01-02", cashed_out(1_000)).reason == DeclineReason.NOT_OFFERED


def test_a_cash_out_waits_for_its_account():
    lane = Lane()
    assert lane.send("2026-01-01", CashOutRequested("cash-out", 1_000, "CNY")).outcome is Outcome.PARKED
    lane.send("2026-01-02", opened("taobao"))
    assert lane.limits() == (100_000, 99_000, 0, 1_000)
