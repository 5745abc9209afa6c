"""Histories of which the order of arrival across topics must not matter, and other orders for them.

A story is told in phases, with a tick to the next due dates between them; within a phase less time passes than anything
waits, so every message may come before or after any of another topic. Where the rules themselves make the order matter,
a story keeps out of it. These are all such places:

- Whether an order is accepted depends on the line at that moment (limit, freezes, score, card, identity): lines here
  are opened once, able to buy, with limit enough for everything, and only ever get better.
- Keeping an order while a return of it is open is refused: an order here is kept or returned, not both.
- Money pays what is owed by then, and is paid out if nothing is: purpose `account`, purpose `order`, what a debit
  brings beyond its amount, and customer credit come only where nothing else makes or lowers debts at the same time.
- A debit answered in part pays the first of its obligations; if one of them is being returned, the refund goes out or
  the money goes to the next. Such debits are answered in full or fail.
- A return on the due date moves it only if something is open by then, and the window with it: an order is sent back
  within one phase only.
- A freeze for what is overdue stops new orders, and what is overdue can't be sent back: orders are placed before
  anything is due.
- A return that is requested before the receipt holds the capture up, and the bill is that of the capture: where there
  are bills, a return ends within a phase. It also makes obligations of one bill come about in another order, in which
  they are paid: debits of bills are answered in full or fail, and no other money comes in.
- A fee is never less than what was paid of it, so a return before or after a payment makes another one: no plan here
  bears fees.
- The id of a second or third attempt tells when the first was asked for, so it is another one when that was later: only
  first attempts are answered here.
- A refund of a deposit asks for conditions at that moment: merchants here that ask have no open cases.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from hypothesis import strategies as st

from settlement.entities import Account, CaseKind, Debit, DebitStatus, Obligation, Order, OrderStatus, PlanKind, Return
from settlement.messages import (
    Body,
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
)
from settlement.party import Party, PartyKind
from settlement.timers import TimerKind
from tests.property.histories import ACCOUNTS, MERCHANTS
from tests.property.lane import Lane
from tests.property.tellers.teller import START, message_of

PROGRAMMES = {
    Plan(PlanKind.TRIAL, 7): "tmall",
    Plan(PlanKind.DEFERRED, 30): "kuaishou",
    Plan(PlanKind.STATEMENT): "taobao",
}
"""A plan of each programme whose orders cost no fee."""


@dataclass(frozen=True)
class Story:
    """A history and the same inputs in another order of arrival."""

    told: tuple[Input, ...]
    otherwise: tuple[Input, ...]


def stories() -> st.SearchStrategy[Story]:
    """Stories with another order of each; every topic keeps its order for each key."""
    return st.builds(story_of, st.randoms(use_true_random=True))


def story_of(dice: Random) -> Story:
    """Make up one story, and another order of arrival for it."""
    author = _Author(dice)
    author.begin()
    for _ in range(dice.randint(1, 3)):
        author.tick_to_due()
        author.go_on()
    author.tick(timedelta(days=60))
    told = [message for phase in author.phases for message in phase]
    otherwise = [message for phase in author.phases for message in shuffled(dice, phase)]
    return Story(tuple(told), tuple(otherwise))


def shuffled(dice: Random, phase: Sequence[Input]) -> list[Input]:
    """Another order of arrival in which each topic keeps its own for every key."""
    queues: dict[tuple[str, Party | None], list[Input]] = defaultdict(list)
    for message in phase:
        queues[message.source.topic, message.party].append(message)
    arrived = []
    while queues:
        key = dice.choice(list(queues))
        arrived.append(queues[key].pop(0))
        if not queues[key]:
            del queues[key]
    return arrived


class _Author:
    """Tells one story of one account or merchant, knowing what becomes of it as told."""

    def __init__(self, dice: Random) -> None:
        self.dice = dice
        self.lane = Lane()
        self.now = START
        self.phases: list[list[Input]] = [[]]
        self.party = dice.choice((ACCOUNTS[0], ACCOUNTS[0], ACCOUNTS[0], MERCHANTS[0]))
        self.plan = dice.choice(tuple(PROGRAMMES))
        self.trial = self.plan.kind is PlanKind.TRIAL
        self.has_bills = self.plan.kind is PlanKind.STATEMENT
        self.made = 0

    def say(self, body: Body) -> None:
        self.now += timedelta(minutes=self.dice.randint(0, 20))
        party = None if isinstance(body, ClockTicked) else self.party
        message = message_of(body, party, self.now, f"e{self.made}", self.made)
        self.made += 1
        self.phases[-1].append(message)
        self.lane.settle([message])

    def tick(self, ahead: timedelta) -> None:
        """Move time on; nothing is shuffled across it."""
        self.now += ahead
        self.phases.append([])
        self.say(ClockTicked())
        self.phases.append([])

    def tick_to_due(self) -> None:
        """To an hour after the next due day, trial's end, retry or deposit payment, if there is one."""
        due = [
            timer.due_at
            for tables in self.lane.tables.values()
            for timer in tables.timers.values()
            if timer.kind is not TimerKind.PARKING_EXPIRY
        ]
        ahead = min(due) - self.now if due else timedelta(days=1)
        self.tick(ahead + timedelta(hours=1))

    def begin(self) -> None:
        if self.party.kind is PartyKind.MERCHANT:
            self.deposits()
            return
        programme = PROGRAMMES[self.plan]
        self.say(CreditLineOpened(programme, 10**6, "CNY", 700, card_linked=True, identity_verified=False))
        for _ in range(self.dice.randint(1, 4)):
            self.order()
        for body in (LimitChanged(2 * 10**6, "CNY", "review"), ScoreChanged(800), IdentityVerified()):
            if self.dice.random() < 0.5:
                self.say(body)
        for order in self.orders():
            self.live(order)

    def go_on(self) -> None:
        """A later phase: debits are answered; either returns and receipts change debts, or money comes in freely."""
        if self.party.kind is PartyKind.MERCHANT:
            self.deposits()
            return
        has_credit = any(account.customer_credit_minor for account in self.lane.rows(self.party, Account))
        freely = not self.has_bills and (has_credit or self.dice.random() < 0.5)
        for debit in self.requested():
            if self.dice.random() < 0.7:
                self.answer(debit, in_part=freely, beyond=freely)
        if freely:
            for _ in range(self.dice.randint(0, 3)):
                self.repay()
            return
        for order in self.orders():
            if self.dice.random() < 0.4:
                self.live(order)

    def order(self) -> None:
        name = f"o{len(self.orders()) + 1}"
        merchant_id = self.dice.choice(("m1", "m2"))
        self.say(PurchasePlaced(name, merchant_id, self.dice.randint(2, 9) * 100, "CNY", self.plan, True, None))

    def live(self, order: Order) -> None:
        """What may happen to an order within a phase."""
        kept = order.kept_at is not None
        if order.status is OrderStatus.HELD and order.received_at is None:
            if self.dice.random() < 0.2:
                self.say(PurchaseCancelled(order.order_id, "changed"))
                return
            self.say(PurchaseReceived(order.order_id))
            kept = self.trial and self.dice.random() < 0.4
            if kept:
                self.say(PurchaseKept(order.order_id))
                for debit in self.requested():
                    if debit.reason == "kept" and self.dice.random() < 0.6:
                        self.answer(debit, in_part=True, beyond=False)
        sent_back_before = any(each.order_id == order.order_id for each in self.lane.rows(self.party, Return))
        if not kept and not sent_back_before and self.dice.random() < 0.5:
            for _ in range(self.dice.choice((1, 1, 2))):
                self.send_back(self.lane.tables[self.party].entities[Order][order.order_id])

    def send_back(self, order: Order) -> None:
        left = order.amount_minor - order.returned_minor - order.under_return_minor
        if left < 2:
            return
        return_id = f"r{self.made}"
        amount = self.dice.choice((left, left // 2))
        self.say(ReturnRequested(return_id, order.order_id, amount, "CNY", "other", (), None))
        waits = self.trial and self.dice.random() < 0.2
        if PROGRAMMES[self.plan] != "kuaishou" and not waits:
            if self.dice.random() < 0.6:
                self.say(ParcelInspected(return_id, "intact", (), (), "courier"))
            else:
                self.say(ParcelInspected(return_id, "damaged", ("water",), ("https://photo/1",), "courier"))

    def answer(self, debit: Debit, *, in_part: bool, beyond: bool) -> None:
        if self.dice.random() < 0.4:
            self.say(RepaymentFailed(debit.debit_id, "no money", retryable=self.dice.random() < 0.7))
            return
        amount = debit.amount_minor
        if in_part:
            amount = self.dice.choice((amount, max(amount // 2, 1)))
        if beyond:
            amount += self.dice.choice((0, 0, 50))
        name = f"p{self.made}"
        self.say(RepaymentReceived(name, amount, "CNY", "account", None, debit.debit_id, "auto_debit"))

    def repay(self) -> None:
        owed = sum(each.open_minor for each in self.lane.rows(self.party, Obligation))
        orders = [order.order_id for order in self.orders()]
        order_id = self.dice.choice([None, *orders])
        purpose = "account" if order_id is None else "order"
        amount = self.dice.choice((max(owed, 1), max(owed // 3, 1), owed + 70))
        self.say(RepaymentReceived(f"p{self.made}", amount, "CNY", purpose, order_id, None, "manual"))

    def deposits(self) -> None:
        """Deposits, requests for them and their reviews; or cases, of a merchant that asks for nothing."""
        if self.made == 0:
            self.say(MerchantRegistered("CNY", 7))
        if self.trial:
            for _ in range(self.dice.randint(1, 3)):
                self.refund_of_deposit()
            return
        for kind in CaseKind:
            name = f"c{self.made}"
            self.say(CaseOpened(kind, name))
            if self.dice.random() < 0.6:
                self.say(CaseClosed(kind, name))
        self.say(MerchantActivity("CNY", self.dice.randint(-50, 50), self.dice.choice((-1, 0, 1))))

    def refund_of_deposit(self) -> None:
        deposit_id, request_id = f"d{self.made}", f"q{self.made}"
        self.say(DepositPaid(deposit_id, 500, "CNY", self.dice.choice(("alipay", "bank"))))
        amount = self.dice.choice((None, 200, 501))
        refund_to = self.dice.choice(("original_route", "shop_balance"))
        self.say(
            DepositRefundRequested(request_id, deposit_id, amount, "CNY", "closing", "contact", refund_to, False, None)
        )
        if self.dice.random() < 0.8:
            outcome = self.dice.choice(("approved", "rejected"))
            self.say(DepositRefundReviewed(request_id, outcome, "opinion"))
        self.say(MerchantActivity("CNY", self.dice.randint(-50, 50), 0))

    def orders(self) -> list[Order]:
        return sorted(self.lane.rows(self.party, Order), key=lambda order: order.no)

    def requested(self) -> list[Debit]:
        """Debits to answer."""
        debits = self.lane.rows(self.party, Debit)
        return [debit for debit in debits if debit.status is DebitStatus.REQUESTED and debit.attempt == 1]
