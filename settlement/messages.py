"""Input messages as the core sees them: validated, translated, with their provenance.

Field meanings are those of docs/messages.md. One body class per message type.
"""

from datetime import date, datetime
from typing import Any

from settlement.entities import CaseKind, PlanKind
from settlement.party import Party
from settlement.values import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """The Kafka record an input came in: the topic it was produced to (without prefix), partition and offset there."""

    topic: str
    partition: int
    offset: int

    @property
    def name(self) -> str:
        """The position in one text."""
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Plan:
    """How the buyer wants to pay: `days` for trial and deferred, `periods` for instalments."""

    kind: PlanKind
    days: int | None = None
    periods: int | None = None


@dataclass(frozen=True, slots=True)
class CreditLineOpened:
    """`credit_line.opened`."""

    programme: str
    limit_minor: int
    currency: str
    score: int | None
    card_linked: bool
    identity_verified: bool


@dataclass(frozen=True, slots=True)
class LimitChanged:
    """`credit_line.limit_changed`."""

    limit_minor: int
    currency: str
    reason: str


@dataclass(frozen=True, slots=True)
class ScoreChanged:
    """`credit_line.score_changed`."""

    score: int


@dataclass(frozen=True, slots=True)
class CardLinked:
    """`credit_line.card_linked`."""


@dataclass(frozen=True, slots=True)
class CardUnlinked:
    """`credit_line.card_unlinked`."""


@dataclass(frozen=True, slots=True)
class IdentityVerified:
    """`credit_line.identity_verified`."""


@dataclass(frozen=True, slots=True)
class LineFrozen:
    """`credit_line.frozen`."""

    reason: str


@dataclass(frozen=True, slots=True)
class LineUnfrozen:
    """`credit_line.unfrozen`."""

    reason: str


@dataclass(frozen=True, slots=True)
class UnfreezeRequested:
    """`credit_line.unfreeze_requested`."""


@dataclass(frozen=True, slots=True)
class AppealDecided:
    """`credit_line.appeal_decided`; `outcome` is `upheld` or `rejected`."""

    appeal_id: str
    outcome: str
    opinion: str


@dataclass(frozen=True, slots=True)
class CashOutRequested:
    """`credit_line.cash_out_requested`."""

    cash_out_id: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class BillInstalmentRequested:
    """`credit_line.bill_instalment_requested`: the bill that is due on a date."""

    due_on: date
    periods: int


@dataclass(frozen=True, slots=True)
class CloseRequested:
    """`credit_line.close_requested`."""


@dataclass(frozen=True, slots=True)
class PurchasePlaced:
    """`purchase.placed`; `item_plans` None means every kind."""

    order_id: str
    merchant_id: str
    amount_minor: int
    currency: str
    plan: Plan
    item_eligible: bool
    item_plans: tuple[PlanKind, ...] | None


@dataclass(frozen=True, slots=True)
class PurchaseReceived:
    """`purchase.received`."""

    order_id: str


@dataclass(frozen=True, slots=True)
class PurchaseKept:
    """`purchase.kept`."""

    order_id: str


@dataclass(frozen=True, slots=True)
class AmountLowered:
    """`purchase.amount_lowered`; `amount_minor` is the order's new total."""

    order_id: str
    amount_minor: int
    currency: str
    reason: str


@dataclass(frozen=True, slots=True)
class PurchaseCancelled:
    """`purchase.cancelled`."""

    order_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class ExtensionRequested:
    """`purchase.extension_requested`."""

    order_id: str
    days: int


@dataclass(frozen=True, slots=True)
class ReturnRequested:
    """`return.requested`."""

    return_id: str
    order_id: str
    amount_minor: int
    currency: str
    reason: str
    evidence: tuple[str, ...]
    description: str | None


@dataclass(frozen=True, slots=True)
class ReturnReviewed:
    """`return.reviewed`."""

    return_id: str
    outcome: str
    opinion: str


@dataclass(frozen=True, slots=True)
class ReturnWithdrawn:
    """`return.withdrawn`."""

    return_id: str


@dataclass(frozen=True, slots=True)
class ParcelInspected:
    """`return.parcel_inspected`."""

    return_id: str
    condition: str
    damage: tuple[str, ...]
    photos: tuple[str, ...]
    inspected_by: str


@dataclass(frozen=True, slots=True)
class RepaymentReceived:
    """`repayment.received`."""

    repayment_id: str
    amount_minor: int
    currency: str
    purpose: str
    order_id: str | None
    debit_id: str | None
    channel: str


@dataclass(frozen=True, slots=True)
class RepaymentFailed:
    """`repayment.failed`."""

    debit_id: str
    reason: str
    retryable: bool


@dataclass(frozen=True, slots=True)
class RepaymentReversed:
    """`repayment.reversed`: the money of a repayment was taken back."""

    repayment_id: str
    reason: str


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
class PayoutSucceeded:
    """`payout.succeeded`, of an account or a merchant."""

    payout_id: str


@dataclass(frozen=True, slots=True)
class PayoutFailed:
    """`payout.failed`, of an account or a merchant."""

    payout_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class MerchantActivity:
    """`merchant_activity.recorded` (internal): what one batch of an account lane means for one merchant.

    `payable_minor` is the sum of captures less refunds and may be negative or 0; `after_sales` is the change of the
    number of open returns.
    """

    currency: str
    payable_minor: int
    after_sales: int


@dataclass(frozen=True, slots=True)
class ClockTicked:
    """`clock.ticked`: moves lane time on, of no party."""


@dataclass(frozen=True, slots=True)
class TermsPublished:
    """`terms.published`: the whole terms file as a document (docs/terms.md), of no party."""

    terms: dict[str, Any]


Body = (
    CreditLineOpened
    | LimitChanged
    | ScoreChanged
    | CardLinked
    | CardUnlinked
    | IdentityVerified
    | LineFrozen
    | LineUnfrozen
    | UnfreezeRequested
    | AppealDecided
    | CashOutRequested
    | BillInstalmentRequested
    | CloseRequested
    | PurchasePlaced
    | PurchaseReceived
    | PurchaseKept
    | AmountLowered
    | PurchaseCancelled
    | ExtensionRequested
    | ReturnRequested
    | ReturnReviewed
    | ReturnWithdrawn
    | ParcelInspected
    | RepaymentReceived
    | RepaymentFailed
    | RepaymentReversed
    | MerchantRegistered
    | SettlementCycleChanged
    | DepositPaid
    | CaseOpened
    | CaseClosed
    | DepositRefundRequested
    | DepositRefundReviewed
    | DepositRefundWithdrawn
    | ShopWithdrawalRequested
    | PayoutSucceeded
    | PayoutFailed
    | MerchantActivity
    | ClockTicked
    | TermsPublished
)


@dataclass(frozen=True, slots=True)
class Input:
    """One understood input record.

    `party` is None for `clock` and `terms`. `event_hash` is 16 bytes of (topic, key, event_id), `fingerprint` 16 bytes
    of the business content without event_id, occurred_at, version and source. `raw` is the record's value as it came.
    """

    source: Source
    party: Party | None
    event_id: str
    type: str
    occurred_at: datetime
    event_hash: bytes
    fingerprint: bytes
    body: Body
    raw: bytes
    traceparent: str | None = None
