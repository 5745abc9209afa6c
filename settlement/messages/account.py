"""Messages about a buyer's account: one body class per message type."""

from datetime import date

from settlement.entities import PlanKind
from settlement.values import dataclass


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
class DebitRequested:
    """`credit_line.debit_requested`: what is due is to be asked for again."""


@dataclass(frozen=True, slots=True)
class PenaltyWaived:
    """`penalty.waived`; `amount_minor` None means all penalties that are open."""

    waiver_id: str
    amount_minor: int | None
    currency: str
    reason: str
    approved_by: str


@dataclass(frozen=True, slots=True)
class DebtRescheduled:
    """`debt.rescheduled`: what is overdue, in `periods` parts."""

    plan_id: str
    periods: int
    reason: str
    approved_by: str


@dataclass(frozen=True, slots=True)
class DebtChargedOff:
    """`debt.charged_off`."""

    charge_off_id: str
    reason: str
    approved_by: str


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
class PurchaseCredited:
    """`purchase.credited`: a discount without a parcel, for `goodwill`, `price_protection` or `compensation`."""

    order_id: str
    credit_id: str
    amount_minor: int
    currency: str
    reason: str
    opinion: str | None


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
class RepaymentReinstated:
    """`repayment.reinstated`: the reversal of a repayment was undone."""

    repayment_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class SuspenseReleased:
    """`suspense.released`: money of an unknown account leaves the suspense account of its lane."""

    suspense_id: str
    reason: str


AccountBody = (
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
    | DebitRequested
    | PenaltyWaived
    | DebtRescheduled
    | DebtChargedOff
    | PurchasePlaced
    | PurchaseReceived
    | PurchaseKept
    | AmountLowered
    | PurchaseCancelled
    | ExtensionRequested
    | PurchaseCredited
    | ReturnRequested
    | ReturnReviewed
    | ReturnWithdrawn
    | ParcelInspected
    | RepaymentReceived
    | RepaymentFailed
    | RepaymentReversed
    | RepaymentReinstated
    | SuspenseReleased
)
