"""What a lane keeps one sum of, whoever it comes from: the platform's own balances, and what is handed to merchants.

Storage keeps sums as 64-bit numbers. Whatever would make one larger is a dead letter of the message that does.
Source: docs/rules.md, Outcomes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

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
        debit, credit = posting.debit, posting.credit
        if debit.owner is None:
            key = (debit.value, posting.currency)
            moved[key] = moved.get(key, 0) + debit.moved_by(Side.DEBIT, posting.amount_minor)
        if credit.owner is None:
            key = (credit.value, posting.currency)
            moved[key] = moved.get(key, 0) + credit.moved_by(Side.CREDIT, posting.amount_minor)
    for share in decision.activity:
        key = (SENT, share.currency)
        moved[key] = moved.get(key, 0) + share.payable_minor
    if isinstance(body, MerchantActivity) and decision.postings:
        moved[RECEIVED, body.currency] = body.payable_minor
    return moved


def overflow(decision: Decision, moved: Totals, totals: Totals) -> str | None:
    """What can't be stored of a decision, in words; None if all can."""
    for key, minor in moved.items():
        sum_minor = totals.get(key, 0) + minor
        if not -LARGEST_MINOR <= sum_minor <= LARGEST_MINOR:
            return _too_large(" in ".join(key), sum_minor)
    for entity in decision.entities:
        names, amounts = _amounts(type(entity))
        for index, amount_minor in enumerate(amounts(entity)):
            if amount_minor is not None and not -LARGEST_MINOR <= amount_minor <= LARGEST_MINOR:
                return _too_large(names[index], amount_minor)
    return None


def _too_large(name: str, amount_minor: int) -> str:
    return f"{name}: expected at most {LARGEST_MINOR} on either side of 0, got {amount_minor}"


Amounts = tuple[Sequence[str], Callable[[Any], Sequence[int | None]]]
"""Names of the fields of a class that are amounts, and what gives an entity's."""

_AMOUNTS: dict[type[Entity], Amounts] = {}


def _amounts(kind: type[Entity]) -> Amounts:
    known = _AMOUNTS.get(kind)
    if known is None:
        names = [field.name for field in fields(kind) if field.name.endswith("_minor")]
        # Of fewer than two names it gives no sequence.
        several = attrgetter(*names) if len(names) > 1 else lambda entity: [getattr(entity, name) for name in names]
        known = _AMOUNTS[kind] = (names, several)
    return known
