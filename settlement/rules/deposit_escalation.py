"""Requests that wait too long for their review or their money are put before people.

Source: docs/rules.md, Deposit refund.
"""

from datetime import datetime

from settlement.dates import business_date, days_after, midnight
from settlement.draft import Draft
from settlement.entities import Deposit, DepositRefund
from settlement.timers import TimerKind

REVIEW_LATE = "review_late"
UNPAID = "refund_unpaid"


def expect(draft: Draft, request: DepositRefund, deposit: Deposit) -> None:
    """See to it that a request taken up is escalated in time; at once where that has passed since it was made.

    A request made when its deposit has been there for long already is no old one: only its review is waited for.
    """
    assert request.review_due_on is not None
    review_late_at = midnight(days_after(request.review_due_on, 1))
    if review_late_at > draft.moment.now:
        draft.schedule(TimerKind.DEPOSIT_REVIEW_LATE, request.request_id, review_late_at)
    else:
        _escalate(draft, request, REVIEW_LATE)
    unpaid_at = _unpaid_at(draft, deposit)
    if unpaid_at > draft.moment.now:
        draft.schedule(TimerKind.DEPOSIT_UNPAID, request.request_id, unpaid_at)
    elif unpaid_at > draft.moment.occurred_at:
        _escalate(draft, request, UNPAID)


def forget_review(draft: Draft, request_id: str) -> None:
    """A request is reviewed."""
    draft.cancel(TimerKind.DEPOSIT_REVIEW_LATE, request_id)


def forget(draft: Draft, request_id: str) -> None:
    """A request has ended, paid or not."""
    forget_review(draft, request_id)
    draft.cancel(TimerKind.DEPOSIT_UNPAID, request_id)


def review_late(draft: Draft, request_id: str) -> None:
    """00:00 after the day on which the review was due, and it has not come."""
    _escalate(draft, draft.get(DepositRefund, request_id), REVIEW_LATE)


def unpaid(draft: Draft, request_id: str) -> None:
    """The deposit has been there for long, and a request for it is neither paid nor ended."""
    _escalate(draft, draft.get(DepositRefund, request_id), UNPAID)


def _unpaid_at(draft: Draft, deposit: Deposit) -> datetime:
    paid_on = business_date(deposit.paid_at)
    return midnight(days_after(paid_on, draft.rules.terms.on(paid_on).deposits.escalate_unpaid_days))


def _escalate(draft: Draft, request: DepositRefund, reason: str) -> None:
    for notify in (draft.notify, draft.notify_operator):
        notify(
            "deposit_refund_escalated",
            merchant_id=request.merchant_id,
            request_id=request.request_id,
            deposit_id=request.deposit_id,
            amount_minor=request.amount_minor,
            currency=request.currency,
            reason=reason,
        )
