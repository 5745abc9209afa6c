"""Messages about a merchant: one body class per message type."""

from settlement.entities import CaseKind
from settlement.values import dataclass


@dataclass(frozen=True, slots=True)
class MerchantRegistered:
    """`merchant.registered`."""

    currency: str
    settlement_cycle_days: int


@dataclass(frozen=True, slots=True)
class SettlementCycleChanged:
    """`merchant.settlement_cycle_changed`."""

    settlement_cycle_days: int


@dataclass(frozen=True, slots=True)
class DepositPaid:
    """`deposit.paid`."""

    deposit_id: str
    amount_minor: int
    currency: str
    route: str


@dataclass(frozen=True, slots=True)
class CaseOpened:
    """`promotion.started`, `dispute.opened`, `violation.recorded`; `detail` is a violation's kind."""

    kind: CaseKind
    case_id: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class CaseClosed:
    """`promotion.finished`, `dispute.closed`, `violation.cleared`."""

    kind: CaseKind
    case_id: str


@dataclass(frozen=True, slots=True)
class DepositRefundRequested:
    """`deposit_refund.requested`; `amount_minor` None means all that is left."""

    request_id: str
    deposit_id: str
    amount_minor: int | None
    currency: str
    reason: str
    contact: str
    refund_to: str
    urgent: bool
    urgency: str | None


@dataclass(frozen=True, slots=True)
class DepositRefundReviewed:
    """`deposit_refund.reviewed`."""

    request_id: str
    outcome: str
    opinion: str


@dataclass(frozen=True, slots=True)
class DepositRefundWithdrawn:
    """`deposit_refund.withdrawn`."""

    request_id: str


@dataclass(frozen=True, slots=True)
class ShopWithdrawalRequested:
    """`shop_balance.withdrawal_requested`."""

    withdrawal_id: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class MerchantActivity:
    """`merchant_activity.recorded` (internal): what one batch of an account lane means for one merchant.

    `payable_minor` is the sum of captures less refunds and may be negative or 0; `after_sales` is the change of the
    number of open returns.
    """

    currency: str
    payable_minor: int
    after_sales: int


MerchantBody = (
    MerchantRegistered
    | SettlementCycleChanged
    | DepositPaid
    | CaseOpened
    | CaseClosed
    | DepositRefundRequested
    | DepositRefundReviewed
    | DepositRefundWithdrawn
    | ShopWithdrawalRequested
    | MerchantActivity
)
