"""What becomes of a credit line whatever is bought on it: cards, limits, freezes and appeals, the wish to leave."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from demo.account import BuyerAccount
from demo.habits import Habits
from demo.record import Record

FREEZE_REASONS = {"risk_login": 0.35, "manual": 0.15, "security": 0.2, "binding_changes": 0.15, "credit_review": 0.15}
APPEALED = frozenset({"security", "binding_changes", "credit_review"})


def line(account: BuyerAccount, habits: Habits) -> Iterator[Record]:
    """Everything of the line, in no particular order."""
    dice, opened_at = account.dice, account.opened_at
    card_linked = dice.chance(habits.card)
    identified = dice.chance(habits.identity)
    yield account.line(
        "opened",
        opened_at,
        programme=account.programme,
        limit_minor=dice.between(5, 50) * 10_000,
        currency="CNY",
        score=dice.between(630, 850) if habits.scored else None,
        card_linked=card_linked,
        identity_verified=identified,
    )
    later = opened_at + dice.days(1, account.quarter.days)
    if not card_linked or dice.chance(0.01):
        yield account.line("card_linked", opened_at + dice.days(0.1, account.quarter.days / 2))
    if not identified and dice.chance(0.2):
        yield account.line("identity_verified", opened_at + dice.days(0.1, account.quarter.days / 2))
    if dice.chance(0.08):
        yield account.line(
            "limit_changed",
            later + dice.days(0, 5),
            limit_minor=dice.between(1, 80) * 10_000,
            currency="CNY",
            reason="credit_review",
        )
    if habits.scored and dice.chance(0.1):
        yield account.line("score_changed", later + dice.days(0, 5), score=dice.between(600, 880))
    if dice.chance(0.03):
        yield from _another_card(account, later)
    if dice.chance(0.04):
        yield from _freeze(account, opened_at + dice.days(1, account.quarter.days))
    if dice.chance(0.05):
        yield account.line("close_requested", opened_at + dice.days(10, account.quarter.days))


def _another_card(account: BuyerAccount, unlinked_at: datetime) -> Iterator[Record]:
    yield account.line("card_unlinked", unlinked_at)
    if account.dice.chance(0.7):
        yield account.line("card_linked", unlinked_at + account.dice.days(0.01, 6), 2)


def _freeze(account: BuyerAccount, frozen_at: datetime) -> Iterator[Record]:
    dice = account.dice
    reason = dice.one_of(FREEZE_REASONS)
    yield account.line("frozen", frozen_at, reason=reason)
    released_at = frozen_at + dice.days(1, 12)
    if reason in APPEALED and dice.chance(0.5):
        upheld = dice.chance(0.6)
        yield account.line(
            "appeal_decided",
            released_at,
            appeal_id=account.id_of("appeal", 1),
            outcome="upheld" if upheld else "rejected",
            opinion="the buyer was mistaken for another" if upheld else "the log-ins came from five countries",
        )
        return
    if reason == "risk_login" and dice.chance(0.8):
        yield account.line("identity_verified", released_at - timedelta(minutes=20), 2)
    if dice.chance(0.85):
        yield account.line("unfrozen", released_at, reason=reason)
