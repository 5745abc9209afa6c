"""Messages of topic `deposit-refund-request`: a merchant wants its deposit back. Source: docs/messages.md."""

from typing import Literal

from contracts.fields import AmountMinor, Currency, Id, LongText, OptionalText, Text
from contracts.message import MerchantMessage
from settlement import messages


class DepositRefundRequested(MerchantMessage):
    """The merchant asks for a deposit, or a part of it."""

    type: Literal["deposit_refund.requested"]
    request_id: Id
    """The request this message makes."""
    deposit_id: Id
    """The deposit, of `deposit.paid`."""
    amount_minor: AmountMinor | None = None
    """How much; not given: all that is left."""
    currency: Currency
    """The deposit's."""
    reason: Text
    """The merchant's reason."""
    contact: Text
    """Whom to ask; kept, never shown in logs."""
    refund_to: Literal["original_route", "shop_balance"]
    """The way the deposit was paid, or the shop balance."""
    urgent: bool | None = False
    """Reviewed within 3 working days instead of 7."""
    urgency: OptionalText | None = None
    """Why it is urgent; never shown in logs."""

    def body(self) -> messages.DepositRefundRequested:
        """Translate to the domain."""
        return messages.DepositRefundRequested(
            self.request_id,
            self.deposit_id,
            self.amount_minor,
            self.currency,
            self.reason,
            self.contact,
            self.refund_to,
            bool(self.urgent),
            self.urgency,
        )


class DepositRefundWithdrawn(MerchantMessage):
    """The merchant does not want the refund any more."""

    type: Literal["deposit_refund.withdrawn"]
    request_id: Id
    """The request."""

    def body(self) -> messages.DepositRefundWithdrawn:
        """Translate to the domain."""
        return messages.DepositRefundWithdrawn(self.request_id)


class DepositRefundReviewed(MerchantMessage):
    """The platform reviewed a request."""

    type: Literal["deposit_refund.reviewed"]
    request_id: Id
    """The request."""
    outcome: Literal["approved", "rejected"]
    """Approved: paid once the deposit's freeze period is over."""
    opinion: LongText
    """Handling opinion; sent to the merchant when rejected, never shown in logs."""

    def body(self) -> messages.DepositRefundReviewed:
        """Translate to the domain."""
        return messages.DepositRefundReviewed(self.request_id, self.outcome, self.opinion)
