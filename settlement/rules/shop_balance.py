"""What a merchant has in its shop balance, and takes out of it. Source: docs/rules.md, Shop balance."""

from settlement.decision import Decision, DeclineReason
from settlement.draft import Draft
from settlement.entities import Merchant, ShopWithdrawal
from settlement.ledger import LedgerAccount
from settlement.messages import ShopWithdrawalRequested
from settlement.notices import Param
from settlement.rules import payout_request
from settlement.rules.merchant import owes_platform


def withdrawal_requested(draft: Draft, body: ShopWithdrawalRequested) -> Decision:
    """Pay out of the shop balance, or decline what is more than it."""
    known = draft.find(ShopWithdrawal, body.withdrawal_id)
    if known is not None:
        return draft.repeated(known.fingerprint, draft.cause.fingerprint)
    reason = _refusal(draft, body)
    if reason is not None:
        _notify(draft, "shop_withdrawal_declined", body, reason=reason.value)
        return draft.declined(reason)
    draft.put(
        ShopWithdrawal(
            merchant_id=draft.party.id,
            withdrawal_id=body.withdrawal_id,
            no=draft.next_no(),
            amount_minor=body.amount_minor,
            currency=body.currency,
            requested_at=draft.moment.occurred_at,
            fingerprint=draft.cause.fingerprint,
        )
    )
    draft.post(LedgerAccount.SHOP_BALANCE, LedgerAccount.PAYOUT_CLEARING, body.amount_minor, body.currency)
    payout_request.request(
        draft,
        body.amount_minor,
        body.currency,
        route="bank",
        reason="shop_withdrawal",
        source_id=body.withdrawal_id,
    )
    _notify(draft, "shop_withdrawal_paid", body)
    return draft.applied()


def _refusal(draft: Draft, body: ShopWithdrawalRequested) -> DeclineReason | None:
    if body.currency != draft.get(Merchant, draft.party.id).currency:
        return DeclineReason.CURRENCY_MISMATCH
    if owes_platform(draft):
        return DeclineReason.OWES_PLATFORM
    if body.amount_minor > draft.balance(body.currency).shop_balance_minor:
        return DeclineReason.INSUFFICIENT_BALANCE
    return None


def _notify(draft: Draft, template: str, body: ShopWithdrawalRequested, **params: Param) -> None:
    draft.notify(
        template, withdrawal_id=body.withdrawal_id, amount_minor=body.amount_minor, currency=body.currency, **params
    )
