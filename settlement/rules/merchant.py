"""Merchants: registration, what keeps their deposits, and what account lanes hand to them.

Source: docs/rules.md, Merchant.
"""

from settlement.dates import business_date
from settlement.decision import Decision
from settlement.draft import Draft
from settlement.entities import CaseKind, Merchant, MerchantCase, case_key
from settlement.ledger import LedgerAccount
from settlement.messages import CaseClosed, CaseOpened, MerchantActivity, MerchantRegistered
from settlement.rules import settlement_cycle
from settlement.values import revised

OPEN_COUNTS = {
    CaseKind.PROMOTION: "open_promotions",
    CaseKind.DISPUTE: "open_disputes",
    CaseKind.VIOLATION: "open_violations",
}
"""Field of `entities.Merchant` that counts the open cases of a kind."""


def is_known(merchant: Merchant | None) -> bool:
    """Tell whether a merchant registered; activity alone makes no merchant known."""
    return merchant is not None and merchant.registered_on is not None


def owes_platform(draft: Draft) -> bool:
    """Tell whether more was taken back from a registered merchant than it has earned and not been paid yet."""
    currency = draft.get(Merchant, draft.party.id).currency
    return currency is not None and draft.balance(currency).payable_minor < 0


def registered(draft: Draft, body: MerchantRegistered) -> Decision:
    """Make a merchant known, with all that was booked to it before."""
    merchant = draft.find(Merchant, draft.party.id)
    if merchant is not None and merchant.fingerprint is not None:
        return draft.repeated(merchant.fingerprint, draft.cause.fingerprint)
    draft.put(
        revised(
            merchant or _unregistered(draft.party.id),
            registered_on=business_date(draft.moment.occurred_at),
            currency=body.currency,
            settlement_cycle_days=body.settlement_cycle_days,
            fingerprint=draft.cause.fingerprint,
        )
    )
    settlement_cycle.begin(draft)
    return draft.applied()


def case_opened(draft: Draft, body: CaseOpened) -> Decision:
    """A promotion, dispute or violation begins."""
    key = case_key(body.kind, body.case_id)
    known = draft.find(MerchantCase, key)
    if known is not None:
        return draft.repeated(known.fingerprint, draft.cause.fingerprint)
    draft.put(MerchantCase(draft.party.id, key, body.kind, is_open=True, fingerprint=draft.cause.fingerprint))
    _count(draft, body.kind, 1)
    return draft.applied()


def case_closed(draft: Draft, body: CaseClosed) -> Decision:
    """A promotion, dispute or violation ends."""
    key = case_key(body.kind, body.case_id)
    known = draft.find(MerchantCase, key)
    if known is None:
        return draft.missing(MerchantCase, key)
    if not known.is_open:
        return draft.duplicate()
    draft.put(revised(known, is_open=False))
    _count(draft, body.kind, -1)
    return draft.applied()


def activity(draft: Draft, body: MerchantActivity) -> Decision:
    """Book what a batch of an account lane means for the merchant, registered or not."""
    merchant = draft.find(Merchant, draft.party.id) or _unregistered(draft.party.id)
    draft.put(revised(merchant, open_after_sales=merchant.open_after_sales + body.after_sales))
    before_minor = draft.balance(body.currency).payable_minor
    transit, payable = LedgerAccount.MERCHANT_TRANSIT, LedgerAccount.MERCHANT_PAYABLE
    if body.payable_minor > 0:
        draft.post(transit, payable, body.payable_minor, body.currency)
    else:
        draft.post(payable, transit, -body.payable_minor, body.currency)
    settlement_cycle.payable_moved(draft, body.currency, before_minor)
    return draft.applied()


def _unregistered(merchant_id: str) -> Merchant:
    return Merchant(
        merchant_id=merchant_id,
        registered_on=None,
        currency=None,
        settlement_cycle_days=None,
        fingerprint=None,
        entities_made=0,
        open_promotions=0,
        open_disputes=0,
        open_after_sales=0,
        open_violations=0,
    )


def _count(draft: Draft, kind: CaseKind, change: int) -> None:
    merchant = draft.get(Merchant, draft.party.id)
    name = OPEN_COUNTS[kind]
    draft.put(revised(merchant, **{name: getattr(merchant, name) + change}))
