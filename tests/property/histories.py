"""Random histories, small but nasty: few ids, so that messages collide, repeat, contradict and come in any order.

A history is a plain list of inputs in arrival order. While one is drawn the core settles it along, because messages
answer debits, and a debit's id is known only once it was requested; what is drawn next also looks at what there is, so
that most steps mean something. Times step over every kind of deadline: to the instant of the next timer, a second
before it, a second after it, over many at once, and back into the past.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TypeVar
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from settlement.decision import Outcome
from settlement.entities import (
    Account,
    CaseKind,
    Debit,
    DebitStatus,
    Deposit,
    DepositRefund,
    Merchant,
    MerchantCase,
    Obligation,
    Order,
    OrderStatus,
    PlanKind,
    Return,
    ReturnStatus,
)
from settlement.messages import (
    Body,
    CardLinked,
    CaseClosed,
    CaseOpened,
    ClockTicked,
    CreditLineOpened,
    DepositPaid,
    DepositRefundRequested,
    DepositRefundReviewed,
    IdentityVerified,
    Input,
    LimitChanged,
    LineFrozen,
    LineUnfrozen,
    MerchantActivity,
    MerchantRegistered,
    ParcelInspected,
    Plan,
    PurchaseCancelled,
    PurchaseKept,
    PurchasePlaced,
    PurchaseReceived,
    RepaymentFailed,
    RepaymentReceived,
    ReturnRequested,
    ScoreChanged,
    Source,
)
from settlement.party import Party, PartyKind
from tests.property.lane import Lane

T = TypeVar("T")

ZONE = ZoneInfo("Asia/Shanghai")
START = datetime(2026, 1, 28, 10, tzinfo=ZONE)
LATEST = datetime(2029, 1, 1, tzinfo=ZONE)

TOPICS: dict[type, str] = {
    PurchasePlaced: "purchase",
    PurchaseReceived: "purchase",
    PurchaseKept: "purchase",
    PurchaseCancelled: "purchase",
    ReturnRequested: "return-inspection",
    ParcelInspected: "return-inspection",
    RepaymentReceived: "repayment",
    RepaymentFailed: "repayment",
    DepositRefundRequested: "deposit-refund-request",
    DepositRefundReviewed: "deposit-refund-request",
    MerchantRegistered: "merchant",
    DepositPaid: "merchant",
    CaseOpened: "merchant",
    CaseClosed: "merchant",
    MerchantActivity: "merchant-activity",
    ClockTicked: "clock",
}
"""Topics by body; all others come by `credit-line`."""

ACCOUNTS = (Party(PartyKind.ACCOUNT, "a1"), Party(PartyKind.ACCOUNT, "a2"))
MERCHANTS = (Party(PartyKind.MERCHANT, "m1"), Party(PartyKind.MERCHANT, "m2"))
CASTS = ((ACCOUNTS[0],), (ACCOUNTS[0],), (MERCHANTS[0],), (*ACCOUNTS, MERCHANTS[0]))
"""Who takes part. Parties are settled apart from each other, so one alone is searched deepest."""

ORDERS = ("o1", "o2", "o3", "o4")
AMOUNTS = (100, 100, 250, 400, 1, 333, 1000)
FREEZES = ("manual", "manual", "risk_login", "security", "credit_review")


def message_of(body: Body, party: Party | None, occurred_at: datetime, event_id: str, offset: int) -> Input:
    """Wrap a body as the record that carries it."""
    topic = TOPICS.get(type(body), "credit-line")
    key = "" if party is None else party.id
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


def histories(casts: Sequence[Sequence[Party]] = CASTS, longest: int = 40) -> st.SearchStrategy[list[Input]]:
    """Histories of one to three parties, from a few messages to `longest` and the opening ones.

    Evenly random rather than drawn choice by choice: Hypothesis likes extremes, and most of its messages would name
    what there is not. What breaks is shortened by `shortest`.
    """
    return st.builds(lambda dice: history_of(dice, casts, longest), st.randoms(use_true_random=True))


def history_of(dice: Random, casts: Sequence[Sequence[Party]] = CASTS, longest: int = 40) -> list[Input]:
    """Make up one history."""
    teller = Teller(dice, dice.choice(casts))
    teller.open()
    for _ in range(dice.randint(3, longest)):
        teller.tell()
    return teller.history


@dataclass
class Teller:
    """Makes up one history, message by message."""

    dice: Random
    cast: Sequence[Party]

    def __post_init__(self) -> None:
        self.lane = Lane()
        self.now = START
        self.history: list[Input] = []
        self.tempers: dict[str, int] = {}

    # How the next message is found.

    def open(self) -> None:
        """Mostly begin with what a history needs to get anywhere."""
        for party in self.cast:
            if self.chance(9):
                body = self.line() if party.kind is PartyKind.ACCOUNT else MerchantRegistered("CNY", 7)
                self.send(body, party)
                if party.kind is PartyKind.ACCOUNT and self.chance(5):
                    self.fill_a_basket(party)
                if party.kind is PartyKind.MERCHANT and self.chance(8):
                    self.send(DepositPaid("d1", 500, "CNY", self.one("alipay", "wechat")), party)

    def fill_a_basket(self, party: Party) -> None:
        """Several orders that are due on one day, so that one debit asks for all of them."""
        for order_id in ORDERS[: self.dice.randint(2, 3)]:
            placed = self.placing(party)
            self.send(replace(placed, order_id=order_id, plan=replace(placed.plan, days=self.usual_days(party))), party)
            self.send(PurchaseReceived(order_id), party)

    def usual_days(self, party: Party) -> int:
        return 7 if self.programme_of(party) == "tmall" else 30

    def programme_of(self, party: Party) -> str:
        return next((account.programme for account in self.lane.rows(party, Account)), "tmall")

    def tell(self) -> None:
        """Draw one message and have it settled."""
        if self.history and self.chance(1):
            self.repeat()
            return
        occurred_at = self.step()
        party = self.one(*self.cast)
        self.send(self.about(party), party, occurred_at)

    def about(self, party: Party) -> Body:
        if self.dice.randrange(25) == 0:
            return ClockTicked()
        steps = self.merchant_steps(party) if party.kind is PartyKind.MERCHANT else self.account_steps(party)
        return self.by_temper(steps, lambda step: step.__name__)(party)

    def send(self, body: Body, party: Party | None, occurred_at: datetime | None = None, event_id: str = "") -> None:
        number = len(self.history)
        about = None if isinstance(body, ClockTicked) else party
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
        """Other content of the same type, where it has some."""
        for name in ("amount_minor", "limit_minor", "score", "settlement_cycle_days", "payable_minor"):
            value = getattr(body, name, None)
            if value is not None:
                return replace(body, **{name: value + 1})
        for name in ("reason", "condition", "detail", "opinion"):
            if hasattr(body, name):
                return replace(body, **{name: "damaged" if name == "condition" else "security"})
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
                "timer": 25,
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
            "timer": lambda: max(self.now, self.one(timers[0], timers[0], timers[-1]) + second),
            "days": lambda: self.now + timedelta(days=self.one(3, 7, 14)),
            "late": lambda: self.now - timedelta(hours=self.one(1, 12, 25, 80, 200)),
            "far": lambda: self.now + timedelta(days=self.one(30, 90, 401)),
        }
        return min(steps[how](), LATEST)

    # What there is to say of an account.

    def account_steps(self, party: Party) -> dict[Callable[[Party], Body], int]:
        """What there is nothing for yet is said now and then all the same."""
        orders = {order.status for order in self.lane.rows(party, Order)}
        debits = {debit.status for debit in self.lane.rows(party, Debit)}
        returns = {each.status for each in self.lane.rows(party, Return)}
        known = bool(self.lane.rows(party, Account))
        return {
            self.line_steps: 8 if known else 30,
            self.placing: 12 if len(self.lane.rows(party, Order)) < len(ORDERS) else 2,
            self.receiving: 20 if OrderStatus.HELD in orders else 1,
            self.cancelling: 3 if OrderStatus.HELD in orders else 1,
            self.keeping: 8 if OrderStatus.TRIAL in orders else 1,
            self.returning: 8 if orders - {OrderStatus.CANCELLED} else 1,
            self.inspecting: 12 if ReturnStatus.AWAITING_PARCEL in returns else 1,
            self.repaying: 6 if orders & {OrderStatus.OWED, OrderStatus.SETTLED} else 1,
            self.answering: 8 if DebitStatus.REQUESTED in debits else 2 if debits else 0,
            self.failing: 8 if DebitStatus.REQUESTED in debits else 2 if debits else 1,
        }

    def line(self) -> CreditLineOpened:
        return CreditLineOpened(
            self.weighted({"tmall": 6, "kuaishou": 5, "taobao": 1, "douyin": 1}),
            self.weighted({1000: 6, 100_000: 4, 300: 2, 0: 1}),
            self.weighted({"CNY": 19, "USD": 1}),
            self.weighted({700: 8, 650: 1, 649: 1, None: 1}),
            card_linked=self.chance(5),
            identity_verified=self.chance(8),
        )

    def line_steps(self, party: Party) -> Body:
        accounts = self.lane.rows(party, Account)
        if not accounts and self.chance(7):
            return self.line()
        freezes = [reason for account in accounts for reason in account.freeze_reasons]
        how = self.by_temper(
            {
                "limit": 3,
                "score": 2,
                "card": 1,
                "identity": 2 if all(account.identity_verified for account in accounts) else 8,
                "freeze": 3,
                "unfreeze": 30 if freezes else 2,
                "open": 1,
            },
            str,
        )
        bodies: dict[str, Callable[[], Body]] = {
            "limit": lambda: LimitChanged(self.one(0, 300, 1000, 2000), self.currency(), "review"),
            "score": lambda: ScoreChanged(self.one(600, 649, 650, 800)),
            "card": CardLinked,
            "identity": IdentityVerified,
            "freeze": lambda: LineFrozen(self.one(*FREEZES)),
            "unfreeze": lambda: LineUnfrozen(self.one(*(freezes if freezes and self.chance(8) else FREEZES))),
            "open": self.line,
        }
        return bodies[how]()

    def placing(self, party: Party) -> PurchasePlaced:
        trial = (self.programme_of(party) == "tmall") ^ (self.dice.randrange(20) == 0)
        kind = PlanKind.TRIAL if trial else PlanKind.DEFERRED
        days = self.weighted({7: 9, 14: 3, 8: 1}) if trial else self.weighted({30: 9, 60: 3, 7: 1})
        unused = [name for name in ORDERS if name not in {each.order_id for each in self.lane.rows(party, Order)}]
        return PurchasePlaced(
            self.one(*unused) if unused and self.chance(8) else self.one(*ORDERS),
            self.one("m1", "m2"),
            self.one(*AMOUNTS),
            self.currency(),
            Plan(kind, days),
            item_eligible=self.dice.randrange(30) > 0,
            item_plans=self.weighted({None: 20, (PlanKind.TRIAL, PlanKind.DEFERRED): 5, (PlanKind.STATEMENT,): 1}),
        )

    def receiving(self, party: Party) -> Body:
        return PurchaseReceived(self.an_order(party, OrderStatus.HELD))

    def keeping(self, party: Party) -> Body:
        return PurchaseKept(self.an_order(party, OrderStatus.TRIAL))

    def cancelling(self, party: Party) -> Body:
        return PurchaseCancelled(self.an_order(party, OrderStatus.HELD), self.one("changed", "other"))

    def returning(self, party: Party) -> Body:
        order_id = self.an_order(party, OrderStatus.TRIAL, OrderStatus.OWED, OrderStatus.SETTLED)
        amounts = {*AMOUNTS}
        for order in self.lane.rows(party, Order):
            if order.order_id == order_id:
                left = order.amount_minor - order.returned_minor - order.under_return_minor
                amounts = {max(left, 1), max(left // 2, 1), left + 1}
        reason = self.one("no_longer_wanted", "other")
        return ReturnRequested(
            self.one("r1", "r2", "r3"), order_id, self.one(*sorted(amounts)), self.currency(), reason, (), None
        )

    def inspecting(self, party: Party) -> Body:
        waiting = [
            each.return_id for each in self.lane.rows(party, Return) if each.status is ReturnStatus.AWAITING_PARCEL
        ]
        return_id = self.one(*waiting) if waiting and self.chance(8) else self.one("r1", "r2", "r3")
        if self.chance(5):
            return ParcelInspected(return_id, "intact", (), (), "courier")
        return ParcelInspected(return_id, "damaged", ("water",), ("https://photo/1",), "courier")

    def repaying(self, party: Party) -> Body:
        open_amounts = [each.open_minor for each in self.lane.rows(party, Obligation) if each.open_minor]
        amounts = {1, 100, *open_amounts, sum(open_amounts) + 7, max(sum(open_amounts) // 2, 1)}
        for_order = self.chance(5)
        order_id = self.an_order(party, *OrderStatus) if for_order or self.chance(1) else None
        return RepaymentReceived(
            self.repayment_id(),
            self.one(*sorted(amounts)),
            self.currency(),
            "order" if for_order else "account",
            order_id,
            None,
            self.one("manual", "external"),
        )

    def answering(self, party: Party) -> Body:
        debit = self.a_debit(party)
        if debit is None:
            return self.repaying(party)
        amount = self.one(
            debit.amount_minor, debit.amount_minor, max(debit.amount_minor // 2, 1), debit.amount_minor + 5
        )
        purpose, order_id = self.weighted({("account", None): 6, ("order", "o1"): 1, ("order", None): 1})
        return RepaymentReceived(
            self.repayment_id(), amount, self.currency(), purpose, order_id, debit.debit_id, "auto_debit"
        )

    def failing(self, party: Party) -> Body:
        debit = self.a_debit(party)
        name = "no-such-debit" if debit is None else debit.debit_id
        return RepaymentFailed(name, self.one("no money", "card expired"), retryable=self.chance(7))

    # What there is to say of a merchant.

    def merchant_steps(self, party: Party) -> dict[Callable[[Party], Body], int]:
        known = any(merchant.registered_on for merchant in self.lane.rows(party, Merchant))
        open_cases = any(case.is_open for case in self.lane.rows(party, MerchantCase))
        waiting = any(each.status == "awaiting_review" for each in self.lane.rows(party, DepositRefund))
        return {
            self.registering: 1 if known else 12,
            self.depositing: 2 if len(self.lane.rows(party, Deposit)) > 1 else 6,
            self.opening_case: 2,
            self.closing_case: 8 if open_cases else 1,
            self.asking: 8,
            self.reviewing: 12 if waiting else 2,
            self.activity: 2,
        }

    def registering(self, party: Party) -> Body:
        return MerchantRegistered(self.currency(), self.one(7, 7, 14))

    def depositing(self, party: Party) -> Body:
        return DepositPaid(
            self.one("d1", "d2"),
            self.one(500, 500, 200),
            self.currency(),
            self.one("alipay", "alipay", "wechat", "bank"),
        )

    def opening_case(self, party: Party) -> Body:
        kind = self.one(*CaseKind)
        detail = self.one("fake", "late") if kind is CaseKind.VIOLATION else None
        return CaseOpened(kind, self.one("c1", "c2"), detail)

    def closing_case(self, party: Party) -> Body:
        still_open = [case for case in self.lane.rows(party, MerchantCase) if case.is_open]
        if still_open and self.chance(8):
            case = self.one(*still_open)
            return CaseClosed(case.kind, case.case_key.split(":")[1])
        return CaseClosed(self.one(*CaseKind), self.one("c1", "c2"))

    def asking(self, party: Party) -> Body:
        deposits = [each.deposit_id for each in self.lane.rows(party, Deposit)]
        return DepositRefundRequested(
            self.one("q1", "q2", "q3", "q4"),
            self.one(*deposits) if deposits and self.chance(8) else self.one("d1", "d2"),
            self.one(None, None, 200, 500, 501),
            self.currency(),
            "closing",
            "contact",
            self.one("original_route", "shop_balance"),
            self.chance(3),
            None,
        )

    def reviewing(self, party: Party) -> Body:
        waiting = [each.request_id for each in self.lane.rows(party, DepositRefund) if each.status == "awaiting_review"]
        request_id = self.one(*waiting) if waiting and self.chance(8) else self.one("q1", "q2", "q3", "q4")
        return DepositRefundReviewed(request_id, self.one("approved", "approved", "approved", "rejected"), "opinion")

    def activity(self, party: Party) -> Body:
        return MerchantActivity(self.currency(), self.one(100, 0, -100, 37), self.one(0, 1, -1))

    # Choices.

    def an_order(self, party: Party, *statuses: OrderStatus) -> str:
        fitting = [order.order_id for order in self.lane.rows(party, Order) if order.status in statuses]
        return self.one(*fitting) if fitting and self.chance(8) else self.one(*ORDERS)

    def a_debit(self, party: Party) -> Debit | None:
        debits = self.lane.rows(party, Debit)
        requested = [debit for debit in debits if debit.status is DebitStatus.REQUESTED]
        if requested and self.chance(7):
            return self.one(*requested)
        return self.one(*debits) if debits else None

    def repayment_id(self) -> str:
        if self.chance(9):
            return f"p{len(self.history)}"
        return self.one("p1", "p2")

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
