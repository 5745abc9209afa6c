"""What the platform gave up, each once: discounts, and what it did for buyers in hardship. Source: docs/rules.md."""

from datetime import datetime
from enum import StrEnum

from settlement.entity import Entity, entity
from settlement.party import PartyKind


class ConcessionKind(StrEnum):
    """What kind of concession; each has ids of its own."""

    CREDIT = "credit"
    """A discount on an order."""
    WAIVER = "waiver"
    """Penalties that were waived."""
    PLAN = "plan"
    """Overdue debt that was rescheduled."""
    CHARGE_OFF = "charge_off"
    """Debt that was given up."""


def concession_key(kind: ConcessionKind, concession_id: str) -> str:
    """Name a concession within its account; a waiver and a plan may bear the same id."""
    return f"{kind}:{concession_id}"


@entity("concession", PartyKind.ACCOUNT, "concession_key")
class Concession(Entity):
    """One concession: how much, why, and who approved it; `order_id` of a discount, `approved_by` of all others."""

    account_id: str
    concession_key: str
    no: int
    kind: ConcessionKind
    amount_minor: int
    reason: str
    order_id: str | None
    approved_by: str | None
    decided_at: datetime
    fingerprint: bytes
