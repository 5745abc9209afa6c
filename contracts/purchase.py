"""Messages of topic `purchase`: an order that is paid later. Source: docs/messages.md."""

from typing import Annotated, Any, Literal

from pydantic import Field

from contracts.fields import AmountMinor, Currency, Days, Id, LongText, Periods, Text
from contracts.message import AccountMessage, WireModel
from settlement import messages
from settlement.entities import PlanKind


class TrialPlan(WireModel):
    """Pay when a free trial ends."""

    kind: Literal["trial"]
    """A free trial; the price is debited when it ends."""
    days: Days
    """Length of the trial."""

    def plan(self) -> messages.Plan:
        """Translate to the domain."""
        return messages.Plan(PlanKind.TRIAL, self.days)


class DeferredPlan(WireModel):
    """Pay some days after placing."""

    kind: Literal["deferred"]
    """Pay once, some days later."""
    days: Days
    """Days from placing to the due date."""

    def plan(self) -> messages.Plan:
        """Translate to the domain."""
        return messages.Plan(PlanKind.DEFERRED, self.days)


class StatementPlan(WireModel):
    """Pay with the next statement."""

    kind: Literal["statement"]
    """Pay once, with the statement that follows."""

    def plan(self) -> messages.Plan:
        """Translate to the domain."""
        return messages.Plan(PlanKind.STATEMENT)


class InstalmentPlan(WireModel):
    """Pay in equal parts with the next statements, for a fee."""

    kind: Literal["instalment"]
    """Pay in parts, one with each of the statements that follow."""
    periods: Periods
    """Number of parts."""

    def plan(self) -> messages.Plan:
        """Translate to the domain."""
        return messages.Plan(PlanKind.INSTALMENT, periods=self.periods)


class PurchasePlaced(AccountMessage):
    """The buyer placed an order and wants to pay it later."""

    type: Literal["purchase.placed"]
    order_id: Id
    """The order this message makes."""
    merchant_id: Id
    """Who is paid in the end."""
    amount_minor: AmountMinor
    """The order's total."""
    currency: Currency
    """The account's, else the order is declined."""
    plan: Annotated[TrialPlan | DeferredPlan | StatementPlan | InstalmentPlan, Field(discriminator="kind")]
    """How it is paid."""
    item_eligible: bool | None = True
    """Shop and product take part in paying later."""
    item_plans: (
        Annotated[tuple[Literal["trial", "deferred", "statement", "instalment"], ...], Field(max_length=10)] | None
    ) = None
    """Kinds of plan the shop offers for it; not given: all."""

    def content(self) -> dict[str, Any]:
        """Business fields, those of the plan within."""
        content = super().content()
        content["plan"] = self.plan.content()
        return content

    def keys_read(self) -> int:
        """Count the plan's keys too."""
        return len(self.__pydantic_fields_set__) + len(self.plan.__pydantic_fields_set__)

    def body(self) -> messages.PurchasePlaced:
        """Translate to the domain."""
        return messages.PurchasePlaced(
            self.order_id,
            self.merchant_id,
            self.amount_minor,
            self.currency,
            self.plan.plan(),
            self.item_eligible is not False,
            None if self.item_plans is None else tuple(PlanKind(kind) for kind in self.item_plans),
        )


class PurchaseReceived(AccountMessage):
    """The buyer confirmed that the goods arrived."""

    type: Literal["purchase.received"]
    order_id: Id
    """The order."""

    def body(self) -> messages.PurchaseReceived:
        """Translate to the domain."""
        return messages.PurchaseReceived(self.order_id)


class PurchaseKept(AccountMessage):
    """The buyer is satisfied before the trial ends: debit now."""

    type: Literal["purchase.kept"]
    order_id: Id
    """The order on trial."""

    def body(self) -> messages.PurchaseKept:
        """Translate to the domain."""
        return messages.PurchaseKept(self.order_id)


class AmountLowered(AccountMessage):
    """The order costs less than it did: a discount afterwards, or an item that is out of stock."""

    type: Literal["purchase.amount_lowered"]
    order_id: Id
    """The order."""
    amount_minor: AmountMinor
    """The new total, lower than the one before."""
    currency: Currency
    """The order's."""
    reason: Text
    """Free text for operators."""

    def body(self) -> messages.AmountLowered:
        """Translate to the domain."""
        return messages.AmountLowered(self.order_id, self.amount_minor, self.currency, self.reason)


class PurchaseCancelled(AccountMessage):
    """The order was cancelled before it was received."""

    type: Literal["purchase.cancelled"]
    order_id: Id
    """The order."""
    reason: Text
    """Free text for operators."""

    def body(self) -> messages.PurchaseCancelled:
        """Translate to the domain."""
        return messages.PurchaseCancelled(self.order_id, self.reason)


class ExtensionRequested(AccountMessage):
    """The buyer asks for more time."""

    type: Literal["purchase.extension_requested"]
    order_id: Id
    """The order."""
    days: Days
    """How many days later it is to be due."""

    def body(self) -> messages.ExtensionRequested:
        """Translate to the domain."""
        return messages.ExtensionRequested(self.order_id, self.days)


class PurchaseCredited(AccountMessage):
    """The buyer gets a discount afterwards and keeps the goods."""

    type: Literal["purchase.credited"]
    order_id: Id
    """The order, captured."""
    credit_id: Id
    """The credit this message makes; an order may have several."""
    amount_minor: AmountMinor
    """How much less the order costs."""
    currency: Currency
    """The order's."""
    reason: Literal["goodwill", "price_protection", "compensation"]
    """Why."""
    opinion: LongText | None = None
    """Handling opinion; in the `params` of the buyer's notice, never shown in logs."""

    def body(self) -> messages.PurchaseCredited:
        """Translate to the domain."""
        return messages.PurchaseCredited(
            self.order_id, self.credit_id, self.amount_minor, self.currency, self.reason, self.opinion
        )
