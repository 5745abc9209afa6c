"""Which topic carries which messages, and what of the published contract is not built yet.

To enable something: add its model to `MESSAGES` and take it off the list below.
"""

from contracts import (
    credit_line,
    deposit_refund,
    merchant,
    payout_result,
    platform,
    purchase,
    repayment,
    returns,
    shop,
)
from contracts.message import Message
from contracts.topics import Topic

MESSAGES: dict[Topic, tuple[type[Message], ...]] = {
    Topic.PURCHASE: (
        purchase.PurchasePlaced,
        purchase.PurchaseReceived,
        purchase.PurchaseKept,
        purchase.AmountLowered,
        purchase.PurchaseCancelled,
        purchase.ExtensionRequested,
        purchase.PurchaseCredited,
    ),
    Topic.RETURN_INSPECTION: (
        returns.ReturnRequested,
        returns.ReturnReviewed,
        returns.ParcelInspected,
        returns.ReturnWithdrawn,
    ),
    Topic.REPAYMENT: (
        repayment.RepaymentReceived,
        repayment.RepaymentFailed,
        repayment.RepaymentReversed,
        repayment.RepaymentReinstated,
        repayment.SuspenseReleased,
    ),
    Topic.DEPOSIT_REFUND_REQUEST: (
        deposit_refund.DepositRefundRequested,
        deposit_refund.DepositRefundReviewed,
        deposit_refund.DepositRefundWithdrawn,
    ),
    Topic.CREDIT_LINE: (
        credit_line.CreditLineOpened,
        credit_line.LimitChanged,
        credit_line.ScoreChanged,
        credit_line.CardLinked,
        credit_line.CardUnlinked,
        credit_line.IdentityVerified,
        credit_line.LineFrozen,
        credit_line.LineUnfrozen,
        credit_line.UnfreezeRequested,
        credit_line.AppealDecided,
        credit_line.CashOutRequested,
        credit_line.BillInstalmentRequested,
        credit_line.CloseRequested,
        credit_line.DebitRequested,
        credit_line.PenaltyWaived,
        credit_line.DebtRescheduled,
        credit_line.DebtChargedOff,
    ),
    Topic.MERCHANT: (
        merchant.MerchantRegistered,
        merchant.SettlementCycleChanged,
        merchant.DepositPaid,
        merchant.PromotionStarted,
        merchant.PromotionFinished,
        merchant.DisputeOpened,
        merchant.DisputeClosed,
        merchant.ViolationRecorded,
        merchant.ViolationCleared,
        merchant.ShopWithdrawalRequested,
    ),
    Topic.CLOCK: (platform.ClockTicked,),
    Topic.TERMS: (platform.TermsPublished, shop.ShopSettingsChanged),
    Topic.MERCHANT_ACTIVITY: (platform.MerchantActivityRecorded,),
    Topic.PAYOUT_RESULT: (payout_result.PayoutSucceeded, payout_result.PayoutFailed),
}

TYPES = frozenset(message.message_type() for messages in MESSAGES.values() for message in messages)
"""Every message type that is understood."""

UNBUILT_TYPES: dict[Topic, tuple[str, ...]] = {}
"""Published types whose rules do not exist yet: refused whole, as `unknown_type`."""
