"""Penalties that are waived for a buyer in hardship. Source: docs/rules.md, Hardship."""

from settlement import timeline
from settlement.asks import open_parts
from settlement.changes import Change, ChangeKind
from settlement.concession import Concession, ConcessionKind, concession_key
from settlement.decision import Decision, DeclineReason
from settlement.draft import Draft
from settlement.ledger import LedgerAccount
from settlement.messages import PenaltyWaived
from settlement.rules import conceding, difference, due_day


def waived(draft: Draft, body: PenaltyWaived) -> Decision:
    """Take open penalties away, those of what is paid first before others; all of them unless an amount is named."""
    key = concession_key(ConcessionKind.WAIVER, body.waiver_id)
    known = draft.find(Concession, key)
    if known is not None:
        return draft.repeated(known.fingerprint, draft.cause.fingerprint)
    if body.currency != draft.currency:
        return draft.declined(DeclineReason.CURRENCY_MISMATCH, subject=(Concession, key))
    penalized = [each for each in draft.open_obligations() if open_parts(each).penalty_minor]
    if not penalized:
        return draft.declined(DeclineReason.NOTHING_DUE, subject=(Concession, key))
    open_minor = sum(open_parts(each).penalty_minor for each in penalized)
    amount_minor = left_minor = open_minor if body.amount_minor is None else min(body.amount_minor, open_minor)
    conceding.record(draft, key, amount_minor, body.reason, approved_by=body.approved_by)
    before = []
    for obligation in penalized:
        less_minor = min(left_minor, open_parts(obligation).penalty_minor)
        left_minor -= less_minor
        if less_minor:
            change = Change(ChangeKind.LESS, draft.place, less_minor, 0, 0)
            after = timeline.put_in(obligation, change)
            difference.take_over(draft, obligation, after, money=LedgerAccount.CUSTOMER_CREDIT)
            before.append(obligation)
    difference.conclude(draft, before)
    due_day.settle(draft, before, "penalty_waived")
    draft.notify("penalty_waived", amount_minor=amount_minor, currency=draft.currency)
    return draft.applied()
