"""Penalties on what is overdue: the day's charge, and how its notices add up. Source: docs/rules.md, Overdue."""

from collections.abc import Iterable
from datetime import date

from settlement import timeline
from settlement.changes import PENALTIES, Place
from settlement.dates import business_date, days_after, midnight
from settlement.draft import Draft
from settlement.entities import Obligation, Order
from settlement.ledger import LedgerAccount


def rate(draft: Draft, obligation: Obligation) -> timeline.Rate:
    """The rate of the terms the order was accepted under; of what belongs to no order, those of each date."""
    terms = draft.rules.terms
    if obligation.order_id is None:
        return lambda day: terms.on(day).penalty_bps_per_day
    bps = terms.since(draft.get(Order, obligation.order_id).terms_from).penalty_bps_per_day
    return lambda _: bps


def derived(draft: Draft, obligation: Obligation, since: Place) -> Obligation:
    """Return an obligation whose past has changed since a place, with what follows from it until now.

    What is unpaid of the past may have been paid then and sent back or moved to other parts of a plan since: whatever
    comes, no day costs more than before this decision.
    """
    if not obligation.falls:
        return obligation
    charged = timeline.runs_of(draft.state.find(Obligation, obligation.obligation_id) or obligation)
    return timeline.derived(obligation, since, charged, rate(draft, obligation))


def charge(draft: Draft, obligations: Iterable[Obligation]) -> bool:
    """Charge overdue obligations the penalty of the day that begins now; tells whether that was any."""
    today = business_date(draft.moment.now)
    is_any, sum_minor = False, 0
    for obligation in obligations:
        after = timeline.charged(obligation, today, rate(draft, obligation))
        if after is not obligation:
            is_any = True
            sum_minor += after.penalty_minor - obligation.penalty_minor
            note_charged(draft, obligation, after)
            draft.put(after)
    draft.post(LedgerAccount.PENALTY_RECEIVABLE, LedgerAccount.PENALTY_INCOME, sum_minor, draft.currency)
    return is_any


def note_charged(draft: Draft, before: Obligation, after: Obligation) -> None:
    """Keep the sum that the next notice of penalties will tell, as an obligation's penalties change."""
    if before.penalty_runs == after.penalty_runs and (after.lowered_bps is None or not after.penalty_runs):
        return
    account = draft.account
    noticed = account.penalty_noticed_on
    since = Place(midnight(noticed), PENALTIES) if noticed is not None else None
    if since is None:
        more_minor = timeline.charged_minor(after) - timeline.charged_minor(before)
    else:
        more_minor = timeline.charged_after(after, since) - timeline.charged_after(before, since)
    unnoticed_minor = max(0, account.penalty_unnoticed_minor + more_minor)
    if unnoticed_minor != account.penalty_unnoticed_minor:
        draft.change_account(penalty_unnoticed_minor=unnoticed_minor)


def notice_due_on(draft: Draft) -> date | None:
    """The next date on which a notice is due, with what is to be told by now; None when that is too little."""
    account, today = draft.account, business_date(draft.moment.now)
    terms = draft.rules.terms.on(today)
    if account.penalty_noticed_on is None:
        return today if account.penalty_unnoticed_minor else None
    if account.penalty_unnoticed_minor < max(1, terms.penalty_notice_minor):
        return None
    days_gone = (today - account.penalty_noticed_on).days
    return days_after(today, -days_gone % terms.penalty_notice_days)


def notify(draft: Draft) -> None:
    """Tell the penalties since the last notice, on the first day of an overdue time and then every few days."""
    today = business_date(draft.moment.now)
    account = draft.account
    if account.penalty_noticed_on == today or notice_due_on(draft) != today:
        return
    draft.notify("penalty_charged", amount_minor=account.penalty_unnoticed_minor, currency=account.currency)
    draft.change_account(penalty_noticed_on=today, penalty_unnoticed_minor=0)


def forget_notices(draft: Draft) -> None:
    """An overdue time is over: the next one begins with a notice of its own."""
    account = draft.account
    if account.penalty_noticed_on is not None or account.penalty_unnoticed_minor:
        draft.change_account(penalty_noticed_on=None, penalty_unnoticed_minor=0)
