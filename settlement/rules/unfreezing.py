"""Requests of buyers to have the freeze for what was overdue lifted. Source: docs/rules.md, Overdue."""

from datetime import timedelta

from settlement.dates import business_date
from settlement.decision import Decision, DeclineReason
from settlement.draft import Draft
from settlement.rules import overdue
from settlement.rules.credit_line import OVERDUE
from settlement.rules.restoring import restore
from settlement.terms import RestoredWhen


def requested(draft: Draft) -> Decision:
    """Restore the line on request, or decline with the first reason that applies."""
    reason = _refusal(draft)
    if reason is not None:
        draft.notify("unfreeze_refused", reason=reason.value)
        return draft.declined(reason)
    restore(draft, "unfrozen")
    return draft.applied()


def _refusal(draft: Draft) -> DeclineReason | None:
    """The first reason, in the order of docs/rules.md, that speaks against lifting the freeze."""
    account, occurred_at = draft.account, draft.moment.occurred_at
    if account.closed_at is not None:
        return DeclineReason.LINE_CLOSED
    if overdue.is_overdue(draft):
        return DeclineReason.OVERDUE
    _, programme = draft.rules.terms.of_programme(account.programme, business_date(occurred_at))
    if programme.restore.when is not RestoredWhen.ON_REQUEST:
        return DeclineReason.NOT_OFFERED
    if OVERDUE not in account.freeze_reasons or account.cleared_at is None:
        return DeclineReason.WRONG_STATE
    if occurred_at - account.cleared_at < timedelta(days=programme.restore.days):
        return DeclineReason.TOO_EARLY
    return None
