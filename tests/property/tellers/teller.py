"""How a history is made up: what time it is, who speaks, what is repeated. What there is to say is told elsewhere."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TypeVar
from zoneinfo import ZoneInfo

from settlement.decision import Outcome
from settlement.messages import (
    AmountLowered,
    Body,
    CaseClosed,
    CaseOpened,
    ClockTicked,
    DepositPaid,
    DepositRefundRequested,
    DepositRefundReviewed,
    DepositRefundWithdrawn,
    ExtensionRequested,
    Input,
    MerchantActivity,
    MerchantRegistered,
    ParcelInspected,
    PayoutFailed,
    PayoutSucceeded,
    PurchaseCancelled,
    PurchaseCredited,
    PurchaseKept,
    PurchasePlaced,
    PurchaseReceived,
    RepaymentFailed,
    RepaymentReceived,
    RepaymentReinstated,
    RepaymentReversed,
    ReturnRequested,
    ReturnReviewed,
    ReturnWithdrawn,
    SettlementCycleChanged,
    ShopSettingsChanged,
    ShopWithdrawalRequested,
    Source,
    SuspenseReleased,
    TermsPublished,
)
from settlement.outputs import PayoutRequested
from settlement.party import Party
from tests.property.lane import BREAKS, Lane

T = TypeVar("T")

ZONE = ZoneInfo("Asia/Shanghai")
START = datetime(2026, 1, 28, 10, tzinfo=ZONE)
LATEST = datetime(2029, 1, 1, tzinfo=ZONE)

TOPICS: dict[type, str] = {
    PurchasePlaced: "purchase",
    PurchaseReceived: "purchase",
    PurchaseKept: "purchase",
    AmountLowered: "purchase",
    ExtensionRequested: "purchase",
    PurchaseCancelled: "purchase",
    PurchaseCredited: "purchase",
    ReturnRequested: "return-inspection",
    ReturnReviewed: "return-inspection",
    ReturnWithdrawn: "return-inspection",
    ParcelInspected: "return-inspection",
    RepaymentReceived: "repayment",
    RepaymentFailed: "repayment",
    RepaymentReversed: "repayment",
    RepaymentReinstated: "repayment",
    SuspenseReleased: "repayment",
    DepositRefundRequested: "deposit-refund-request",
    DepositRefundReviewed: "deposit-refund-request",
    DepositRefundWithdrawn: "deposit-refund-request",
    MerchantRegistered: "merchant",
    SettlementCycleChanged: "merchant",
    ShopWithdrawalRequested: "merchant",
    DepositPaid: "merchant",
    CaseOpened: "merchant",
    CaseClosed: "merchant",
    MerchantActivity: "merchant-activity",
    PayoutSucceeded: "payout-result",
    PayoutFailed: "payout-result",
    ClockTicked: "clock",
    ShopSettingsChanged: "terms",
    TermsPublished: "terms",
}
"""Topics by body; all others come by `credit-line`."""
OF_NO_PARTY = ClockTicked | ShopSettingsChanged | TermsPublished


def message_of(body: Body, party: Party | None, occurred_at: datetime, event_id: str, offset: int) -> Input:
    """Wrap a body as the record that carries it."""
    topic = TOPICS.get(type(body), "credit-line")
    key = "" if party is None else f"{party.kind}/{party.id}"
    return Input(
        source=Source(topic, 0, offset),
        party=party,
        event_id=event_id,
        type=type(body).__name__,
        occurred_at=occurred_at.astimezone(UTC),
        event_hash=hashlib.blake2b(f"{topic}\0{key}\0{event_id}".encode(), digest_size=16).digest(),
        fingerprint=hashlib.blake2b(repr(body).encode(), digest_size=16).digest(),
        body=body,
        raw=b"",
    )


class Teller:
    """Makes up one history, message by message, while the core settles it along."""

    def __init__(self, dice: Random, cast: Sequence[Party]) -> None:
        self.dice = dice
        self.cast = cast
        self.lane = Lane()
        self.now = START
        self.history: list[Input] = []
        self.tempers: dict[str, int] = {}
        self.handed_on: dict[Party, int] = {}

    def tell(self) -> None:
        """Draw one message and have it settled."""
        if self.history and self.chance(1):
            self.repeat()
            return
        occurred_at = self.step()
        party = self.one(*self.cast)
        body = ClockTicked() if self.dice.randrange(25) == 0 else self.about(party)
        occurred_at = self.when_told(body, party, occurred_at)
        if self.chance(1):
            self.foretell(body, party, occurred_at)
        self.send(body, party, occurred_at)

    def foretell(self, body: Body, party: Party, occurred_at: datetime) -> None:
        """Tell what became of a payout that is asked for only when this is told."""
        number = len(self.history) + 1
        about = None if isinstance(body, OF_NO_PARTY) else party
        try:
            settled = self.lane.copy().settle([message_of(body, about, occurred_at, f"e{number}", number)])
        except BREAKS:
            return  # telling it breaks the core once more
        outputs = [output for each in settled for output in each.decision.outputs]
        payouts = [output for output in outputs if isinstance(output.body, PayoutRequested)]
        if payouts:
            payout = self.one(*payouts)
            self.send(self.result(payout.body.payout_id), payout.party, min(self.now, occurred_at))

    def result(self, payout_id: str) -> Body:
        """What became of a payout."""
        if self.chance(4):
            return PayoutSucceeded(payout_id)
        return PayoutFailed(payout_id, self.one("card closed", "name differs"))

    def about(self, party: Party) -> Body:
        """Something to say of a party."""
        raise NotImplementedError

    def when_told(self, body: Body, party: Party, occurred_at: datetime) -> datetime:
        """When it occurred, for what often happens at some time of its own."""
        return occurred_at

    def send(self, body: Body, party: Party | None, occurred_at: datetime | None = None, event_id: str = "") -> None:
        number = len(self.history)
        about = None if isinstance(body, OF_NO_PARTY) else party
        message = message_of(body, about, occurred_at or self.now, event_id or f"e{number}", number)
        self.history.append(message)
        self.lane.settle([message])
        self.now = self.lane.time or self.now

    def repeat(self) -> None:
        """Send something once more: as it was, by another event_id, or with other content under the same ids."""
        duplicates = [
            each.input
            for each in self.lane.results
            if each.input is not None and each.decision.outcome is Outcome.DUPLICATE and not each.is_repeat
        ]
        earlier = self.one(*(duplicates if duplicates and self.chance(3) else self.history))
        how = self.weighted({"redelivered": 3, "said again": 3, "same event_id": 1, "same business id": 2})
        body, event_id = earlier.body, ""
        if how in {"redelivered", "same event_id"}:
            event_id = earlier.event_id
        if how in {"same event_id", "same business id"}:
            body = self.contradicted(body)
        occurred_at = earlier.occurred_at if self.chance(5) else self.now
        self.send(body, earlier.party, occurred_at, event_id)

    def contradicted(self, body: Body) -> Body:
        """Other content of the same type, where it has some; of a payout the other result."""
        if isinstance(body, PayoutSucceeded):
            return PayoutFailed(body.payout_id, "card closed")
        for name in ("amount_minor", "limit_minor", "score", "settlement_cycle_days", "payable_minor", "days"):
            value = getattr(body, name, None)
            if value is not None:
                return replace(body, **{name: value + 1})
        for name in ("condition", "outcome", "reason", "detail", "opinion"):
            if hasattr(body, name):
                other = {"condition": "damaged", "outcome": "rejected"}.get(name, "security")
                return replace(body, **{name: other})
        return body

    def step(self) -> datetime:
        """When the next message occurred; mostly soon, or just when something is due."""
        how = self.by_temper(
            {
                "now": 20,
                "minutes": 20,
                "hours": 16,
                "day": 6,
                "midnight": 6,
                "timer": 30,
                "days": 3,
                "late": 12,
                "far": 1,
            },
            str,
        )
        timers = sorted({timer.due_at for tables in self.lane.tables.values() for timer in tables.timers.values()}) or [
            self.now
        ]
        midnight = (self.now.astimezone(ZONE) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        second = timedelta(seconds=self.one(0, 0, -1, 1))
        steps: dict[str, Callable[[], datetime]] = {
            "now": lambda: self.now,
            "minutes": lambda: self.now + timedelta(minutes=self.dice.randint(1, 90)),
            "hours": lambda: self.now + timedelta(hours=self.dice.randint(1, 30)),
            "day": lambda: self.now + timedelta(days=1),
            "midnight": lambda: midnight + second,
            "timer": lambda: max(self.now, self.one(*timers[:1] * 6, *timers[:3], timers[-1]) + second),
            "days": lambda: self.now + timedelta(days=self.one(3, 7, 14)),
            "late": lambda: self.now - timedelta(hours=self.one(1, 12, 25, 80, 200)),
            "far": lambda: self.now + timedelta(days=self.one(30, 90, 401)),
        }
        return min(steps[how](), LATEST)

    # Choices.

    def currency(self) -> str:
        return "USD" if self.dice.randrange(40) == 0 else "CNY"

    def chance(self, in_ten: int) -> bool:
        return self.dice.randrange(10) < in_ten

    def one(self, *choices: T) -> T:
        return self.dice.choice(choices)

    def weighted(self, choices: dict[T, int]) -> T:
        return self.dice.choices(list(choices), list(choices.values()))[0]

    def by_temper(self, choices: dict[T, int], name: Callable[[T], str]) -> T:
        """Weighted, with each kind left out of some histories and told often in others."""
        tempered = {
            choice: weight * self.tempers.setdefault(name(choice), self.one(0, 1, 1, 1, 4))
            for choice, weight in choices.items()
        }
        return self.weighted(tempered if any(tempered.values()) else choices)
