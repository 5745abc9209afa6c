"""Closing a credit line. Source: docs/rules.md, Credit line."""

from settlement.decision import Decision, DeclineReason
from settlement.draft import Draft
from settlement.ledger import LedgerAccount
from settlement.rules import credit_line, payoff
from settlement.rules.payout_request import pay_out_credit


def requested(draft: Draft) -> Decision:
    """Close a line on which nothing is held or owed; else tell what is, and what paying it off takes.

    Customer credit, of which there is some if it could not be paid out before, leaves with the line.
    """
    account = draft.account
    if account.closed_at is not None:
        return draft.duplicate()
    if (
        account.held_minor
        or account.receivable_minor
        or account.fee_receivable_minor
        or account.penalty_receivable_minor
    ):
        draft.notify(
            "closing_refused",
            payoff_minor=payoff.amount_minor(draft),
            held_minor=account.held_minor,
            currency=account.currency,
        )
        return draft.declined(DeclineReason.OUTSTANDING)
    close(draft)
    pay_out_credit(draft)
    draft.notify("closing_granted", account_id=account.account_id)
    return draft.applied()


def close(draft: Draft) -> None:
    """Close a line for ever: nothing is granted any more."""
    limit_minor = draft.account.limit_minor
    draft.change_account(closed_at=draft.moment.occurred_at, granted_minor=0)
    if limit_minor:
        draft.post(LedgerAccount.LIMIT_GRANTED, LedgerAccount.LIMIT_AVAILABLE, limit_minor, draft.currency)
        credit_line.reclaimed(draft, limit_minor, "closed")
