"""The story of a merchant has exactly the shape that the commands' documentation promises."""

from datetime import UTC, date, datetime, timedelta

from settlement.entities import CaseKind, PlanKind
from settlement.messages import (
    CaseClosed,
    CaseOpened,
    DepositRefundReviewed,
    MerchantActivity,
    MerchantRegistered,
    Plan,
    ShopSettingsChanged,
)
from storage.stories.merchant import merchant_story
from tests.integration.storage.settling import START, merchant
from tests.unit.settlement.builders import (
    deposited,
    refund_asked,
)

SHOP = merchant("shop")


async def test_the_story_of_a_merchant_has_every_field(lane):
    await lane.send(
        SHOP,
        MerchantRegistered("CNY", 30),
        MerchantActivity("CNY", 12_000, 1),
        MerchantActivity("USD", 500, 0),
        deposited(),
        CaseOpened(CaseKind.PROMOTION, "spring"),
        CaseOpened(CaseKind.DISPUTE, "over"),
        CaseClosed(CaseKind.DISPUTE, "over"),
        refund_asked(),
    )
    story = (await merchant_story(lane.connection, "shop")).document()
    paid_at = START + timedelta(days=3)
    assert {name: value for name, value in story.items() if name not in {"history", "deposit_refunds"}} == {
        "merchant_id": "shop",
        "currency": "CNY",
        "registered_on": date(2026, 1, 1),
        "settlement_cycle_days": 30,
        "next_payout_at": datetime(2026, 1, 30, 16, tzinfo=UTC),
        "payable_minor": 12_000,
        "shop_balance_minor": 0,
        "balances": [
            {"currency": "CNY", "payable_minor": 12_000, "shop_balance_minor": 0, "deposit_minor": 50_000},
            {"currency": "USD", "payable_minor": 500, "shop_balance_minor": 0, "deposit_minor": 0},
        ],
        "deposits": [
            {
                "deposit_id": "deposit",
                "route": "alipay",
                "amount_minor": 50_000,
                "left_minor": 50_000,
                "paid_at": paid_at,
                "frozen_until": date(2026, 2, 3),
            }
        ],
        "payouts": [],
        "shop_withdrawals": [],
        "open": {"promotions": 1, "disputes": 0, "after_sales": 1, "violations": 0},
        "open_cases": [{"kind": "promotion", "case_id": "spring"}],
        "settings": None,
    }
    assert story["deposit_refunds"] == [
        {
            "request_id": "request",
            "deposit_id": "deposit",
            "amount_minor": 50_000,
            "refund_to": "original_route",
            "status": "declined",
            "reasons": ["promotion_active", "after_sale_open"],
            "urgent": False,
            "urgency": None,
            "reason": "closing",
            "contact": "contact",
            "requested_at": START + timedelta(days=7),
            "review_due_on": None,
            "opinion": None,
        }
    ]
    assert len(story["history"]) == 6  # what account lanes hand over is no part of it


async def test_the_story_of_a_merchant_tells_what_the_reviewer_wrote(lane):
    rejected = DepositRefundReviewed("request", "rejected", "goods are still on their way")
    await lane.send(SHOP, MerchantRegistered("CNY", 7), deposited(), refund_asked(), rejected)
    (request,) = (await merchant_story(lane.connection, "shop")).document()["deposit_refunds"]
    assert (request["status"], request["opinion"]) == ("rejected", "goods are still on their way")


async def test_the_story_of_a_merchant_tells_what_its_shop_has_set(lane):
    await lane.send(SHOP, MerchantRegistered("CNY", 7))
    plans = (Plan(PlanKind.INSTALMENT, periods=3), Plan(PlanKind.DEFERRED, 30), Plan(PlanKind.STATEMENT))
    for number, most in enumerate((None, 500_000)):
        told = ShopSettingsChanged("shop", True, plans, most, "CNY")
        await lane.settle([lane.message(told, None, f"told-{number}", START + timedelta(days=number))])
    assert (await merchant_story(lane.connection, "shop")).document()["settings"] == {
        "enabled": True,
        "plans": [{"kind": "instalment", "periods": 3}, {"kind": "deferred", "days": 30}, {"kind": "statement"}],
        "max_order_minor": 500_000,
        "currency": "CNY",
        "changed_at": START + timedelta(days=1),
    }


async def test_a_merchant_nobody_heard_of_has_no_story(connection):
    assert await merchant_story(connection, "nobody") is None
