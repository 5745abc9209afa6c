"""Asking for a payout, and remembering it until it is answered. Source: docs/rules.md, Payouts."""

from settlement.draft import Draft
from settlement.entities import AccountPayout, MerchantPayout, Payout
from settlement.outputs import PayoutRequested
from settlement.party import Party, PartyKind
from settlement.states import PAYOUT


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
