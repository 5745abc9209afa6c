"""Timers: what happens to a party at an instant of lane time without a message.

At most one timer lives per (party, kind, subject), so scheduling again moves it and cancelling needs no look-up.

Source: docs/rules.md, Time.
"""

from datetime import datetime
from enum import StrEnum

from settlement.party import Party
from settlement.values import dataclass


class TimerKind(StrEnum):
    """What a timer does. `RANKS` gives the order of kinds that are due at one instant."""

    PARKING_EXPIRY = "parking_expiry"
    AUTOMATIC_RECEIPT = "automatic_receipt"
    """Of an order: nobody has confirmed its receipt."""
    PARCEL_EXPIRY = "parcel_expiry"
    """Of a return: its parcel has not come."""
    TRIAL_END = "trial_end"
    """Of an order."""
    DUE_DAY = "due_day"
    """Of a date: what is due then is debited."""
    OVERDUE = "overdue"
    """Of a date: what was due then and is not paid falls overdue."""
    PENALTY = "penalty"
    """Of the account: what is overdue costs another day's penalty."""
    DEBIT_RETRY = "debit_retry"
    """Of a failed debit."""
    RESTORE = "restore"
    """Of the account: the wait after clearing is over."""
    DEPOSIT_PAYMENT = "deposit_payment"
    """Of a deposit refund request."""
    DEPOSIT_REVIEW_LATE = "deposit_review_late"
    """Of a deposit refund request: the day on which its review was due is over."""
    DEPOSIT_UNPAID = "deposit_unpaid"
    """Of a deposit refund request: its deposit was paid long ago."""
    MERCHANT_PAYOUT = "merchant_payout"
    """Of the merchant: a payout date has come while something is payable."""
    REMINDER = "reminder"
    """Of a date: something is due soon."""
    TRIAL_REMINDER = "trial_reminder"
    """Of an order: its trial ends soon."""


RANKS = {
    TimerKind.PARKING_EXPIRY: 10,
    TimerKind.AUTOMATIC_RECEIPT: 10,
    TimerKind.PARCEL_EXPIRY: 10,
    TimerKind.TRIAL_END: 10,
    TimerKind.DUE_DAY: 30,
    TimerKind.OVERDUE: 40,
    TimerKind.PENALTY: 50,
    TimerKind.DEBIT_RETRY: 60,
    TimerKind.RESTORE: 70,
    TimerKind.DEPOSIT_PAYMENT: 80,
    TimerKind.DEPOSIT_REVIEW_LATE: 80,
    TimerKind.DEPOSIT_UNPAID: 80,
    TimerKind.MERCHANT_PAYOUT: 90,
    TimerKind.REMINDER: 95,
    TimerKind.TRIAL_REMINDER: 95,
}
"""Order at one instant: expiries and trial ends 10, customer credit 20, debits 30, overdue 40, penalties 50,
retries 60, restores 70, deposits 80, merchant payouts 90, reminders 95; equal ranks go by timer id."""

WHOLE_ACCOUNT = "account"
"""The subject of timers that an account has one of."""

WHOLE_MERCHANT = "merchant"
"""The subject of timers that a merchant has one of."""


@dataclass(frozen=True, slots=True)
class Timer:
    """One timer of one party; `subject_id` is the order, debit, date … it concerns."""

    party: Party
    kind: TimerKind
    subject_id: str
    due_at: datetime

    @property
    def timer_id(self) -> str:
        """Names the timer in decisions and outputs; the due time tells its successive firings apart.

        No timer is set to an instant at which it fired already: what is due by now when a message comes is done at
        once, without a timer.
        """
        return f"{self.kind}:{_escaped(self.party.id)}:{_escaped(self.subject_id)}:{self.due_at.isoformat()}"

    @property
    def order(self) -> tuple[datetime, int, str]:
        """Sort key in which due timers fire."""
        return (self.due_at, RANKS[self.kind], self.timer_id)


def _escaped(part: str) -> str:
    """Keep `:` for separating the parts, so that no two timers have one id."""
    return part.replace("%", "%25").replace(":", "%3A") if ":" in part or "%" in part else part
