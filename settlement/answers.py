"""What becomes of each message in each state of its subject, whether the state allows its step or not.

Part of docs/states.md. Where more than the state counts, several answers stand; docs/rules.md says which is given when.
`tests/unit/settlement/test_answers.py` sends every message in every state and holds this table to what it gets.
"""

from collections.abc import Mapping
from enum import StrEnum

from settlement.statuses import DebitStatus, DepositRefundStatus, LineStatus, OrderStatus, PayoutStatus, ReturnStatus

Answers = Mapping[str, Mapping[StrEnum, str]]
"""Message type → state → outcomes or reasons, separated by spaces."""


def _line(active: str, frozen: str, closed: str = "line_closed") -> Mapping[StrEnum, str]:
    return {LineStatus.ACTIVE: active, LineStatus.FROZEN: frozen, LineStatus.CLOSED: closed}


LINE_ANSWERS: Answers = {
    "credit_line.opened": _line("duplicate conflict", "duplicate conflict"),
    "credit_line.limit_changed": _line("applied", "applied"),
    "credit_line.score_changed": _line("applied", "applied"),
    "credit_line.card_linked": _line("applied duplicate", "applied duplicate"),
    "credit_line.card_unlinked": _line("applied duplicate", "applied duplicate"),
    "credit_line.identity_verified": _line("applied duplicate", "applied duplicate"),
    "credit_line.frozen": _line("applied", "applied duplicate"),
    "credit_line.unfrozen": _line("parked duplicate", "applied identity_not_verified parked"),
    "credit_line.unfreeze_requested": _line(
        "not_offered wrong_state", "applied not_offered overdue too_early wrong_state"
    ),
    "credit_line.appeal_decided": _line("applied", "applied"),
    "credit_line.cash_out_requested": _line(
        "applied card_not_linked identity_not_verified limit_exceeded not_offered recent_overdue", "line_frozen"
    ),
    "credit_line.bill_instalment_requested": _line("applied not_offered too_late wrong_state", "line_frozen"),
    "penalty.waived": _line("nothing_due", "applied nothing_due", "nothing_due"),
    "debt.rescheduled": _line("nothing_due", "applied nothing_due", "nothing_due"),
    "debt.charged_off": _line("applied nothing_due", "applied nothing_due", "nothing_due"),
    "credit_line.close_requested": _line("applied outstanding", "applied outstanding", "duplicate"),
}

ORDER_ANSWERS: Answers = {
    "purchase.placed": dict.fromkeys(OrderStatus, "duplicate conflict"),
    "purchase.received": {
        OrderStatus.HELD: "applied duplicate",
        OrderStatus.TRIAL: "duplicate",
        OrderStatus.OWED: "applied duplicate",
        OrderStatus.OVERDUE: "applied duplicate",
        OrderStatus.SETTLED: "applied duplicate",
        OrderStatus.RETURNED: "duplicate wrong_state",
        OrderStatus.CANCELLED: "wrong_state",
    },
    "purchase.kept": {
        OrderStatus.HELD: "parked wrong_state",
        OrderStatus.TRIAL: "applied wrong_state",
        OrderStatus.OWED: "duplicate wrong_state",
        OrderStatus.OVERDUE: "duplicate wrong_state",
        OrderStatus.SETTLED: "duplicate wrong_state",
        OrderStatus.RETURNED: "duplicate wrong_state",
        OrderStatus.CANCELLED: "wrong_state",
    },
    "purchase.amount_lowered": {
        OrderStatus.HELD: "applied below_returned",
        OrderStatus.TRIAL: "applied below_returned",
        OrderStatus.OWED: "applied already_paid below_returned",
        OrderStatus.OVERDUE: "applied already_paid below_returned",
        OrderStatus.SETTLED: "already_paid",
        OrderStatus.RETURNED: "wrong_state",
        OrderStatus.CANCELLED: "wrong_state",
    },
    "purchase.cancelled": {
        OrderStatus.HELD: "applied wrong_state",
        OrderStatus.TRIAL: "wrong_state",
        OrderStatus.OWED: "applied wrong_state",
        OrderStatus.OVERDUE: "applied wrong_state",
        OrderStatus.SETTLED: "applied wrong_state",
        OrderStatus.RETURNED: "wrong_state",
        OrderStatus.CANCELLED: "duplicate",
    },
    "purchase.extension_requested": {
        OrderStatus.HELD: "parked not_offered",
        OrderStatus.TRIAL: "applied",
        OrderStatus.OWED: "not_offered too_late wrong_state",
        OrderStatus.OVERDUE: "not_offered too_late wrong_state",
        OrderStatus.SETTLED: "wrong_state",
        OrderStatus.RETURNED: "wrong_state",
        OrderStatus.CANCELLED: "wrong_state",
    },
    "purchase.credited": {
        OrderStatus.HELD: "wrong_state",
        OrderStatus.TRIAL: "wrong_state",
        OrderStatus.OWED: "applied amount_exceeds_order",
        OrderStatus.OVERDUE: "applied amount_exceeds_order",
        OrderStatus.SETTLED: "applied",
        OrderStatus.RETURNED: "wrong_state",
        OrderStatus.CANCELLED: "wrong_state",
    },
    "return.requested": {
        OrderStatus.HELD: "applied amount_exceeds_order",
        OrderStatus.TRIAL: "applied amount_exceeds_order",
        OrderStatus.OWED: "applied amount_exceeds_order window_closed",
        OrderStatus.OVERDUE: "amount_exceeds_order window_closed",
        OrderStatus.SETTLED: "applied window_closed",
        OrderStatus.RETURNED: "amount_exceeds_order",
        OrderStatus.CANCELLED: "wrong_state",
    },
}

RETURN_ANSWERS: Answers = {
    "return.requested": dict.fromkeys(ReturnStatus, "duplicate conflict"),
    "return.reviewed": {
        ReturnStatus.AWAITING_REVIEW: "applied",
        ReturnStatus.AWAITING_PARCEL: "duplicate wrong_state",
        ReturnStatus.REFUNDED: "duplicate wrong_state",
        ReturnStatus.REJECTED: "duplicate wrong_state",
        ReturnStatus.PARCEL_REFUSED: "duplicate wrong_state",
        ReturnStatus.WITHDRAWN: "duplicate wrong_state",
        ReturnStatus.EXPIRED: "duplicate wrong_state",
    },
    "return.parcel_inspected": {
        ReturnStatus.AWAITING_REVIEW: "parked",
        ReturnStatus.AWAITING_PARCEL: "applied",
        ReturnStatus.REFUNDED: "duplicate wrong_state",
        ReturnStatus.REJECTED: "wrong_state",
        ReturnStatus.PARCEL_REFUSED: "duplicate wrong_state",
        ReturnStatus.WITHDRAWN: "wrong_state",
        ReturnStatus.EXPIRED: "wrong_state",
    },
    "return.withdrawn": {
        ReturnStatus.AWAITING_REVIEW: "applied",
        ReturnStatus.AWAITING_PARCEL: "applied",
        ReturnStatus.REFUNDED: "wrong_state",
        ReturnStatus.REJECTED: "wrong_state",
        ReturnStatus.PARCEL_REFUSED: "wrong_state",
        ReturnStatus.WITHDRAWN: "duplicate",
        ReturnStatus.EXPIRED: "wrong_state",
    },
}

DEBIT_ANSWERS: Answers = {
    "repayment.received": dict.fromkeys(DebitStatus, "applied"),
    "repayment.failed": {
        DebitStatus.REQUESTED: "applied",
        DebitStatus.SUCCEEDED: "wrong_state",
        DebitStatus.FAILED: "duplicate",
        DebitStatus.CANCELLED: "wrong_state",
    },
}

DEPOSIT_REFUND_ANSWERS: Answers = {
    "deposit_refund.requested": {
        DepositRefundStatus.AWAITING_REVIEW: "duplicate conflict",
        DepositRefundStatus.APPROVED: "duplicate conflict",
        DepositRefundStatus.PAID: "duplicate conflict",
        DepositRefundStatus.REJECTED: "duplicate conflict",
        DepositRefundStatus.DECLINED: "applied promotion_active duplicate conflict",
        DepositRefundStatus.WITHDRAWN: "duplicate conflict",
    },
    "deposit_refund.reviewed": {
        DepositRefundStatus.AWAITING_REVIEW: "applied",
        DepositRefundStatus.APPROVED: "duplicate wrong_state",
        DepositRefundStatus.PAID: "duplicate wrong_state",
        DepositRefundStatus.REJECTED: "duplicate wrong_state",
        DepositRefundStatus.DECLINED: "duplicate wrong_state subject_declined",
        DepositRefundStatus.WITHDRAWN: "wrong_state",
    },
    "deposit_refund.withdrawn": {
        DepositRefundStatus.AWAITING_REVIEW: "applied",
        DepositRefundStatus.APPROVED: "applied",
        DepositRefundStatus.PAID: "wrong_state",
        DepositRefundStatus.REJECTED: "wrong_state",
        DepositRefundStatus.DECLINED: "wrong_state subject_declined",
        DepositRefundStatus.WITHDRAWN: "duplicate",
    },
}
"""A request that was declined when it came left its id free; one that failed a later check has it still."""

PAYOUT_ANSWERS: Answers = {
    "payout.succeeded": {
        PayoutStatus.REQUESTED: "applied",
        PayoutStatus.SUCCEEDED: "duplicate",
        PayoutStatus.FAILED: "wrong_state",
    },
    "payout.failed": {
        PayoutStatus.REQUESTED: "applied",
        PayoutStatus.SUCCEEDED: "wrong_state",
        PayoutStatus.FAILED: "duplicate",
    },
}
