"""What postpay remembers of a party, as values. Storage keeps one table for each class here, columns named as fields.

Amounts are minor units of the account's or merchant's currency. `no` is the running number of the party's entities:
lists are shown, and obligations paid, in that order.
"""

from datetime import date, datetime
from enum import StrEnum

from settlement.entity import Entity, entity
from settlement.party import PartyKind
from settlement.statuses import (
    DebitStatus,
    DepositRefundStatus,
    LineStatus,
    ObligationStatus,
    OrderStatus,
    PayoutStatus,
    ReturnStatus,
)


class PlanKind(StrEnum):
    """How an order is paid later."""

    TRIAL = "trial"
    DEFERRED = "deferred"
    STATEMENT = "statement"
    INSTALMENT = "instalment"


class CaseKind(StrEnum):
    """What keeps a merchant's deposit from being refunded, besides after-sale cases."""

    PROMOTION = "promotion"
    DISPUTE = "dispute"
    VIOLATION = "violation"


@entity("account", PartyKind.ACCOUNT, "account_id")
class Account(Entity):
    """A buyer's pay-later account with its balances; the balances change by postings only (`Draft.post`).

    `lifted_freezes` are freeze reasons that were there once and are not now: an `.unfrozen` of one is a repetition, of
    any other one that came too early.

    `granted_minor` is the limit as granted; `limit_minor` is below it while unused limit is reclaimed. `overdue_until`
    is when something was last overdue, None if nothing ever was. `cleared_at` is the same instant while the line waits
    to be restored after it. `appeal_upheld`: an appeal is upheld that lifts the freeze the moment nothing is overdue.
    `cash_out_day_minor` was cashed out on `cash_out_on`, the latest date on which something was. `overdue_since` is
    when the freeze for what is overdue began. `paid_until` is the latest instant at which something counts as paid.
    `penalty_unnoticed_minor` was charged since `penalty_noticed_on`, the last notice of this overdue time. Of what was
    owed, `charged_off_minor` was charged off, and `recovered_minor` of that came in later. What of the account has a
    lower number than `charged_off_no` was there when something was charged off last, at `charged_off_at`.
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
    overdue_since: datetime | None = None
    paid_until: datetime | None = None
    penalty_noticed_on: date | None = None
    penalty_unnoticed_minor: int = 0
    charged_off_minor: int = 0
    recovered_minor: int = 0
    charged_off_at: datetime | None = None
    charged_off_no: int = 0

    @property
    def status(self) -> LineStatus:
        """What may be done with the line: closed for ever, frozen while there is any reason, else active."""
        if self.closed_at is not None:
            return LineStatus.CLOSED
        return LineStatus.FROZEN if self.freeze_reasons else LineStatus.ACTIVE


@entity("order", PartyKind.ACCOUNT, "order_id")
class Order(Entity):
    """One order placed on credit.

    `under_return_minor` is the part under the open returns `open_return_ids`, not yet in `returned_minor`. `due_on` is
    the first due date, of a trial its end. `obligation_ids` are all that its capture made, paid or not.
    `extension_days` is None as long as no extension was granted. `credited_minor` was taken off by discounts.
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
    credited_minor: int = 0


@entity("obligation", PartyKind.ACCOUNT, "obligation_id")
class Obligation(Entity):
    """One amount of principal with one due date, and the fee and penalty on it.

    `asks` are the debits that ask for it (`settlement.asks.Ask`); `exhausted`: a series that did has failed for good.
    `in_instalments`: it is one of several parts and bears a fee; `split_no` tells of which split, 0 is the capture. All
    penalties together are at most `overdue_principal_minor`; `lowered_bps` holds them to what a lowering left, at that
    rate. `changes`, `falls` and `penalty_runs` are its past (`settlement.timeline`); `paid_at` its last payment. A part
    of rescheduled debt bears its `plan_id`, and no further penalty; debt of a cash-out bears its `cash_out_id`. What is
    open of it was neither paid nor charged off.
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
    billed_on: date | None = None
    in_instalments: bool = False
    overdue_principal_minor: int | None = None
    penalty_runs: tuple[str, ...] = ()
    split_no: int = 0
    lowered_bps: int | None = None
    falls: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    paid_at: datetime | None = None
    asks: tuple[str, ...] = ()
    exhausted: bool = False
    plan_id: str | None = None
    cash_out_id: str | None = None
    charged_off_principal_minor: int = 0
    charged_off_fee_minor: int = 0
    charged_off_penalty_minor: int = 0

    @property
    def open_principal_minor(self) -> int:
        """What is still to be paid of the principal."""
        return self.principal_minor - self.paid_principal_minor - self.charged_off_principal_minor

    @property
    def open_fee_minor(self) -> int:
        """The same of the fee."""
        return self.fee_minor - self.paid_fee_minor - self.charged_off_fee_minor

    @property
    def open_penalty_minor(self) -> int:
        """The same of the penalties."""
        return self.penalty_minor - self.paid_penalty_minor - self.charged_off_penalty_minor

    @property
    def open_minor(self) -> int:
        """What is still to be paid of it, all together."""
        return self.open_principal_minor + self.open_fee_minor + self.open_penalty_minor

    @property
    def charged_off_minor(self) -> int:
        """What was charged off of it, all together."""
        return self.charged_off_principal_minor + self.charged_off_fee_minor + self.charged_off_penalty_minor


@entity("debit", PartyKind.ACCOUNT, "debit_id")
class Debit(Entity):
    """One request to debit the buyer's card.

    `first_requested_at` is when attempt 1 of its series was requested; this one was at `requested_at`, in the place
    `requested_rank` (None in rows from before). `unanswered_at`: since then it stands in the way of no other.
    """

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
    requested_at: datetime | None = None
    requested_rank: int = 0
    unanswered_at: datetime | None = None


@entity("return", PartyKind.ACCOUNT, "return_id")
class Return(Entity):
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


@entity("repayment", PartyKind.ACCOUNT, "repayment_id")
class Repayment(Entity):
    """One repayment that arrived.

    `shares` say what it paid, as texts (`settlement.rules.allocation.Share`); `credit_minor` became customer credit,
    `recovered_minor` is for what had been charged off. It counts from `counts_at` and `counts_rank`
    (`settlement.changes.Place`; None: from `received_at`), `own_first` for its debit's obligations, and only for what
    is due by `due_by`.
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
    counts_at: datetime | None = None
    counts_rank: int = 0
    own_first: bool = True
    due_by: date | None = None
    reinstated: bool = False
    recovered_minor: int = 0


@entity("cash_out", PartyKind.ACCOUNT, "cash_out_id")
class CashOut(Entity):
    """Limit that was paid out to the buyer's card, and the obligations it made."""

    account_id: str
    cash_out_id: str
    no: int
    amount_minor: int
    requested_at: datetime
    obligation_ids: tuple[str, ...]
    fingerprint: bytes


@entity("appeal", PartyKind.ACCOUNT, "appeal_id")
class Appeal(Entity):
    """An appeal against a freeze that was decided; kept to tell a repetition from another decision."""

    account_id: str
    appeal_id: str
    no: int
    outcome: str
    decided_at: datetime
    fingerprint: bytes


@entity("merchant", PartyKind.MERCHANT, "merchant_id")
class Merchant(Entity):
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


@entity("merchant_balance", PartyKind.MERCHANT, "currency")
class MerchantBalance(Entity):
    """A merchant's balances in one currency; they change by postings only (`Draft.post`)."""

    merchant_id: str
    currency: str
    payable_minor: int
    shop_balance_minor: int
    deposit_minor: int


def case_key(kind: CaseKind, case_id: str) -> str:
    """Name a case within its merchant; a promotion and a dispute may bear the same id."""
    return f"{kind}:{case_id}"


@entity("case", PartyKind.MERCHANT, "case_key")
class MerchantCase(Entity):
    """A promotion, dispute or violation, open or ended."""

    merchant_id: str
    case_key: str
    kind: CaseKind
    is_open: bool
    fingerprint: bytes

    @property
    def case_id(self) -> str:
        """The id its messages bear."""
        return self.case_key.removeprefix(case_key(self.kind, ""))


@entity("deposit", PartyKind.MERCHANT, "deposit_id")
class Deposit(Entity):
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


@entity("deposit_refund", PartyKind.MERCHANT, "request_id")
class DepositRefund(Entity):
    """A merchant's request to have a deposit, or a part of it, back.

    One declined when it came is kept for its reasons only: `fingerprint` and `review_due_on` are None. `opinion` is the
    reviewer's.
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


@entity("shop_withdrawal", PartyKind.MERCHANT, "withdrawal_id")
class ShopWithdrawal(Entity):
    """Money that a merchant took out of its shop balance."""

    merchant_id: str
    withdrawal_id: str
    no: int
    amount_minor: int
    currency: str
    requested_at: datetime
    fingerprint: bytes


@entity("payout", PartyKind.ACCOUNT, "payout_id")
class AccountPayout(Entity):
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


@entity("payout", PartyKind.MERCHANT, "payout_id")
class MerchantPayout(Entity):
    """The same for a merchant; `source_id` is a deposit refund's request or a withdrawal, None for what was payable."""

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


Payout = AccountPayout | MerchantPayout
