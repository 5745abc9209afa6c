"""Messages of topic `merchant`: registration, deposits and what holds a deposit back. Source: docs/messages.md."""

from typing import Annotated, Literal

from pydantic import Field

from contracts.fields import AmountMinor, Currency, Id, Text
from contracts.message import MerchantMessage
from settlement import messages
from settlement.entities import CaseKind

CycleDays = Annotated[int, Field(ge=1, le=366)]


class MerchantRegistered(MerchantMessage):
    """A merchant joined; its payouts start."""

    type: Literal["merchant.registered"]
    currency: Currency
    """What it is paid in."""
    settlement_cycle_days: CycleDays
    """Days between payouts, from the registration date."""

    def body(self) -> messages.MerchantRegistered:
        """Translate to the domain."""
        return messages.MerchantRegistered(self.currency, self.settlement_cycle_days)


class SettlementCycleChanged(MerchantMessage):
    """A merchant is paid more often from now on, or less often."""

    type: Literal["merchant.settlement_cycle_changed"]
    settlement_cycle_days: CycleDays
    """Days between payouts, from the last payout date that has come."""

    def body(self) -> messages.SettlementCycleChanged:
        """Translate to the domain."""
        return messages.SettlementCycleChanged(self.settlement_cycle_days)


class DepositPaid(MerchantMessage):
    """The merchant paid a promotion deposit."""

    type: Literal["deposit.paid"]
    deposit_id: Id
    """The deposit this message makes."""
    amount_minor: AmountMinor
    """What was paid."""
    currency: Currency
    """What it was paid in."""
    route: Literal["alipay", "wechat", "bank"]
    """How it was paid, and goes back."""

    def body(self) -> messages.DepositPaid:
        """Translate to the domain."""
        return messages.DepositPaid(self.deposit_id, self.amount_minor, self.currency, self.route)


class PromotionStarted(MerchantMessage):
    """The merchant takes part in a promotion."""

    type: Literal["promotion.started"]
    promotion_id: Id
    """The promotion."""

    def body(self) -> messages.CaseOpened:
        """Translate to the domain."""
        return messages.CaseOpened(CaseKind.PROMOTION, self.promotion_id)


class PromotionFinished(MerchantMessage):
    """A promotion of the merchant ended."""

    type: Literal["promotion.finished"]
    promotion_id: Id
    """The promotion."""

    def body(self) -> messages.CaseClosed:
        """Translate to the domain."""
        return messages.CaseClosed(CaseKind.PROMOTION, self.promotion_id)


class DisputeOpened(MerchantMessage):
    """A buyer disputes something with the merchant."""

    type: Literal["dispute.opened"]
    dispute_id: Id
    """The dispute."""

    def body(self) -> messages.CaseOpened:
        """Translate to the domain."""
        return messages.CaseOpened(CaseKind.DISPUTE, self.dispute_id)


class DisputeClosed(MerchantMessage):
    """A dispute ended."""

    type: Literal["dispute.closed"]
    dispute_id: Id
    """The dispute."""

    def body(self) -> messages.CaseClosed:
        """Translate to the domain."""
        return messages.CaseClosed(CaseKind.DISPUTE, self.dispute_id)


class ViolationRecorded(MerchantMessage):
    """The merchant broke a rule of the platform."""

    type: Literal["violation.recorded"]
    violation_id: Id
    """The violation."""
    kind: Text
    """What was broken, for operators."""

    def body(self) -> messages.CaseOpened:
        """Translate to the domain."""
        return messages.CaseOpened(CaseKind.VIOLATION, self.violation_id, self.kind)


class ViolationCleared(MerchantMessage):
    """A violation is settled."""

    type: Literal["violation.cleared"]
    violation_id: Id
    """The violation."""
    kind: Text
    """What was broken, for operators."""

    def body(self) -> messages.CaseClosed:
        """Translate to the domain."""
        return messages.CaseClosed(CaseKind.VIOLATION, self.violation_id)


class ShopWithdrawalRequested(MerchantMessage):
    """The merchant takes money out of its shop balance."""

    type: Literal["shop_balance.withdrawal_requested"]
    withdrawal_id: Id
    """The withdrawal this message makes."""
    amount_minor: AmountMinor
    """How much, at most the shop balance."""
    currency: Currency
    """The merchant's."""

    def body(self) -> messages.ShopWithdrawalRequested:
        """Translate to the domain."""
        return messages.ShopWithdrawalRequested(self.withdrawal_id, self.amount_minor, self.currency)
