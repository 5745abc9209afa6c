"""Paying off everything at once. Source: docs/rules.md, Repayment."""

from settlement import timeline
from settlement.changes import BY_MESSAGE, Change, ChangeKind, Place
from settlement.dates import business_date
from settlement.draft import Draft
from settlement.entities import Obligation, Repayment
from settlement.quote import unbilled_fee_minor
from settlement.rules.allocation import Allocation, Share


def amount_minor(draft: Draft) -> int:
    """What it takes, or took when a payment was made, to be rid of all that is owed, unbilled fees left out."""
    paid_at = draft.moment.occurred_at
    today = business_date(paid_at)
    place = Place(paid_at, BY_MESSAGE)
    return sum(
        timeline.payable_at(each, place).amount_minor - unbilled_fee_minor(each, today)
        for each in draft.open_obligations()
    )


def begin(draft: Draft, allocation: Allocation, repayment: Repayment) -> list[Share]:
    """Waive the fees that are not billed, if a payment covers the rest; else tell that it is treated as any other.

    Returns:
        What was waived.
    """
    required_minor = amount_minor(draft)
    paid_minor, currency = repayment.amount_minor, draft.currency
    if paid_minor < required_minor:
        draft.notify("payoff_insufficient", amount_minor=paid_minor, required_minor=required_minor, currency=currency)
        return []
    today = business_date(draft.moment.occurred_at)
    waived: list[Share] = []
    for obligation in list(draft.open_obligations()):
        fee_minor = unbilled_fee_minor(obligation, today)
        if fee_minor:
            waived.append(Share(obligation.obligation_id, 0, 0, 0, fee_minor))
            allocation.work_on(obligation, without_fee(draft, obligation, fee_minor))
    if required_minor:
        waived_minor = sum(share.waived_fee_minor for share in waived)
        draft.notify("payoff_received", amount_minor=required_minor, waived_minor=waived_minor, currency=currency)
    return waived


def without_fee(draft: Draft, obligation: Obligation, fee_minor: int) -> Obligation:
    """Return an obligation with so much less of its fee."""
    return timeline.put_in(obligation, Change(ChangeKind.LESS, draft.place, 0, fee_minor, 0))
