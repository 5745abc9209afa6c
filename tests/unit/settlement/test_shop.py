"""What a shop has set for itself: docs/rules.md, Shops' own settings."""

import pytest

from settlement.decision import Outcome
from settlement.entities import PlanKind
from settlement.messages import Plan, ShopSettingsChanged
from settlement.shop import ShopSettings, plan_of
from tests.unit.settlement.builders import at, deferred, in_instalments, lane_with_line, message, on_statement, placed

EVERY_PLAN = tuple(map(str, PlanKind))


def settings(
    *, enabled: bool = True, plans: tuple[Plan, ...] | None = None, most: int | None = None, currency: str = "CNY"
) -> ShopSettingsChanged:
    return ShopSettingsChanged("shop", enabled, plans, most, currency)


def lane_told(programme: str, *bodies: ShopSettingsChanged):
    """A lane with a credit line of a programme that came to these settings of the shop."""
    lane = lane_with_line(programme)
    for number, body in enumerate(bodies):
        told = lane.settle(message(body, None, at("2026-01-02"), f"settings-{number}"))
        assert told.outcome is Outcome.APPLIED
    return lane


def reason_of(lane, body) -> str | None:
    decision = lane.send("2026-01-03", body)
    assert (decision.outcome is Outcome.APPLIED) == (decision.reason is None)
    return decision.reason


@pytest.mark.parametrize(
    ("body", "order", "reason"),
    [
        (settings(), in_instalments(), None),
        (settings(enabled=False), in_instalments(), "not_supported"),
        (settings(plans=(Plan(PlanKind.STATEMENT),)), on_statement(), None),
        (settings(plans=(Plan(PlanKind.STATEMENT),)), in_instalments(), "plan_not_offered"),
        (settings(plans=(Plan(PlanKind.INSTALMENT),)), in_instalments(periods=12), None),
        (settings(plans=(Plan(PlanKind.INSTALMENT, periods=3),)), in_instalments(periods=3), None),
        (settings(plans=(Plan(PlanKind.INSTALMENT, periods=3),)), in_instalments(periods=6), "plan_not_offered"),
        (settings(plans=()), on_statement(), "plan_not_offered"),
        (settings(most=500), on_statement("order", 500), None),
        (settings(most=500), on_statement("order", 501), "above_shop_maximum"),
        (settings(most=500, currency="USD"), on_statement("order", 501), None),
    ],
)
def test_an_order_is_held_to_what_its_shop_has_set(body, order, reason):
    assert reason_of(lane_told("taobao", body), order) == reason


@pytest.mark.parametrize(
    ("body", "order", "reason"),
    [
        (settings(enabled=False, plans=(), most=1), deferred(days=31), "not_supported"),
        (settings(plans=(Plan(PlanKind.DEFERRED, 31),), most=1), deferred(days=31), "plan_not_offered"),
        (settings(plans=(Plan(PlanKind.DEFERRED, 60),), most=1), deferred(days=30), "plan_not_offered"),
        (settings(most=1), deferred("order", 1_000_000), "above_shop_maximum"),
        (settings(most=1), placed(kind=PlanKind.DEFERRED, days=30, currency="USD"), "currency_mismatch"),
        (settings(most=1_000_000), deferred("order", 1_000_000), "limit_exceeded"),
    ],
)
def test_the_first_reason_is_told(body, order, reason):
    assert reason_of(lane_told("kuaishou", body), order) == reason


def test_a_shop_never_heard_of_takes_part_in_everything():
    other = ShopSettingsChanged("another", enabled=False, plans=None, max_order_minor=None, currency="CNY")
    assert reason_of(lane_told("taobao", other), in_instalments(periods=12)) is None


def test_the_last_settings_that_came_count_whenever_they_were_made():
    lane = lane_told("taobao", settings(enabled=False))
    earlier = message(settings(), None, at("2026-01-01"), "earlier")
    assert lane.settle(earlier).outcome is Outcome.APPLIED
    assert reason_of(lane, on_statement()) is None


def test_settings_are_a_value_and_a_repeated_message_is_none():
    lane = lane_told("taobao", settings(most=7), settings(most=7))
    again = lane.settle(message(settings(most=7), None, at("2026-01-03"), "settings-0"))
    other = lane.settle(message(settings(), None, at("2026-01-03"), "settings-0"))
    assert (again.outcome, other.outcome) == (Outcome.DUPLICATE, Outcome.CONFLICT)
    assert lane.states[None].find(ShopSettings, "shop") == ShopSettings(
        "shop", True, EVERY_PLAN, 7, "CNY", at("2026-01-02")
    )


def test_an_accepted_order_stays_whatever_its_shop_sets_afterwards():
    lane = lane_told("taobao", settings())
    assert reason_of(lane, on_statement()) is None
    lane.settle(message(settings(enabled=False), None, at("2026-01-04"), "off"))
    assert lane.limits() == (100_000, 90_000, 10_000, 0)
    assert reason_of(lane, on_statement("another")) == "not_supported"


def test_a_plan_is_kept_as_a_text():
    plans = (Plan(PlanKind.TRIAL), Plan(PlanKind.DEFERRED, 30), Plan(PlanKind.INSTALMENT, periods=6))
    lane = lane_told("taobao", settings(plans=(*plans, plans[0])))
    kept = lane.states[None].find(ShopSettings, "shop").plans
    assert kept == ("trial", "deferred 30", "instalment 6")
    assert tuple(map(plan_of, kept)) == plans
