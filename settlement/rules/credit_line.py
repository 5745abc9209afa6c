"""The credit line: opening, limit, score, identity, freezes. Source: docs/rules.md, Credit line."""

from collections.abc import Mapping

from settlement.dates import business_date
from settlement.decision import Decision, DeclineReason
from settlement.draft import Draft
from settlement.entities import Account
from settlement.ledger import LedgerAccount
from settlement.messages import CreditLineOpened, LimitChanged, LineFrozen, LineUnfrozen, ScoreChanged
from settlement.outputs import LimitReclaimed, LimitReleased, LimitRestored
from settlement.terms import Programme

RISK_LOGIN = "risk_login"
OVERDUE = "overdue"
"""The freeze reason that postpay sets itself; no message names it."""


def opened(draft: Draft, body: CreditLineOpened) -> Decision:
    """Open an account with its first limit."""
    account_id = draft.party.id
    known = draft.find(Account, account_id)
    if known is not None:
        if known.closed_at is not None:
            return draft.declined(DeclineReason.LINE_CLOSED)
        return draft.repeated(known.fingerprint, draft.cause.fingerprint)
    terms = draft.rules.terms
    if not terms.offers(body.programme):
        return draft.declined(DeclineReason.NOT_SUPPORTED, subject=(Account, account_id))
    _, programme = terms.of_programme(body.programme, business_date(draft.moment.occurred_at))
    if body.currency != programme.currency:
        return draft.declined(DeclineReason.CURRENCY_MISMATCH, subject=(Account, account_id))
    draft.put(
        Account(
            account_id=account_id,
            programme=body.programme,
            currency=body.currency,
            opened_at=draft.moment.occurred_at,
            fingerprint=draft.cause.fingerprint,
            score=body.score,
            card_linked=body.card_linked,
            identity_verified=body.identity_verified,
            freeze_reasons=(),
            lifted_freezes=(),
            closed_at=None,
            entities_made=0,
            limit_minor=0,
            available_minor=0,
            held_minor=0,
            used_minor=0,
            receivable_minor=0,
            fee_receivable_minor=0,
            penalty_receivable_minor=0,
            customer_credit_minor=0,
            granted_minor=body.limit_minor,
        )
    )
    draft.post(LedgerAccount.LIMIT_AVAILABLE, LedgerAccount.LIMIT_GRANTED, body.limit_minor, body.currency)
    return draft.applied()


def limit_changed(draft: Draft, body: LimitChanged) -> Decision:
    """Set what is granted; lowered below what is held and used, it leaves less than nothing available.

    While unused limit is reclaimed, a rise waits until the line is restored.
    """
    account = draft.account
    if account.closed_at is not None:
        return draft.declined(DeclineReason.LINE_CLOSED)
    if body.currency != account.currency:
        return draft.declined(DeclineReason.CURRENCY_MISMATCH)
    draft.change_account(granted_minor=body.limit_minor)
    rise = body.limit_minor - account.limit_minor
    if OVERDUE in account.freeze_reasons and present_terms(draft).reclaims_unused_limit:
        rise = min(rise, 0)
    if rise > 0:
        draft.post(LedgerAccount.LIMIT_AVAILABLE, LedgerAccount.LIMIT_GRANTED, rise, account.currency)
        restored(draft, rise, "limit_raised")
    elif rise < 0:
        draft.post(LedgerAccount.LIMIT_GRANTED, LedgerAccount.LIMIT_AVAILABLE, -rise, account.currency)
        reclaimed(draft, -rise, "limit_lowered")
    return draft.applied()


def score_changed(draft: Draft, body: ScoreChanged) -> Decision:
    """Set the credit score."""
    if draft.account.closed_at is not None:
        return draft.declined(DeclineReason.LINE_CLOSED)
    draft.change_account(score=body.score)
    return draft.applied()


def identity_verified(draft: Draft) -> Decision:
    """Note that the buyer's identity is verified."""
    if draft.account.closed_at is not None:
        return draft.declined(DeclineReason.LINE_CLOSED)
    if draft.account.identity_verified:
        return draft.duplicate()
    draft.change_account(identity_verified=True)
    return draft.applied()


def frozen(draft: Draft, body: LineFrozen) -> Decision:
    """Add a reason for which nothing new is accepted; a risky log-in also casts doubt on the identity."""
    account = draft.account
    if account.closed_at is not None:
        return draft.declined(DeclineReason.LINE_CLOSED)
    if body.reason in account.freeze_reasons:
        return draft.duplicate()
    draft.change_account(
        freeze_reasons=tuple(sorted({*account.freeze_reasons, body.reason})),
        lifted_freezes=tuple([reason for reason in account.lifted_freezes if reason != body.reason]),
        identity_verified=account.identity_verified and body.reason != RISK_LOGIN,
    )
    return draft.applied()


def unfrozen(draft: Draft, body: LineUnfrozen) -> Decision:
    """Take a freeze reason away; the line works again when it was the last."""
    account = draft.account
    if account.closed_at is not None:
        return draft.declined(DeclineReason.LINE_CLOSED)
    if body.reason not in account.freeze_reasons:
        # Without a start it came too early; after an end it is a repetition and must not lift a later freeze.
        repeated = body.reason in account.lifted_freezes
        return draft.duplicate() if repeated else draft.wait(Account, account.account_id)
    if body.reason == RISK_LOGIN and not account.identity_verified:
        return draft.declined(DeclineReason.IDENTITY_NOT_VERIFIED)
    left = tuple([reason for reason in account.freeze_reasons if reason != body.reason])
    draft.change_account(freeze_reasons=left, lifted_freezes=tuple(sorted({*account.lifted_freezes, body.reason})))
    if not left:
        restored(draft, account.available_minor, "unfrozen")
    return draft.applied()


def present_terms(draft: Draft) -> Programme:
    """The programme's present terms: those of an order don't say what becomes of the line."""
    today = business_date(draft.moment.now)
    return draft.rules.terms.of_programme(draft.account.programme, today)[1]


def restored(draft: Draft, amount_minor: int, reason: str) -> None:
    """Tell that limit was given or can be used again; nothing to tell when that is nothing."""
    if amount_minor <= 0:
        return
    account = draft.account
    available_minor, limit_minor = account.available_minor, account.limit_minor
    draft.emit(LimitRestored(account.account_id, amount_minor, account.currency, reason, available_minor, limit_minor))
    draft.notify(
        "limit_restored",
        amount_minor=amount_minor,
        currency=account.currency,
        reason=reason,
        available_minor=available_minor,
        limit_minor=limit_minor,
    )


def reclaimed(draft: Draft, amount_minor: int, reason: str) -> None:
    """Tell that the platform took limit back."""
    account = draft.account
    available_minor, limit_minor = account.available_minor, account.limit_minor
    draft.emit(LimitReclaimed(account.account_id, amount_minor, account.currency, reason, available_minor, limit_minor))
    draft.notify(
        "limit_reclaimed",
        amount_minor=amount_minor,
        currency=account.currency,
        reason=reason,
        available_minor=available_minor,
        limit_minor=limit_minor,
    )


def released(draft: Draft, amounts_minor: Mapping[str | None, int], reason: str) -> None:
    """Tell what became available again, one message for each order.

    Args:
        draft: the decision, in which the amounts are posted already.
        amounts_minor: by order (None: what belongs to no order), in obligation order.
        reason: as in docs/messages.md.
    """
    account = draft.account
    available_minor = account.available_minor - sum(amounts_minor.values())
    for order_id, amount_minor in amounts_minor.items():
        if not amount_minor:
            continue
        available_minor += amount_minor
        draft.emit(
            LimitReleased(
                account.account_id,
                order_id,
                amount_minor,
                account.currency,
                reason,
                available_minor,
                account.limit_minor,
            )
        )
