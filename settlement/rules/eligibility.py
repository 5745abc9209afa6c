"""What may stand against spending limit, whatever it is spent on. Source: docs/rules.md, Purchase."""

from settlement.decision import DeclineReason
from settlement.draft import Draft
from settlement.entities import Account
from settlement.rules import overdue
from settlement.terms import Programme


def buyer_refusal(draft: Draft, account: Account, programme: Programme) -> DeclineReason | None:
    """The first reason, in the order of docs/rules.md, that speaks against the buyer."""
    if account.closed_at is not None:
        return DeclineReason.LINE_CLOSED
    if account.freeze_reasons:
        return DeclineReason.LINE_FROZEN
    if overdue.is_overdue(draft):
        return DeclineReason.OVERDUE
    if programme.needs_card and not account.card_linked:
        return DeclineReason.CARD_NOT_LINKED
    if programme.needs_identity and not account.identity_verified:
        return DeclineReason.IDENTITY_NOT_VERIFIED
    if programme.needs_score is not None and (account.score is None or account.score < programme.needs_score):
        return DeclineReason.SCORE_BELOW_THRESHOLD
    return None


def amount_refusal(account: Account, amount_minor: int, currency: str) -> DeclineReason | None:
    """The first reason, in the order of docs/rules.md, that speaks against an amount."""
    if currency != account.currency:
        return DeclineReason.CURRENCY_MISMATCH
    if amount_minor > account.available_minor:
        return DeclineReason.LIMIT_EXCEEDED
    return None
