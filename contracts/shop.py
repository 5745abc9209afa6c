"""What a shop sets for itself, on topic `terms` because every lane must know it. Source: docs/messages.md."""

from typing import Annotated, Any, Literal

from pydantic import Field

from contracts.fields import AmountMinor, Currency, Days, Id, Periods
from contracts.message import Message, WireModel
from settlement import messages
from settlement.entities import PlanKind


class ShopTrialPlan(WireModel):
    """Trials that the shop takes part in."""

    kind: Literal["trial"]
    """Free trials."""
    days: Days | None = None
    """Trials of this length; not given: of any."""

    def plan(self) -> messages.Plan:
        """Translate to the domain."""
        return messages.Plan(PlanKind.TRIAL, self.days)


class ShopDeferredPlan(WireModel):
    """Deferred payments that the shop takes part in."""

    kind: Literal["deferred"]
    """Paying once, some days later."""
    days: Days | None = None
    """After this number of days; not given: after any."""

    def plan(self) -> messages.Plan:
        """Translate to the domain."""
        return messages.Plan(PlanKind.DEFERRED, self.days)


class ShopStatementPlan(WireModel):
    """The shop takes part in paying with the next statement."""

    kind: Literal["statement"]
    """Paying once, with the statement that follows."""

    def plan(self) -> messages.Plan:
        """Translate to the domain."""
        return messages.Plan(PlanKind.STATEMENT)


class ShopInstalmentPlan(WireModel):
    """Instalments that the shop takes part in."""

    kind: Literal["instalment"]
    """Paying in parts."""
    periods: Periods | None = None
    """In this number of parts; not given: in any."""

    def plan(self) -> messages.Plan:
        """Translate to the domain."""
        return messages.Plan(PlanKind.INSTALMENT, periods=self.periods)


ShopPlan = Annotated[
    ShopTrialPlan | ShopDeferredPlan | ShopStatementPlan | ShopInstalmentPlan, Field(discriminator="kind")
]


class ShopSettingsChanged(Message):
    """A shop changed whether, how and up to what amount its goods can be paid later. The whole of its settings."""

    type: Literal["shop.settings_changed"]
    merchant_id: Id
    """The shop. The record's key may be any; it goes to every partition."""
    enabled: bool
    """The shop takes part in paying later."""
    plans: Annotated[tuple[ShopPlan, ...], Field(max_length=50)] | None = None
    """Plans it takes part in; not given: all."""
    max_order_minor: AmountMinor | None = None
    """The largest order that can be paid later; not given: any."""
    currency: Currency
    """Of the largest order; the merchant's."""

    def content(self) -> dict[str, Any]:
        """Business fields, those of the plans within."""
        content = super().content()
        if self.plans is not None:
            content["plans"] = [plan.content() for plan in self.plans]
        return content

    def keys_read(self) -> int:
        """Count the plans' keys too."""
        return super().keys_read() + sum(plan.keys_read() for plan in self.plans or ())

    def body(self) -> messages.ShopSettingsChanged:
        """Translate to the domain."""
        return messages.ShopSettingsChanged(
            self.merchant_id,
            self.enabled,
            None if self.plans is None else tuple(plan.plan() for plan in self.plans),
            self.max_order_minor,
            self.currency,
        )
