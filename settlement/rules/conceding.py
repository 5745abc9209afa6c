"""Keeping what the platform gave up, so that each is given once."""

from settlement.concession import Concession, ConcessionKind
from settlement.draft import Draft


def record(
    draft: Draft,
    key: str,
    amount_minor: int,
    reason: str,
    *,
    order_id: str | None = None,
    approved_by: str | None = None,
) -> None:
    """Keep a concession.

    Args:
        draft: the decision.
        key: `concession_key`.
        amount_minor: how much.
        reason: why, as the message says.
        order_id: of a discount.
        approved_by: of all others.
    """
    draft.put(
        Concession(
            account_id=draft.party.id,
            concession_key=key,
            no=draft.next_no(),
            kind=ConcessionKind(key.partition(":")[0]),
            amount_minor=amount_minor,
            reason=reason,
            order_id=order_id,
            approved_by=approved_by,
            decided_at=draft.moment.now,
            fingerprint=draft.cause.fingerprint,
        )
    )
