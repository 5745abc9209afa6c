"""Messages that concern a whole lane, and results of payouts, which either kind of party gets."""

from typing import Any

from settlement.messages.account import Plan
from settlement.values import dataclass


@dataclass(frozen=True, slots=True)
class PayoutSucceeded:
    """`payout.succeeded`, of an account or a merchant."""

    payout_id: str


@dataclass(frozen=True, slots=True)
class PayoutFailed:
    """`payout.failed`, of an account or a merchant."""

    payout_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class ClockTicked:
    """`clock.ticked`: moves lane time on, of no party."""


@dataclass(frozen=True, slots=True)
class TermsPublished:
    """`terms.published`: the whole terms file as a document (docs/terms.md), of no party."""

    terms: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ShopSettingsChanged:
    """`shop.settings_changed`, of no party; `plans` and `max_order_minor` None mean every plan and no maximum.

    A plan without `days` and `periods` means all of its kind.
    """

    merchant_id: str
    enabled: bool
    plans: tuple[Plan, ...] | None
    max_order_minor: int | None
    currency: str


PayoutBody = PayoutSucceeded | PayoutFailed
LaneBody = ClockTicked | TermsPublished | ShopSettingsChanged
