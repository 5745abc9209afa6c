"""Pages of documents that leave something out."""

from datetime import UTC, date, datetime

import pytest

from console.access import Role
from console.login.sessions import OperatorSession
from console.login.users import ConsoleUser
from console.pages.repair import checked
from console.rendering import View, document, html_response
from operating.redriving import Redriven, RedriveStatus
from settlement.dead_letter import DeadLetter, DeadLetterReason
from settlement.entities import PlanKind
from storage.dead_letters import KeptLetter
from storage.stories.merchant import MerchantStory, OpenStory, SettingsStory
from storage.stories.plan import PlanStory

AT = datetime(2026, 1, 8, tzinfo=UTC)


def shown(template: str, value) -> str:
    view = View("en", "/", user=ConsoleUser("mei", Role.OPERATOR), session=OperatorSession("mei"))
    return html_response(template, document(value), view).text


@pytest.mark.parametrize("status", [*RedriveStatus])
def test_a_check_of_what_would_not_be_sent_says_why(status):
    letter = DeadLetter(None, "t-1", DeadLetterReason.BAD_ORIGIN, "", AT, None, None)
    found = Redriven(KeptLetter(0, letter), status, detail="it would be a dead letter again")
    assert "it would be a dead letter again" in shown("letter_check", checked(found.document(), None, []))


def test_a_shops_plans_are_told_with_and_without_days_and_periods():
    plans = (PlanStory(kind=PlanKind.DEFERRED, days=30), PlanStory(kind=PlanKind.INSTALMENT, periods=3))
    settings = SettingsStory(enabled=True, plans=plans, max_order_minor=None, currency="CNY", changed_at=AT)
    story = MerchantStory(
        **dict.fromkeys(("balances", "deposits", "deposit_refunds", "shop_withdrawals", "payouts"), ()),
        merchant_id="m-1",
        currency="CNY",
        registered_on=date(2026, 1, 1),
        settlement_cycle_days=7,
        next_payout_at=None,
        payable_minor=0,
        shop_balance_minor=0,
        open_cases=(),
        history=(),
        open=OpenStory(promotions=0, disputes=0, after_sales=0, violations=0),
        settings=settings,
    )
    course = {"steps": [], "older_place": None, "is_newest": True, "timers": [], "archived_until": None}
    page = shown("merchant", {**story.document(), "lane": 1, "course": course})
    assert f"{PlanKind.DEFERRED} 30, {PlanKind.INSTALMENT} × 3" in page
