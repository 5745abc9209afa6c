"""Money of unknown accounts: kept apart until somebody says whose it is. Source: docs/rules.md, Suspense."""

from settlement.decision import AppliedReason, Decision
from settlement.draft import Draft
from settlement.entities import Account, Repayment
from settlement.ledger import LedgerAccount
from settlement.messages import RepaymentReceived, RepaymentReversed, SuspenseReleased
from settlement.suspense import SuspenseEntry
from settlement.values import revised


def received(draft: Draft, body: RepaymentReceived) -> Decision | None:
    """What becomes of a repayment that is in suspense, or whose account is not known yet; None of any other.

    An opening that was declined makes no account known, yet the money has come.
    """
    entry = draft.find(SuspenseEntry, body.repayment_id)
    if entry is not None:
        return draft.repeated(entry.fingerprint, draft.cause.fingerprint)
    if draft.find(Account, draft.party.id) is None:
        return draft.wait(Account, draft.party.id)
    return None


def reversed_(draft: Draft, body: RepaymentReversed) -> Decision | None:
    """What becomes of the reversal of a repayment that is in suspense, or whose account is not known yet."""
    entry = draft.find(SuspenseEntry, body.repayment_id)
    if entry is not None:
        return _release(draft, entry, body.reason)
    if draft.find(Account, draft.party.id) is None:
        return draft.wait(Repayment, body.repayment_id)
    return None


def kept(draft: Draft, body: RepaymentReceived) -> Decision | None:
    """Keep a repayment apart whose account has not become known in time; None where it is known."""
    if draft.find(Account, draft.party.id) is not None:
        return None
    entry = draft.find(SuspenseEntry, body.repayment_id)  # another message told the same
    if entry is not None:
        return draft.repeated(entry.fingerprint, draft.cause.fingerprint)
    draft.put(
        SuspenseEntry(
            account_id=draft.party.id,
            suspense_id=body.repayment_id,
            amount_minor=body.amount_minor,
            currency=body.currency,
            channel=body.channel,
            purpose=body.purpose,
            order_id=body.order_id,
            debit_id=body.debit_id,
            event_id=draft.cause.causation_id,
            received_at=draft.moment.occurred_at,
            suspended_at=draft.moment.now,
            fingerprint=draft.cause.fingerprint,
        )
    )
    draft.wake(Repayment, body.repayment_id)  # for a reversal of it
    draft.post(LedgerAccount.GATEWAY_CLEARING, LedgerAccount.SUSPENSE, body.amount_minor, body.currency)
    draft.notify_operator(
        "suspense_received",
        account_id=draft.party.id,
        suspense_id=body.repayment_id,
        amount_minor=body.amount_minor,
        currency=body.currency,
    )
    return draft.applied(AppliedReason.REFERENCE_UNKNOWN)


def released(draft: Draft, body: SuspenseReleased) -> Decision:
    """Let money leave for where it belongs, once."""
    entry = draft.find(SuspenseEntry, body.suspense_id)
    return draft.wait(SuspenseEntry, body.suspense_id) if entry is None else _release(draft, entry, body.reason)


def _release(draft: Draft, entry: SuspenseEntry, reason: str) -> Decision:
    if entry.released_at is not None:
        return draft.duplicate()
    draft.put(revised(entry, released_at=draft.moment.occurred_at, reason=reason))
    draft.post(LedgerAccount.SUSPENSE, LedgerAccount.GATEWAY_CLEARING, entry.amount_minor, entry.currency)
    draft.notify_operator(
        "suspense_released",
        account_id=draft.party.id,
        suspense_id=entry.suspense_id,
        amount_minor=entry.amount_minor,
        currency=entry.currency,
        reason=reason,
    )
    return draft.applied()
