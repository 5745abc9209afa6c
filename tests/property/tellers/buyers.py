"""What there is to say of an account."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time, timedelta

from settlement.entities import Account, Appeal, CashOut, Debit, Obligation, Order, Payout, PlanKind, Repayment, Return
from settlement.messages import (
    AmountLowered,
    AppealDecided,
    BillInstalmentRequested,
    Body,
    CardLinked,
    CardUnlinked,
    CashOutRequested,
    CloseRequested,
    CreditLineOpened,
    ExtensionRequested,
    IdentityVerified,
    LimitChanged,
    LineFrozen,
    LineUnfrozen,
    ParcelInspected,
    Plan,
    PurchaseCancelled,
    PurchaseKept,
    PurchasePlaced,
    PurchaseReceived,
    RepaymentFailed,
    RepaymentReceived,
    RepaymentReversed,
    ReturnRequested,
    ReturnReviewed,
    ReturnWithdrawn,
    ScoreChanged,
    UnfreezeRequested,
)
from settlement.party import Party
from settlement.statuses import DebitStatus, ObligationStatus, OrderStatus, ReturnStatus
from tests.property.tellers.payees import PayeeTeller
from tests.property.tellers.teller import ZONE

ORDERS = ("o1", "o2", "o3", "o4", "o5")
RETURNS = ("r1", "r2", "r3", "r4")
AMOUNTS = (100, 100, 250, 400, 1, 83, 333, 1000, 3000)
FREEZES = ("manual", "manual", "risk_login", "security", "credit_review", "binding_changes")
PHOTOS = ("https://photo/1",)
LIVING = (OrderStatus.OWED, OrderStatus.OVERDUE, OrderStatus.SETTLED)
OPEN_RETURN = (ReturnStatus.AWAITING_REVIEW, ReturnStatus.AWAITING_PARCEL)
UNPAID = (ObligationStatus.OPEN, ObligationStatus.OVERDUE)


class BuyerTeller(PayeeTeller):
    """Makes up messages of an account."""

    def account_steps(self, party: Party) -> dict[Callable[[Party], Body], int]:
        """What there is nothing for yet is said now and then all the same."""
        orders = {order.status for order in self.lane.rows(party, Order)}
        debits = {debit.status for debit in self.lane.rows(party, Debit)}
        returns = {each.status for each in self.lane.rows(party, Return)}
        owed = {each.status for each in self.lane.rows(party, Obligation)}
        known = bool(self.lane.rows(party, Account))
        returnable = bool(orders - {OrderStatus.CANCELLED, OrderStatus.RETURNED})
        return {
            self.line_steps: 20 if known else 100,
            self.placing: 60 if len(self.lane.rows(party, Order)) < len(ORDERS) and self.can_buy(party) else 8,
            self.receiving: 40 if self.unreceived(party) else 1,
            self.cancelling: 8 if self.unreceived(party) else 1,
            self.lowering: 60 if OrderStatus.HELD in orders and self.has_credit(party) else 10 if returnable else 1,
            self.keeping: 25 if OrderStatus.TRIAL in orders else 1,
            self.extending: 30 if OrderStatus.TRIAL in orders else 1,
            self.returning: 40 if returnable and len(self.lane.rows(party, Return)) < len(RETURNS) else 1,
            self.reviewing_return: 50 if ReturnStatus.AWAITING_REVIEW in returns else 1,
            self.inspecting: 40 if ReturnStatus.AWAITING_PARCEL in returns else 1,
            self.withdrawing: 12 if returns & {*OPEN_RETURN} else 1,
            self.repaying: 40 if ObligationStatus.OVERDUE in owed else 15 if orders & {*LIVING} else 1,
            self.answering: 30 if DebitStatus.REQUESTED in debits else 4 if debits else 0,
            self.failing: 40 if DebitStatus.REQUESTED in debits else 4 if debits else 1,
            self.reversing: 10 if self.lane.rows(party, Repayment) else 1,
            self.closing: 1,
            self.asking_to_unfreeze: 20 if self.waits_for_request(party) else 1,
            self.deciding_appeal: 8 if self.freezes(party) else 1,
            self.cashing_out: 25 if self.programme_of(party) == "taobao" else 1,
            self.splitting_bill: 200 if self.bills(party) else 1,
            self.answering_payout: 40 if self.ripe(party) else 1,
        }

    def when_told_of_account(self, body: Body, party: Party, occurred_at: datetime) -> datetime:
        """Money for what is overdue was often sent before it was; what has to wait is often asked for just then."""
        overdue = any(each.status is ObligationStatus.OVERDUE for each in self.lane.rows(party, Obligation))
        around = timedelta(seconds=self.one(-1, 0, 1))
        for account in self.lane.rows(party, Account):
            if isinstance(body, RepaymentReceived) and overdue and self.chance(4):
                return self.now - timedelta(hours=self.one(1, 12, 25, 49, 80, 200))
            if isinstance(body, UnfreezeRequested) and account.cleared_at and not overdue and self.chance(5):
                return max(self.now, account.cleared_at + timedelta(days=60) + around)
            if isinstance(body, CashOutRequested) and account.overdue_until and not overdue and self.chance(2):
                return max(self.now, account.overdue_until + timedelta(days=90) + around)
            if isinstance(body, CashOutRequested) and account.cash_out_on and self.chance(2):
                return self.now - timedelta(days=self.one(1, 2, 30))
            if isinstance(body, BillInstalmentRequested) and body.due_on == self.today and self.chance(8):
                return self.now - timedelta(hours=self.one(12, 25))
        return occurred_at

    def may_be_answered(self, party: Party, payout: Payout) -> bool:
        """A cash-out that fails undoes most when it was paid in part, asked for, or fell overdue meanwhile."""
        if payout.reason != "cash_out":
            return True
        cash_out = self.lane.tables[party].entities[CashOut][payout.source_id]
        owed = self.lane.tables[party].entities[Obligation][cash_out.obligation_ids[0]]
        has_lived = owed.status is not ObligationStatus.OPEN or owed.asks or owed.paid_principal_minor
        return bool(has_lived) or self.chance(1)

    def can_buy(self, party: Party) -> bool:
        return all(
            account.available_minor > 0 and not account.freeze_reasons and not account.closed_at
            for account in self.lane.rows(party, Account)
        )

    def has_credit(self, party: Party) -> bool:
        return any(account.customer_credit_minor for account in self.lane.rows(party, Account))

    def freezes(self, party: Party) -> list[str]:
        return [reason for account in self.lane.rows(party, Account) for reason in account.freeze_reasons]

    def waits_for_request(self, party: Party) -> bool:
        return self.programme_of(party) == "douyin" and "overdue" in self.freezes(party)

    def bills(self, party: Party) -> list[date]:
        """Due dates of bills that can be split now, or could before today."""
        return sorted(
            {
                each.due_on
                for each in self.lane.rows(party, Obligation)
                if self.programme_of(party) == "douyin"
                and each.status is ObligationStatus.OPEN
                and not each.in_instalments
                and each.billed_on is not None
                and each.billed_on <= self.today <= each.due_on
            }
        )

    @property
    def today(self) -> date:
        return self.now.astimezone(ZONE).date()

    def programme_of(self, party: Party) -> str:
        return next((account.programme for account in self.lane.rows(party, Account)), "tmall")

    def fill_a_basket(self, party: Party) -> None:
        """Several orders of one plan, so that one debit asks for all of them."""
        plan = self.usual_plan(party)
        for order_id in ORDERS[: self.dice.randint(2, 3)]:
            placed = self.placing(party)
            self.send(replace(placed, order_id=order_id, plan=plan, item_plans=None), party)
            if self.chance(8):
                self.send(PurchaseReceived(order_id), party)

    def take_back_a_bill(self, party: Party) -> None:
        """A bill's money is taken back on the due day, to be debited the day after; it was split the day before."""
        placed = replace(self.placing(party), plan=Plan(PlanKind.STATEMENT), item_plans=None)
        self.send(placed, party)
        self.send(PurchaseReceived(placed.order_id), party)
        due_dates = {each.due_on for each in self.lane.rows(party, Obligation) if each.status is ObligationStatus.OPEN}
        paying = replace(self.repaying(party), purpose="account", order_id=None)
        self.send(paying, party)
        for due_on in sorted(due_dates):
            on_due_day = datetime.combine(due_on, time(self.dice.randrange(12)), ZONE)
            self.send(RepaymentReversed(paying.repayment_id, "taken back"), party, on_due_day)
            split_at = on_due_day - timedelta(hours=self.one(12, 25))
            self.send(BillInstalmentRequested(due_on, self.one(3, 6)), party, split_at)

    # Credit line.

    def line(self) -> CreditLineOpened:
        return CreditLineOpened(
            self.weighted(
                {
                    "tmall": 12,
                    "kuaishou": 8,
                    "taobao": 12,
                    "douyin": 8,
                    "nippon": 12 if self.lane.rules.terms.offers("nippon") else 1,
                }
            ),
            self.weighted({1000: 4, 5000: 4, 300_000: 6, 300: 1, 0: 1}),
            self.weighted({"CNY": 19, "USD": 1}),
            self.weighted({700: 8, 650: 1, 649: 1, None: 1}),
            card_linked=self.dice.randrange(20) > 0,
            identity_verified=self.dice.randrange(20) > 0,
        )

    def line_steps(self, party: Party) -> Body:
        accounts = self.lane.rows(party, Account)
        if not accounts and self.chance(7):
            return self.line()
        freezes = [reason for reason in self.freezes(party) if reason != "overdue"]
        how = self.by_temper(
            {
                "limit": 4,
                "score": 2,
                "card": 1 if all(account.card_linked for account in accounts) else 6,
                "no card": 1,
                "identity": 2 if all(account.identity_verified for account in accounts) else 8,
                "freeze": 3,
                "unfreeze": 30 if freezes else 2,
                "open": 1,
            },
            str,
        )
        bodies: dict[str, Callable[[], Body]] = {
            "limit": lambda: LimitChanged(self.one(0, 300, 1000, 2000, 6000), self.currency(), "review"),
            "score": lambda: ScoreChanged(self.one(600, 649, 650, 800)),
            "card": CardLinked,
            "no card": CardUnlinked,
            "identity": IdentityVerified,
            "freeze": lambda: LineFrozen(self.one(*FREEZES)),
            "unfreeze": lambda: LineUnfrozen(self.one(*(freezes if freezes and self.chance(8) else FREEZES))),
            "open": self.line,
        }
        return bodies[how]()

    def closing(self, party: Party) -> Body:
        return CloseRequested()

    def asking_to_unfreeze(self, party: Party) -> Body:
        return UnfreezeRequested()

    def deciding_appeal(self, party: Party) -> Body:
        appeal_id = self.one("ap1", f"ap{len(self.lane.rows(party, Appeal)) + 1}")
        return AppealDecided(appeal_id, self.one("upheld", "upheld", "rejected"), "opinion")

    def cashing_out(self, party: Party) -> Body:
        amount = self.one(100, 1000, 60_000, 40_000, 100_000, 100_000, 100_001)
        if self.chance(5):
            amount = self.one(*self.affordable(party))
        return CashOutRequested(self.one(f"x{len(self.history)}", "x1"), amount, self.currency())

    def splitting_bill(self, party: Party) -> Body:
        dates = {each.due_on for each in self.lane.rows(party, Obligation) if each.status in UNPAID}
        due_on = self.one(*(self.bills(party) or sorted(dates) or [date(2026, 2, 6)]))
        return BillInstalmentRequested(due_on, self.weighted({3: 16, 6: 4, 12: 2, 4: 1}))

    # Purchase.

    def usual_plan(self, party: Party) -> Plan:
        """A plan of the account's programme."""
        match self.programme_of(party):
            case "tmall":
                return Plan(PlanKind.TRIAL, self.weighted({7: 8, 14: 3, 30: 1}))
            case "nippon":
                return Plan(PlanKind.DEFERRED, self.one(14, 14, 45))
            case "kuaishou":
                return Plan(PlanKind.DEFERRED, self.weighted({30: 8, 60: 3, 90: 1}))
            case "douyin" if self.chance(7):
                return Plan(PlanKind.STATEMENT)
            case _ if self.chance(4):
                return Plan(PlanKind.STATEMENT)
        return Plan(PlanKind.INSTALMENT, None, self.weighted({3: 8, 6: 2, 12: 1}))

    def placing(self, party: Party) -> PurchasePlaced:
        plan = self.usual_plan(party)
        if self.dice.randrange(15) == 0:
            plan = self.one(
                Plan(PlanKind.TRIAL, 8),
                Plan(PlanKind.DEFERRED, 7),
                Plan(PlanKind.INSTALMENT, None, 5),
                Plan(PlanKind.TRIAL, 7),
            )
        unused = [name for name in ORDERS if name not in {each.order_id for each in self.lane.rows(party, Order)}]
        return PurchasePlaced(
            self.one(*unused) if unused and self.chance(8) else self.one(*ORDERS),
            self.one("m1", "m2"),
            self.one(*(self.affordable(party) if self.chance(8) else AMOUNTS)),
            self.currency(),
            plan,
            item_eligible=self.dice.randrange(30) > 0,
            item_plans=self.weighted({None: 20, (plan.kind, PlanKind.DEFERRED): 5, (PlanKind.DEFERRED,): 1}),
        )

    def affordable(self, party: Party) -> list[int]:
        available = min((account.available_minor for account in self.lane.rows(party, Account)), default=1)
        return [amount for amount in (*AMOUNTS, available, available // 2) if 0 < amount <= available] or [*AMOUNTS]

    def unreceived(self, party: Party) -> list[str]:
        over = (OrderStatus.CANCELLED, OrderStatus.RETURNED)
        return [
            order.order_id
            for order in self.lane.rows(party, Order)
            if order.received_at is None and order.status not in over
        ]

    def receiving(self, party: Party) -> Body:
        waiting = self.unreceived(party)
        return PurchaseReceived(self.one(*(waiting if waiting and self.chance(8) else ORDERS)))

    def cancelling(self, party: Party) -> Body:
        waiting = self.unreceived(party)
        return PurchaseCancelled(self.one(*(waiting if waiting and self.chance(8) else ORDERS)), "changed")

    def keeping(self, party: Party) -> Body:
        return PurchaseKept(self.an_order(party, OrderStatus.TRIAL))

    def lowering(self, party: Party) -> Body:
        of_hold = self.has_credit(party) and self.chance(6)
        order_id = self.an_order(party, OrderStatus.HELD, OrderStatus.TRIAL, *(() if of_hold else LIVING))
        amounts = {100, 1}
        for order in self.lane.rows(party, Order):
            if order.order_id == order_id:
                gone = order.returned_minor + order.under_return_minor
                amounts = {order.amount_minor, max(order.amount_minor - 1, 1), max(order.amount_minor // 2, 1)}
                amounts |= {max(gone, 1), max(gone - 1, 1), gone + 1}
        return AmountLowered(order_id, self.one(*sorted(amounts)), self.currency(), "price")

    def extending(self, party: Party) -> Body:
        return ExtensionRequested(self.an_order(party, OrderStatus.TRIAL, OrderStatus.OWED), self.one(7, 3, 1, 8, 8))

    # Return.

    def returning(self, party: Party) -> Body:
        order_id = self.an_order(party, OrderStatus.HELD, OrderStatus.TRIAL, *LIVING)
        amounts = {*AMOUNTS}
        for order in self.lane.rows(party, Order):
            if order.order_id == order_id:
                left = order.amount_minor - order.returned_minor - order.under_return_minor
                amounts = {max(left, 1), max(left // 2, 1), left + 1}
        reason = self.weighted({"no_longer_wanted": 4, "other": 2, "quality_issue": 6})
        evidence = PHOTOS if reason == "quality_issue" and self.chance(9) else ()
        amount = self.one(*sorted(amounts))
        unused = [name for name in RETURNS if name not in {each.return_id for each in self.lane.rows(party, Return)}]
        return_id = self.one(*(unused if unused and self.chance(9) else RETURNS))
        return ReturnRequested(return_id, order_id, amount, self.currency(), reason, evidence, None)

    def a_return(self, party: Party, *statuses: ReturnStatus) -> str:
        waiting = [each.return_id for each in self.lane.rows(party, Return) if each.status in statuses]
        return self.one(*(waiting if waiting and self.chance(8) else RETURNS))

    def reviewing_return(self, party: Party) -> Body:
        return_id = self.a_return(party, ReturnStatus.AWAITING_REVIEW)
        return ReturnReviewed(return_id, self.one("approved", "approved", "approved", "rejected"), "opinion")

    def inspecting(self, party: Party) -> Body:
        return_id = self.a_return(party, ReturnStatus.AWAITING_PARCEL)
        if self.chance(7):
            return ParcelInspected(return_id, "intact", (), (), "courier")
        return ParcelInspected(return_id, "damaged", ("water",), PHOTOS, "courier")

    def withdrawing(self, party: Party) -> Body:
        return ReturnWithdrawn(self.a_return(party, ReturnStatus.AWAITING_PARCEL, ReturnStatus.AWAITING_REVIEW))

    # Money.

    def repaying(self, party: Party) -> Body:
        owed = [each for each in self.lane.rows(party, Obligation) if each.open_minor]
        open_amounts = [each.open_minor for each in owed]
        all_open, fees = sum(open_amounts), sum(each.fee_minor - each.paid_fee_minor for each in owed)
        penalties = sum(each.penalty_minor - each.paid_penalty_minor for each in owed)
        principals = [each.principal_minor - each.paid_principal_minor for each in owed]
        amounts = {1, 100, *open_amounts, *principals, all_open + 7, all_open // 2, all_open, all_open - fees}
        amounts |= {all_open - penalties, all_open - 1}
        purpose = self.weighted({"account": 5, "order": 5, "payoff": 3})
        order_id = self.an_order(party, *OrderStatus) if purpose == "order" or self.chance(1) else None
        return RepaymentReceived(
            self.repayment_id(),
            all_open if all_open and self.chance(3) else self.one(*sorted(amount for amount in amounts if amount > 0)),
            self.currency(),
            purpose,
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
        purpose, order_id = self.weighted(
            {("account", None): 6, ("order", "o1"): 1, ("order", None): 1, ("payoff", None): 1}
        )
        return RepaymentReceived(
            self.repayment_id(), amount, self.currency(), purpose, order_id, debit.debit_id, "auto_debit"
        )

    def failing(self, party: Party) -> Body:
        debit = self.a_debit(party)
        name = "no-such-debit" if debit is None else debit.debit_id
        return RepaymentFailed(name, self.one("no money", "card expired"), retryable=self.chance(7))

    def reversing(self, party: Party) -> Body:
        known = [each.repayment_id for each in self.lane.rows(party, Repayment)]
        return RepaymentReversed(self.one(*(known if known and self.chance(9) else ["p1", "p2"])), "taken back")

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
