"""What a shop has set for itself, as each lane knows it. Source: docs/rules.md, Shops' own settings."""

from datetime import datetime

from settlement.entities import PlanKind
from settlement.entity import Entity, entity
from settlement.messages import Plan, ShopSettingsChanged


@entity("shop", None, "merchant_id")
class ShopSettings(Entity):
    """The settings of one shop, the last that the lane was told.

    `plans` are the plans it takes part in, as texts; a kind alone stands for all of it. `max_order_minor` None: any.
    `changed_at` is when they were changed.
    """

    merchant_id: str
    enabled: bool
    plans: tuple[str, ...]
    max_order_minor: int | None
    currency: str
    changed_at: datetime

    def takes(self, plan: Plan) -> bool:
        """Tell whether the shop takes part in a plan."""
        return plan.kind in self.plans or _text(plan) in self.plans

    def is_exceeded(self, amount_minor: int, currency: str) -> bool:
        """Tell whether an order is above the shop's maximum, which counts in its own currency only."""
        return self.max_order_minor is not None and currency == self.currency and amount_minor > self.max_order_minor


def settings_of(body: ShopSettingsChanged, changed_at: datetime) -> ShopSettings:
    """The settings that a message tells."""
    plans = tuple(PlanKind) if body.plans is None else dict.fromkeys(map(_text, body.plans))
    return ShopSettings(
        body.merchant_id, body.enabled, tuple(map(str, plans)), body.max_order_minor, body.currency, changed_at
    )


def plan_of(text: str) -> Plan:
    """The plan that one of `ShopSettings.plans` stands for; all of its kind, if it has neither days nor periods."""
    kind, _, number = text.partition(" ")
    length = int(number) if number else None
    if PlanKind(kind) is PlanKind.INSTALMENT:
        return Plan(PlanKind.INSTALMENT, periods=length)
    return Plan(PlanKind(kind), length)


def _text(plan: Plan) -> str:
    length = plan.periods if plan.kind is PlanKind.INSTALMENT else plan.days
    return plan.kind.value if length is None else f"{plan.kind.value} {length}"
