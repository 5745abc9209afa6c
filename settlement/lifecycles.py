"""State machines as tables; docs/states.md is drawn from them by `python -m workers.state_diagrams --write`.

The rules ask the tables where a step leads; a step that a state never allows is refused by the rules before.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from settlement.decision import InvariantBrokenError
from settlement.statuses import (
    DebitStatus,
    DepositRefundStatus,
    LineStatus,
    ObligationStatus,
    OrderStatus,
    PayoutStatus,
    ReturnStatus,
)

StatusT = TypeVar("StatusT", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Machine(Generic[StatusT]):
    """States of one kind of thing: where each step leads, and the states it may begin in."""

    name: str
    begins: Mapping[str, StatusT]
    steps: Mapping[tuple[StatusT, str], StatusT]

    def after(self, status: StatusT, step: str) -> StatusT:
        """Return the state a step leads to.

        Raises:
            InvariantBrokenError: the state does not allow it, and no rule has refused it.
        """
        try:
            return self.steps[status, step]
        except KeyError:
            raise InvariantBrokenError(f"{self.name} {status} does not allow {step}") from None

    def allows(self, status: StatusT, step: str) -> bool:
        """Tell whether a state allows a step."""
        return (status, step) in self.steps


LINE = Machine(
    "credit line",
    {"opened": LineStatus.ACTIVE},
    {
        (LineStatus.ACTIVE, "frozen, or something overdue"): LineStatus.FROZEN,
        (LineStatus.FROZEN, "last freeze reason lifted"): LineStatus.ACTIVE,
        (LineStatus.ACTIVE, "closed"): LineStatus.CLOSED,
        (LineStatus.FROZEN, "closed"): LineStatus.CLOSED,
    },
)
"""The state follows from the freeze reasons and the closing (`Account.status`); no rule need ask this table."""

ORDER = Machine(
    "order",
    {"placed": OrderStatus.HELD},
    {
        (OrderStatus.HELD, "received on trial"): OrderStatus.TRIAL,
        (OrderStatus.HELD, "captured"): OrderStatus.OWED,
        (OrderStatus.HELD, "cancelled"): OrderStatus.CANCELLED,
        (OrderStatus.HELD, "returned in full"): OrderStatus.RETURNED,
        (OrderStatus.TRIAL, "captured"): OrderStatus.OWED,
        (OrderStatus.TRIAL, "returned in full"): OrderStatus.RETURNED,
        (OrderStatus.OWED, "fell overdue"): OrderStatus.OVERDUE,
        (OrderStatus.OWED, "nothing left to pay"): OrderStatus.SETTLED,
        (OrderStatus.OWED, "cancelled"): OrderStatus.CANCELLED,
        (OrderStatus.OWED, "returned in full"): OrderStatus.RETURNED,
        (OrderStatus.OVERDUE, "nothing overdue"): OrderStatus.OWED,
        (OrderStatus.OVERDUE, "nothing left to pay"): OrderStatus.SETTLED,
        (OrderStatus.OVERDUE, "cancelled"): OrderStatus.CANCELLED,
        (OrderStatus.OVERDUE, "returned in full"): OrderStatus.RETURNED,
        (OrderStatus.SETTLED, "payment reversed"): OrderStatus.OWED,
        (OrderStatus.SETTLED, "cancelled"): OrderStatus.CANCELLED,
        (OrderStatus.SETTLED, "returned in full"): OrderStatus.RETURNED,
    },
)

OBLIGATION = Machine(
    "obligation",
    {"captured": ObligationStatus.OPEN},
    {
        (ObligationStatus.OPEN, "paid"): ObligationStatus.PAID,
        (ObligationStatus.OPEN, "taken back"): ObligationStatus.RETURNED,
        (ObligationStatus.OPEN, "fell overdue"): ObligationStatus.OVERDUE,
        (ObligationStatus.OVERDUE, "paid"): ObligationStatus.PAID,
        (ObligationStatus.OVERDUE, "taken back"): ObligationStatus.RETURNED,
        (ObligationStatus.OVERDUE, "paid in time after all"): ObligationStatus.OPEN,
        (ObligationStatus.OVERDUE, "rescheduled"): ObligationStatus.OPEN,
        (ObligationStatus.PAID, "payment reversed"): ObligationStatus.OPEN,
        (ObligationStatus.PAID, "taken back"): ObligationStatus.RETURNED,
        (ObligationStatus.RETURNED, "amount lowered"): ObligationStatus.OPEN,
        (ObligationStatus.OPEN, "charged off"): ObligationStatus.CHARGED_OFF,
        (ObligationStatus.OVERDUE, "charged off"): ObligationStatus.CHARGED_OFF,
        (ObligationStatus.CHARGED_OFF, "payment reversed"): ObligationStatus.OPEN,
        (ObligationStatus.CHARGED_OFF, "paid"): ObligationStatus.PAID,
        (ObligationStatus.CHARGED_OFF, "taken back"): ObligationStatus.RETURNED,
    },
)

DEBIT = Machine(
    "debit",
    {"requested": DebitStatus.REQUESTED},
    {
        (DebitStatus.REQUESTED, "succeeded"): DebitStatus.SUCCEEDED,
        (DebitStatus.REQUESTED, "failed"): DebitStatus.FAILED,
        (DebitStatus.REQUESTED, "cancelled"): DebitStatus.CANCELLED,
        (DebitStatus.FAILED, "succeeded"): DebitStatus.SUCCEEDED,
        (DebitStatus.CANCELLED, "succeeded"): DebitStatus.SUCCEEDED,
        (DebitStatus.SUCCEEDED, "succeeded"): DebitStatus.SUCCEEDED,
    },
)

RETURN = Machine(
    "return",
    {
        "requested": ReturnStatus.AWAITING_REVIEW,
        "approved": ReturnStatus.AWAITING_PARCEL,
        "refunded without inspection": ReturnStatus.REFUNDED,
    },
    {
        (ReturnStatus.AWAITING_REVIEW, "approved"): ReturnStatus.AWAITING_PARCEL,
        (ReturnStatus.AWAITING_REVIEW, "refunded without inspection"): ReturnStatus.REFUNDED,
        (ReturnStatus.AWAITING_REVIEW, "rejected"): ReturnStatus.REJECTED,
        (ReturnStatus.AWAITING_REVIEW, "withdrawn"): ReturnStatus.WITHDRAWN,
        (ReturnStatus.AWAITING_REVIEW, "order cancelled"): ReturnStatus.WITHDRAWN,
        (ReturnStatus.AWAITING_PARCEL, "parcel intact"): ReturnStatus.REFUNDED,
        (ReturnStatus.AWAITING_PARCEL, "parcel damaged"): ReturnStatus.PARCEL_REFUSED,
        (ReturnStatus.AWAITING_PARCEL, "parcel not come"): ReturnStatus.EXPIRED,
        (ReturnStatus.AWAITING_PARCEL, "withdrawn"): ReturnStatus.WITHDRAWN,
        (ReturnStatus.AWAITING_PARCEL, "order cancelled"): ReturnStatus.WITHDRAWN,
    },
)

DEPOSIT_REFUND = Machine(
    "deposit refund",
    {"requested": DepositRefundStatus.AWAITING_REVIEW, "conditions unmet": DepositRefundStatus.DECLINED},
    {
        (DepositRefundStatus.AWAITING_REVIEW, "approved"): DepositRefundStatus.APPROVED,
        (DepositRefundStatus.AWAITING_REVIEW, "rejected"): DepositRefundStatus.REJECTED,
        (DepositRefundStatus.AWAITING_REVIEW, "conditions unmet"): DepositRefundStatus.DECLINED,
        (DepositRefundStatus.AWAITING_REVIEW, "withdrawn"): DepositRefundStatus.WITHDRAWN,
        (DepositRefundStatus.APPROVED, "paid"): DepositRefundStatus.PAID,
        (DepositRefundStatus.APPROVED, "conditions unmet"): DepositRefundStatus.DECLINED,
        (DepositRefundStatus.APPROVED, "withdrawn"): DepositRefundStatus.WITHDRAWN,
        (DepositRefundStatus.PAID, "payout failed"): DepositRefundStatus.DECLINED,
        (DepositRefundStatus.DECLINED, "requested"): DepositRefundStatus.AWAITING_REVIEW,
        (DepositRefundStatus.DECLINED, "conditions unmet"): DepositRefundStatus.DECLINED,
    },
)

PAYOUT = Machine(
    "payout",
    {"requested": PayoutStatus.REQUESTED},
    {
        (PayoutStatus.REQUESTED, "succeeded"): PayoutStatus.SUCCEEDED,
        (PayoutStatus.REQUESTED, "failed"): PayoutStatus.FAILED,
    },
)
