"""What a lane keeps one sum of, whoever it comes from: the platform's own balances, and what is handed to merchants.

Storage keeps sums as 64-bit numbers. Whatever would make one larger is a dead letter of the message that does.
Source: docs/rules.md, Outcomes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields

from settlement.decision import Decision
from settlement.entity import Entity
from settlement.ledger import Side
from settlement.messages import Body, MerchantActivity

LARGEST_MINOR = 2**63 - 1
"""No amount and no sum is larger, nor below its negative."""

LARGEST_ACTIVITY_MINOR = 10**18
"""No message to a merchant lane is about more: a thousand captures of the largest amount."""

SENT, RECEIVED = "activity sent", "activity received"
"""Names of what account lanes hand to merchant lanes, and of what these have taken over."""

Totals = Mapping[tuple[str, str], int]
"""Sums by (name, currency): of a ledger account of the platform, `SENT` or `RECEIVED`; 0 where none is given."""


def moved_by(decision: Decision, body: Body | None) -> dict[tuple[str, str], int]:
    """How far a decision moves each sum; `body` is that of its message, None of a timer."""
    moved: dict[tuple[str, str], int] = {}
    for posting in decision.postings:
        for account, side in ((posting.debit, Side.DEBIT), (posting.credit, Side.CREDIT)):
            if account.owner is None:
                signed = posting.amount_minor if side is account.normal_side else -posting.amount_minor
                key = (account.value, posting.currency)
                moved[key] = moved.get(key, 0) + signed
    for share in decision.activity:
        key = (SENT, share.currency)
        moved[key] = moved.get(key, 0) + share.payable_minor
    if isinstance(body, MerchantActivity) and decision.postings:
        moved[RECEIVED, body.currency] = body.payable_minor
    return moved


def overflow(decision: Decision, moved: Totals, totals: Totals) -> str | None:
    """What can't be stored of a decision, in words; None if all can."""
    for name, amount_minor in _sums(decision, moved, totals):
        if not -LARGEST_MINOR <= amount_minor <= LARGEST_MINOR:
            return f"{name}: expected at most {LARGEST_MINOR} on either side of 0, got {amount_minor}"
    return None


def _sums(decision: Decision, moved: Totals, totals: Totals) -> Iterator[tuple[str, int]]:
    """All amounts that a decision leads to."""
    for key, minor in moved.items():
        yield " in ".join(key), totals.get(key, 0) + minor
    for entity in decision.entities:
        for name in _amounts(type(entity)):
            yield name, getattr(entity, name) or 0


_AMOUNTS: dict[type[Entity], tuple[str, ...]] = {}
"""Fields of a class that are amounts."""


def _amounts(kind: type[Entity]) -> tuple[str, ...]:
    known = _AMOUNTS.get(kind)
    if known is None:
        known = _AMOUNTS[kind] = tuple(field.name for field in fields(kind) if field.name.endswith("_minor"))
    return known
