"""Messages of topic `repayment`: money buyers pay, debits that failed, money taken back. Source: docs/messages.md."""

from typing import Literal

from contracts.fields import AmountMinor, Currency, Id, Text
from contracts.message import AccountMessage
from contracts.records import RefusalError
from settlement import messages
from settlement.dead_letter import DeadLetterReason


class RepaymentReceived(AccountMessage):
    """Money arrived."""

    type: Literal["repayment.received"]
    repayment_id: Id
    """The repayment this message makes."""
    amount_minor: AmountMinor
    """What arrived."""
    currency: Currency
    """The account's."""
    purpose: Literal["account", "order", "payoff"]
    """What it is meant for: all that is owed, oldest first; one order only; or all at once, without unbilled fees."""
    order_id: Id | None = None
    """The order; required for purpose `order` unless `debit_id` is given, which overrides it."""
    debit_id: Id | None = None
    """The debit it answers, of `auto_debit.requested`."""
    channel: Literal["auto_debit", "manual", "external"]
    """How it was paid."""

    def body(self) -> messages.RepaymentReceived:
        """Translate to the domain.

        Raises:
            RefusalError: for an order, but which is not said.
        """
        if self.purpose == "order" and self.order_id is None and self.debit_id is None:
            raise RefusalError(
                DeadLetterReason.MISSING_FIELD, "order_id: expected an id because purpose is order, but it is missing"
            )
        return messages.RepaymentReceived(
            self.repayment_id,
            self.amount_minor,
            self.currency,
            self.purpose,
            self.order_id,
            self.debit_id,
            self.channel,
        )


class RepaymentFailed(AccountMessage):
    """A debit failed."""

    type: Literal["repayment.failed"]
    debit_id: Id
    """The debit, of `auto_debit.requested`."""
    reason: Text
    """Free text for operators."""
    retryable: bool
    """Trying again may help."""

    def body(self) -> messages.RepaymentFailed:
        """Translate to the domain."""
        return messages.RepaymentFailed(self.debit_id, self.reason, self.retryable)


class RepaymentReversed(AccountMessage):
    """The money of a repayment was taken back, by the buyer's bank for instance."""

    type: Literal["repayment.reversed"]
    repayment_id: Id
    """The repayment, of `repayment.received`."""
    reason: Text
    """Free text for operators."""

    def body(self) -> messages.RepaymentReversed:
        """Translate to the domain."""
        return messages.RepaymentReversed(self.repayment_id, self.reason)


class RepaymentReinstated(AccountMessage):
    """The reversal of a repayment was undone: a chargeback was won, for instance."""

    type: Literal["repayment.reinstated"]
    repayment_id: Id
    """The repayment, of `repayment.received`; it counts as if it had never been reversed."""
    reason: Text
    """Free text for operators."""

    def body(self) -> messages.RepaymentReinstated:
        """Translate to the domain."""
        return messages.RepaymentReinstated(self.repayment_id, self.reason)


class SuspenseReleased(AccountMessage):
    """Money of an account that nobody knows leaves suspense; it is booked anew, or sent back, by other means."""

    type: Literal["suspense.released"]
    suspense_id: Id
    """The money, as `postpay suspense list` names it. `account_id` is the one it came with."""
    reason: Text
    """Free text for operators."""

    def body(self) -> messages.SuspenseReleased:
        """Translate to the domain."""
        return messages.SuspenseReleased(self.suspense_id, self.reason)
