"""The states that things can be in; what leads from one to the next is in `lifecycles`, and drawn in docs/states.md."""

from enum import StrEnum


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
    CHARGED_OFF = "charged_off"


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
