"""Money of an account that nobody knows, as its lane keeps it. Source: docs/rules.md, Suspense."""

from datetime import datetime

from settlement.entity import Entity, entity
from settlement.party import PartyKind


@entity("suspense", PartyKind.ACCOUNT, "suspense_id")
class SuspenseEntry(Entity):
    """A repayment of an account that did not become known in time; it has the repayment's id.

    `account_id` is the account as the money came for it, which has no line or got one later, `event_id` the message's.
    `received_at` is when the money came, `suspended_at` when its wait was over. `released_at` is None while it is
    there; `reason` says why it left.
    """

    account_id: str
    suspense_id: str
    amount_minor: int
    currency: str
    channel: str
    purpose: str
    order_id: str | None
    debit_id: str | None
    event_id: str
    received_at: datetime
    suspended_at: datetime
    fingerprint: bytes
    released_at: datetime | None = None
    reason: str | None = None
