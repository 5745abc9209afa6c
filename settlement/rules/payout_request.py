"""Asking for a payout, and remembering it until it is answered. Source: docs/rules.md, Payouts."""

from settlement.draft import Draft
from settlement.entities import AccountPayout, MerchantPayout, Payout
from settlement.ledger import LedgerAccount
from settlement.lifecycles import PAYOUT
from settlement.outputs import PayoutRequested
from settlement.party import Party, PartyKind


def kind_of(party: Party) -> type[AccountPayout] | type[MerchantPayout]:
    """The class that keeps the payouts of a party."""
    return AccountPayout if party.kind is PartyKind.ACCOUNT else MerchantPayout


def request(
    draft: Draft, amount_minor: int, currency: str, *, route: str, reason: str, source_id: str | None = None
) -> str:
    """Ask for a payout to the party decided on; the posting is the caller's.

    Args:
        draft: the decision.
        amount_minor: how much, > 0.
        currency: of the amount.
        route: how it is paid, as in docs/messages.md.
        reason: what for, as in docs/messages.md.
        source_id: the order, cash-out, request or withdrawal it is for; None where there is no single one.

    Returns:
        The payout's id.
    """
    payout: Payout = kind_of(draft.party)(
        draft.party.id,
        payout_id=draft.new_id(),
        no=draft.next_no(),
        amount_minor=amount_minor,
        currency=currency,
        route=route,
        reason=reason,
        status=PAYOUT.begins["requested"],
        requested_at=draft.moment.now,
        source_id=source_id,
    )
    draft.put(payout)
    draft.emit(
        PayoutRequested(payout.payout_id, draft.party.kind, draft.party.id, amount_minor, currency, route, reason)
    )
    return payout.payout_id


def pay_out_credit(draft: Draft) -> None:
    """Send all customer credit back to the buyer when nothing is owed; holds don't count."""
    account = draft.account
    owed_minor = account.receivable_minor + account.fee_receivable_minor + account.penalty_receivable_minor
    credit_minor = account.customer_credit_minor
    if owed_minor or not credit_minor:
        return
    draft.post(LedgerAccount.CUSTOMER_CREDIT, LedgerAccount.PAYOUT_CLEARING, credit_minor, account.currency)
    pay_out(draft, credit_minor, "overpayment")


def pay_out(draft: Draft, amount_minor: int, reason: str, source_id: str | None = None) -> None:
    """Ask for a payout to the buyer's card; the posting is the caller's."""
    request(draft, amount_minor, draft.currency, route="card", reason=reason, source_id=source_id)
