"""What postpay remembers of a party, as values. Storage keeps one table for each class here, columns named as fields.

Amounts are minor units of the account's or merchant's currency. `no` is the running number of the party's entities:
lists are shown, and obligations paid, in that order.
"""

from datetime import date, datetime
from enum import StrEnum

from settlement.values import dataclass


class PlanKind(StrEnum):
    """How an order is paid later."""

    TRIAL = "trial"
    DEFERRED = "deferred"
    STATEMENT = "statement"
    INSTALMENT = "instalment"


class LineStatus(StrEnum):
    """States of a credit line: docs/states.md."""

    ACTIVE = "active"
    FROZEN = "frozen"
    CLOSED = "closed"


class OrderStatus(StrEnum):
    """States of an order: docs/states.md."""

    HELD = "held"
    TRIAL = "trial"
    OWED = "owed"
    OVERDUE = "overdue"
    SETTLED = "settled"
    RETURNED = "returned"
    CANCELLED = "cancelled"


class ObligationStatus(StrEnum):
    """States of an obligation: docs/states.md."""

    OPEN = "open"
    OVERDUE = "overdue"
    PAID = "paid"
    RETURNED = "returned"


class DebitStatus(StrEnum):
    """States of an auto-debit: docs/states.md."""

    REQUESTED = "requested"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ReturnStatus(StrEnum):
    """States of a return: docs/states.md."""

    AWAITING_REVIEW = "awaiting_review"
    AWAITING_PARCEL = "awaiting_parcel"
    REFUNDED = "refunded"
    REJECTED = "rejected"
    PARCEL_REFUSED = "parcel_refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class DepositRefundStatus(StrEnum):
    """States of a deposit refund request: docs/states.md."""

    AWAITING_REVIEW = "awaiting_review"
    APPROVED = "approved"
    PAID = "paid"
    REJECTED = "rejected"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


class PayoutStatus(StrEnum):
    """States of a payout: docs/states.md."""

    REQUESTED = "requested"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class CaseKind(StrEnum):
    """What keeps a merchant's deposit from being refunded, besides after-sale cases."""

    PROMOTION = "promotion"
    DISPUTE = "dispute"
    VIOLATION = "violation"


@dataclass(frozen=True, slots=True)
class Account:
    """A buyer's pay-later account with its balances; the balances change by postings only (`Draft.post`).

    `lifted_freezes` are freeze reasons that were there once and are not now: an `.unfrozen` of one is a repetition, of
    any other one that came too early.

    `granted_minor` is the limit as granted; `limit_minor` is below it while unused limit is reclaimed. `overdue_until`
    is when something was last overdue, None if nothing ever was. `cleared_at` is the same instant while the line waits
    to be restored after it. `appeal_upheld`: an appeal is upheld that lifts the freeze the moment nothing is overdue.
    `cash_out_day_minor` was cashed out on `cash_out_on`, the latest date on which something was.
    """

    account_id: str
    programme: str
    currency: str
    opened_at: datetime
    fingerprint: bytes
    score: int | None
    card_linked: bool
    identity_verified: bool
    freeze_reasons: tuple[str, ...]
    lifted_freezes: tuple[str, ...]
    closed_at: datetime | None
    entities_made: int
    limit_minor: int
    available_minor: int
    held_minor: int
    used_minor: int
    receivable_minor: int
    fee_receivable_minor: int
    penalty_receivable_minor: int
    customer_credit_minor: int
    granted_minor: int = 0
    overdue_until: datetime | None = None
    cleared_at: datetime | None = None
    appeal_upheld: bool = False
    cash_out_on: date | None = None
    cash_out_day_minor: int = 0

    @property
    def entity_id(self) -> str:
        """The account's own id: there is one row per account."""
        return self.account_id

    @property
    def status(self) -> LineStatus:
        """What may be done with the line: closed for ever, frozen while there is any reason, else active."""
        if self.closed_at is not None:
            return LineStatus.CLOSED
        return LineStatus.FROZEN if self.freeze_reasons else LineStatus.ACTIVE


@dataclass(frozen=True, slots=True)
class Order:
    """One order placed on credit.

    `under_return_minor` is the part under the open returns `open_return_ids`, not yet in `returned_minor`. `due_on` is
    the first due date, of a trial its end. `obligation_ids` are all that its capture made, paid or not.
    `extension_days` is None as long as no extension was granted.
    """

    account_id: str
    order_id: str
    no: int
    merchant_id: str
    plan_kind: PlanKind
    plan_days: int | None
    plan_periods: int | None
    status: OrderStatus
    amount_minor: int
    returned_minor: int
    under_return_minor: int
    placed_at: datetime
    received_at: datetime | None
    kept_at: datetime | None
    captured_at: datetime | None
    due_on: date | None
    terms_from: date
    obligation_ids: tuple[str, ...]
    open_return_ids: tuple[str, ...]
    fingerprint: bytes
    extension_days: int | None = None

    @property
    def entity_id(self) -> str:
        """Id within the account."""
        return self.order_id


@dataclass(frozen=True, slots=True)
class Obligation:
    """One amount of principal with one due date, and the fee and penalty on it.

    `debit_id` is the requested debit, or the failed one with a pending retry, that asks for it. `billed_on` is its
    statement's date, None where there are no statements. `debit_on` is the date on which attempt 1 of a debit for it is
    requested: its due date, or a later one on which it is debited anew; None: its due date. `in_instalments`: it is one
    of several parts and bears a fee. `overdue_principal_minor` was unpaid of its principal when it fell overdue, None
    if it never did; all penalties together are at most that. `penalty_runs` are the penalties charged, as texts
    (`settlement.rules.penalty`).
    """

    account_id: str
    obligation_id: str
    no: int
    order_id: str | None
    due_on: date
    status: ObligationStatus
    principal_minor: int
    fee_minor: int
    penalty_minor: int
    paid_principal_minor: int
    paid_fee_minor: int
    paid_penalty_minor: int
    debit_id: str | None
    billed_on: date | None = None
    debit_on: date | None = None
    in_instalments: bool = False
    overdue_principal_minor: int | None = None
    penalty_runs: tuple[str, ...] = ()

    @property
    def entity_id(self) -> str:
        """Id within the account."""
        return self.obligation_id

    @property
    def open_minor(self) -> int:
        """What is still to be paid of principal, fee and penalty."""
        return (
            self.principal_minor
            + self.fee_minor
            + self.penalty_minor
            - self.paid_principal_minor
            - self.paid_fee_minor
            - self.paid_penalty_minor
        )


@dataclass(frozen=True, slots=True)
class Debit:
    """One request to debit the buyer's card. `first_requested_at` is when attempt 1 of its series was requested."""

    account_id: str
    debit_id: str
    no: int
    amount_minor: int
    due_on: date
    attempt: int
    reason: str
    status: DebitStatus
    first_requested_at: datetime
    obligation_ids: tuple[str, ...]

    @property
    def entity_id(self) -> str:
        """Id within the account."""
        return self.debit_id


@dataclass(frozen=True, slots=True)
class Return:
    """One application to send back an order, or a part of it; `review` is its outcome, also where it needs none."""

    account_id: str
    return_id: str
    no: int
    order_id: str
    status: ReturnStatus
    amount_minor: int
    reason: str
    evidence: tuple[str, ...]
    description: str | None
    requested_at: datetime
    fingerprint: bytes
    review: str | None = None

    @property
    def entity_id(self) -> str:
        """Id within the account."""
        return self.return_id


@dataclass(frozen=True, slots=True)
class Repayment:
    """One repayment that arrived.

    `shares` say what it paid, as texts (`settlement.rules.allocation.Share`); `credit_minor` became customer credit.
    """

    account_id: str
    repayment_id: str
    no: int
    amount_minor: int
    purpose: str
    order_id: str | None
    debit_id: str | None
    channel: str
    received_at: datetime
    fingerprint: bytes
    shares: tuple[str, ...] = ()
    credit_minor: int = 0
    reversed_at: datetime | None = None

    @property
    def entity_id(self) -> str:
        """Id within the account."""
        return self.repayment_id


@dataclass(frozen=True, slots=True)
class CashOut:
    """Limit that was paid out to the buyer's card, and the obligations it made."""

    account_id: str
    cash_out_id: str
    no: int
    amount_minor: int
    requested_at: datetime
    obligation_ids: tuple[str, ...]
    fingerprint: bytes

    @property
    def entity_id(self) -> str:
        """Id within the account."""
        return self.cash_out_id


@dataclass(frozen=True, slots=True)
class Appeal:
    """An appeal against a freeze that was decided; kept to tell a repetition from another decision."""

    account_id: str
    appeal_id: str
    no: int
    outcome: str
    decided_at: datetime
    fingerprint: bytes

    @property
    def entity_id(self) -> str:
        """Id within the account."""
        return self.appeal_id


@dataclass(frozen=True, slots=True)
class Merchant:
    """A merchant; before it registers, `registered_on` and what comes with it is None. `open_*` count open cases.

    `cycle_from` is the date its payout dates are counted from, None: that of the registration; it is the last payout
    date that had come when the cycle was changed.
    """

    merchant_id: str
    registered_on: date | None
    currency: str | None
    settlement_cycle_days: int | None
    fingerprint: bytes | None
    entities_made: int
    open_promotions: int
    open_disputes: int
    open_after_sales: int
    open_violations: int
    cycle_from: date | None = None

    @property
    def entity_id(self) -> str:
        """The merchant's own id: there is one row per merchant."""
        return self.merchant_id


@dataclass(frozen=True, slots=True)
class MerchantBalance:
    """A merchant's balances in one currency; they change by postings only (`Draft.post`)."""

    merchant_id: str
    currency: str
    payable_minor: int
    shop_balance_minor: int
    deposit_minor: int

    @property
    def entity_id(self) -> str:
        """One row per merchant and currency."""
        return self.currency


def case_key(kind: CaseKind, case_id: str) -> str:
    """Name a case within its merchant."""
    return f"{kind}:{case_id}"


@dataclass(frozen=True, slots=True)
class MerchantCase:
    """A promotion, dispute or violation, open or ended."""

    merchant_id: str
    case_key: str
    kind: CaseKind
    is_open: bool
    fingerprint: bytes

    @property
    def entity_id(self) -> str:
        """`kind:id`, because a promotion and a dispute may bear the same id."""
        return self.case_key

    @property
    def case_id(self) -> str:
        """The id its messages bear."""
        return self.case_key.removeprefix(case_key(self.kind, ""))


@dataclass(frozen=True, slots=True)
class Deposit:
    """A promotion deposit; frozen until 00:00 of `frozen_until`. `open_request_id` is the refund in progress."""

    merchant_id: str
    deposit_id: str
    no: int
    route: str
    currency: str
    amount_minor: int
    left_minor: int
    paid_at: datetime
    frozen_until: date
    open_request_id: str | None
    fingerprint: bytes

    @property
    def entity_id(self) -> str:
        """Id within the merchant."""
        return self.deposit_id


@dataclass(frozen=True, slots=True)
class DepositRefund:
    """A merchant's request to have a deposit, or a part of it, back.

    One declined when it came is kept for its reasons only: its id is free, so its `fingerprint` is None, and nobody
    reviews it, so `review_due_on` is None as well. `opinion` is the reviewer's.
    """

    merchant_id: str
    request_id: str
    no: int
    deposit_id: str
    currency: str
    amount_minor: int
    refund_to: str
    status: DepositRefundStatus
    reasons: tuple[str, ...]
    urgent: bool
    urgency: str | None
    reason: str
    contact: str
    requested_at: datetime
    review_due_on: date | None
    fingerprint: bytes | None
    opinion: str | None = None

    @property
    def entity_id(self) -> str:
        """Id within the merchant."""
        return self.request_id


@dataclass(frozen=True, slots=True)
class ShopWithdrawal:
    """Money that a merchant took out of its shop balance."""

    merchant_id: str
    withdrawal_id: str
    no: int
    amount_minor: int
    currency: str
    requested_at: datetime
    fingerprint: bytes

    @property
    def entity_id(self) -> str:
        """Id within the merchant."""
        return self.withdrawal_id


@dataclass(frozen=True, slots=True)
class AccountPayout:
    """Money that was to leave the platform for a buyer's card.

    `source_id` is the order or cash-out it is for; None for customer credit. `answered_at` is when its result occurred.
    """

    account_id: str
    payout_id: str
    no: int
    amount_minor: int
    currency: str
    route: str
    reason: str
    status: PayoutStatus
    requested_at: datetime
    source_id: str | None = None
    answered_at: datetime | None = None

    @property
    def entity_id(self) -> str:
        """Id within the account."""
        return self.payout_id


@dataclass(frozen=True, slots=True)
class MerchantPayout:
    """Money that was to leave the platform for a merchant.

    `source_id` is the deposit refund's request or the withdrawal it is for; None for what was payable. `answered_at` is
    when its result occurred.
    """

    merchant_id: str
    payout_id: str
    no: int
    amount_minor: int
    currency: str
    route: str
    reason: str
    status: PayoutStatus
    requested_at: datetime
    source_id: str | None = None
    answered_at: datetime | None = None

    @property
    def entity_id(self) -> str:
        """Id within the merchant."""
        return self.payout_id


Payout = AccountPayout | MerchantPayout

Entity = (
    Account
    | Order
    | Obligation
    | Debit
    | Return
    | Repayment
    | CashOut
    | Appeal
    | Merchant
    | MerchantBalance
    | MerchantCase
    | Deposit
    | DepositRefund
    | ShopWithdrawal
    | AccountPayout
    | MerchantPayout
)
