"""Timers: what happens to a party at an instant of lane time without a message.

At most one timer lives per (party, kind, subject), so scheduling again moves it and cancelling needs no look-up.

Source: docs/rules.md, Time.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any, Self

from settlement.entities import Debit, DepositRefund, Order, Return
from settlement.messages import Input
from settlement.party import Party
from settlement.values import dataclass


class TimerKind(StrEnum):
    """What a timer does: its name, its rank among those due at one instant, and what its subject is.

    Ranks: expiries and trial ends 10, unanswered debits 15, customer credit 20, debits 30, overdue 40, penalties 50,
    retries 60, restores 70, deposits 80, merchant payouts 90, reminders 95; equal ranks go by timer id. The subject is
    an entity, a date, the party as a whole, or an input, which is named by its event hash.
    """

    rank: int
    subject: type

    def __new__(cls, name: str, *about: Any) -> Self:
        """Make a kind of its name, rank and subject; looking one up takes the name alone."""
        kind = str.__new__(cls, name)
        try:
            kind._value_, (kind.rank, kind.subject) = name, about
        except ValueError:
            raise TypeError(f"timer kind {name}: expected its rank and its subject, got {about}") from None
        return kind

    PARKING_EXPIRY = "parking_expiry", 10, Input
    """What it waits for has not come."""
    AUTOMATIC_RECEIPT = "automatic_receipt", 10, Order
    """Nobody has confirmed its receipt."""
    PARCEL_EXPIRY = "parcel_expiry", 10, Return
    """Its parcel has not come."""
    TRIAL_END = "trial_end", 10, Order
    DEBIT_UNANSWERED = "debit_unanswered", 15, Debit
    """Nobody has told in time what became of it."""
    DUE_DAY = "due_day", 30, date
    """What is due then is debited."""
    DEBIT = "debit", 30, Party
    """What is due and not asked for is debited."""
    OVERDUE = "overdue", 40, date
    """What was due then and is not paid falls overdue."""
    PENALTY = "penalty", 50, Party
    """What is overdue costs another day's penalty."""
    DEBIT_RETRY = "debit_retry", 60, Debit
    """It failed and is tried again."""
    RESTORE = "restore", 70, Party
    """The wait after clearing is over."""
    DEPOSIT_PAYMENT = "deposit_payment", 80, DepositRefund
    DEPOSIT_REVIEW_LATE = "deposit_review_late", 80, DepositRefund
    """The day on which its review was due is over."""
    DEPOSIT_UNPAID = "deposit_unpaid", 80, DepositRefund
    """Its deposit was paid long ago."""
    MERCHANT_PAYOUT = "merchant_payout", 90, Party
    """A payout date has come while something is payable."""
    REMINDER = "reminder", 95, date
    """Something is due soon."""
    TRIAL_REMINDER = "trial_reminder", 95, Order
    """Its trial ends soon."""


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
        return (self.due_at, self.kind.rank, self.timer_id)


def _escaped(part: str) -> str:
    """Keep `:` for separating the parts, so that no two timers have one id."""
    return part.replace("%", "%25").replace(":", "%3A") if ":" in part or "%" in part else part
