"""Decisions as values: what became of an input or a timer, and everything that follows from it."""

from enum import StrEnum

from settlement.entity import Entity
from settlement.ledger import Posting
from settlement.outputs import Output
from settlement.timers import Timer, TimerKind
from settlement.values import dataclass


class Outcome(StrEnum):
    """What became of an input; exactly one of these. Source: docs/rules.md, Outcomes."""

    APPLIED = "applied"
    DECLINED = "declined"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    PARKED = "parked"
    DEAD_LETTERED = "dead_lettered"


class DeclineReason(StrEnum):
    """Why an input was declined. Where several apply, the first in the order of docs/rules.md is given."""

    # A step of something that was itself declined, or that its subject's state can never allow.
    SUBJECT_DECLINED = "subject_declined"
    WRONG_STATE = "wrong_state"
    # A purchase, in the order in which they are checked.
    LINE_CLOSED = "line_closed"
    LINE_FROZEN = "line_frozen"
    OVERDUE = "overdue"
    CARD_NOT_LINKED = "card_not_linked"
    IDENTITY_NOT_VERIFIED = "identity_not_verified"
    SCORE_BELOW_THRESHOLD = "score_below_threshold"
    NOT_SUPPORTED = "not_supported"
    PLAN_NOT_OFFERED = "plan_not_offered"
    ABOVE_SHOP_MAXIMUM = "above_shop_maximum"
    CURRENCY_MISMATCH = "currency_mismatch"
    LIMIT_EXCEEDED = "limit_exceeded"
    # A lowered amount, in order.
    NOT_LOWER = "not_lower"
    ALREADY_PAID = "already_paid"
    BELOW_RETURNED = "below_returned"
    # An extension, in order.
    NOT_OFFERED = "not_offered"
    TOO_LATE = "too_late"
    EXTENSION_USED = "extension_used"
    EXTENSION_TOO_LONG = "extension_too_long"
    # A return, in order.
    AMOUNT_EXCEEDS_ORDER = "amount_exceeds_order"
    WINDOW_CLOSED = "window_closed"
    EVIDENCE_MISSING = "evidence_missing"
    # Cashing out, after the reasons of a purchase; not_offered and identity_not_verified stand above.
    RECENT_OVERDUE = "recent_overdue"
    DAILY_CAP_EXCEEDED = "daily_cap_exceeded"
    # Asking for a freeze to end.
    TOO_EARLY = "too_early"
    # Closing a line.
    OUTSTANDING = "outstanding"
    # Asking for a debit, in order.
    NOTHING_DUE = "nothing_due"
    IN_PROGRESS = "in_progress"
    # A deposit refund, in order; the decision names all that apply.
    PROMOTION_ACTIVE = "promotion_active"
    DISPUTE_OPEN = "dispute_open"
    AFTER_SALE_OPEN = "after_sale_open"
    VIOLATION_OPEN = "violation_open"
    OWES_PLATFORM = "owes_platform"
    AMOUNT_EXCEEDS_DEPOSIT = "amount_exceeds_deposit"
    REFUND_IN_PROGRESS = "refund_in_progress"
    # Taking money out of the shop balance, after owes_platform.
    INSUFFICIENT_BALANCE = "insufficient_balance"


class AppliedReason(StrEnum):
    """What an applied input was taken for, where that is not what it said."""

    REFERENCE_UNKNOWN = "reference_unknown"
    """Money counted for the account, because the order or debit it names did not become known."""


@dataclass(frozen=True, slots=True)
class ActivityShare:
    """What one decision of an account means for one merchant; a batch sums them (docs/flow.md)."""

    merchant_id: str
    currency: str
    payable_minor: int
    after_sales: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of one input or timer.

    `reasons` are all reasons of a refusal, the first being `reason`. `entities` are new versions of what changed.
    `waits_for` is the subject key a parked input waits for; `declined_subject` is the subject key that a declined
    message would have made. `wakes` are subject keys of what there will be no entity of.
    """

    outcome: Outcome
    reason: str | None = None
    reasons: tuple[str, ...] = ()
    postings: tuple[Posting, ...] = ()
    entities: tuple[Entity, ...] = ()
    timers: tuple[Timer, ...] = ()
    cancelled: tuple[tuple[TimerKind, str], ...] = ()
    outputs: tuple[Output, ...] = ()
    activity: tuple[ActivityShare, ...] = ()
    waits_for: str | None = None
    declined_subject: str | None = None
    wakes: tuple[str, ...] = ()


class InvariantBrokenError(Exception):
    """The books would not balance. Stops the lane: this is a defect of postpay, never of a message."""
