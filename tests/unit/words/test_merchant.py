"""People are told of a merchant what its story says."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from cli.output import people
from storage.stories.merchant import CaseStory, DepositRefundStory, MerchantStory, OpenStory, SettingsStory
from storage.stories.plan import PlanStory
from words.merchant import tell

NONE_OPEN = OpenStory(promotions=0, disputes=0, after_sales=0, violations=0)
REQUEST = DepositRefundStory(
    request_id="q-1",
    deposit_id="d-1",
    amount_minor=200_000,
    refund_to="original_route",
    status="rejected",
    reasons=(),
    urgent=False,
    urgency=None,
    reason="promotion is over",
    contact="shop@example.com",
    requested_at=datetime(2026, 2, 9, 2, tzinfo=UTC),
    review_due_on=date(2026, 2, 25),
    opinion="the shop still sells",
)


def told(capsys, **given) -> list[str]:
    """The story of a merchant without anything unless told otherwise, line by line, with single spaces."""
    fields = {
        "merchant_id": "m-1",
        "currency": "CNY",
        "registered_on": date(2026, 1, 1),
        "settlement_cycle_days": 7,
        "next_payout_at": None,
        "payable_minor": 0,
        "shop_balance_minor": 0,
        "open": NONE_OPEN,
        "settings": None,
        **dict.fromkeys(
            ("balances", "deposits", "deposit_refunds", "shop_withdrawals", "payouts", "open_cases", "history"), ()
        ),
    }
    people().print(*tell(MerchantStory(**fields | given)), sep="\n")
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({}, "Merchant m-1 was registered on 2026-01-01 and is paid every 7 days."),
        ({"settlement_cycle_days": 1}, "Merchant m-1 was registered on 2026-01-01 and is paid every 1 day."),
        (
            {"registered_on": None, "currency": None, "settlement_cycle_days": None},
            "Merchant m-1 is not registered yet.",
        ),
    ],
)
def test_since_when_and_how_often_it_is_paid_is_told_first(capsys, given, line):
    assert told(capsys, **given)[0] == line


def test_what_stands_against_a_refund_is_named_but_for_returns(capsys):
    lines = told(
        capsys,
        open=replace(NONE_OPEN, disputes=1, after_sales=2),
        open_cases=(CaseStory(kind="dispute", case_id="x-1"),),
    )
    assert "A refund of its deposits would be declined: 1 open dispute, 2 open returns (dispute x-1)." in lines


def test_returns_alone_are_counted(capsys):
    lines = told(capsys, open=replace(NONE_OPEN, after_sales=1))
    assert "A refund of its deposits would be declined: 1 open return." in lines


def test_what_a_review_said_is_told_and_nothing_of_one_that_has_not_come(capsys):
    requests = (REQUEST, replace(REQUEST, request_id="q-2", status="awaiting_review", opinion=None))
    said = [line for line in told(capsys, deposit_refunds=requests) if " says: " in line]
    assert said == ["The review of q-1 says: the shop still sells"]


def test_why_a_request_was_declined_is_told_in_full(capsys):
    reasons = ("promotion_active", "after_sale_open", "violation_open", "amount_exceeds_deposit")
    lines = told(capsys, deposit_refunds=(replace(REQUEST, status="declined", reasons=reasons, opinion=None),))
    assert "q-1 was declined: promotion_active, after_sale_open, violation_open, amount_exceeds_deposit" in lines


@pytest.mark.parametrize(
    ("enabled", "plans", "most", "line"),
    [
        (True, (PlanStory(kind="statement"),), None, "Its goods can be paid later by statement, "),
        (
            True,
            (PlanStory(kind="trial"), PlanStory(kind="instalment", periods=3), PlanStory(kind="deferred", days=30)),
            500_000,
            "Its goods can be paid later by trial; instalment in 3; deferred, 30 days, orders of up to 5,000.00 CNY, ",
        ),
        (False, (PlanStory(kind="trial"),), None, "Its goods can't be paid later, "),
        (True, (), None, "Its goods can't be paid later, "),
    ],
)
def test_what_the_shop_has_set_is_told(capsys, enabled, plans, most, line):
    changed_at = datetime(2026, 1, 2, 4, tzinfo=UTC)
    settings = SettingsStory(enabled=enabled, plans=plans, max_order_minor=most, currency="CNY", changed_at=changed_at)
    assert f"{line}since 2026-01-02 12:00:00." in told(capsys, settings=settings)


def test_what_it_owes_the_platform_stands_against_a_refund(capsys):
    line = "A refund of its deposits would be declined: 1.50 CNY owed to the platform."
    assert line in told(capsys, payable_minor=-150)
