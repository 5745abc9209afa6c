"""What operators, banks and shops have to say of an account: credits, hardship, money that is not understood."""

from collections.abc import Callable
from datetime import datetime, timedelta

from settlement.entities import (
    Account,
    Debit,
    DebitStatus,
    Obligation,
    ObligationStatus,
    Order,
    PlanKind,
    Repayment,
)
from settlement.messages import (
    Body,
    CardLinked,
    DebitRequested,
    DebtChargedOff,
    DebtRescheduled,
    PenaltyWaived,
    Plan,
    PurchaseCredited,
    RepaymentReceived,
    RepaymentReinstated,
    RepaymentReversed,
    ReturnRequested,
    ShopSettingsChanged,
    SuspenseReleased,
    TermsPublished,
)
from settlement.party import Party
from tests.property.tellers.buyers import LIVING, PHOTOS, BuyerTeller
from tests.property.tellers.programmes import BUILTIN, UNUSABLE, WITH_NIPPON

SHOP_PLANS: tuple[tuple[Plan, ...] | None, ...] = (
    None,
    None,
    (Plan(PlanKind.STATEMENT), Plan(PlanKind.INSTALMENT, None, 3), Plan(PlanKind.TRIAL), Plan(PlanKind.DEFERRED, 30)),
    (Plan(PlanKind.TRIAL, 7), Plan(PlanKind.INSTALMENT)),
    (Plan(PlanKind.TRIAL, 14), Plan(PlanKind.DEFERRED, 60), Plan(PlanKind.INSTALMENT, None, 12)),
)


class OperatorTeller(BuyerTeller):
    """Makes up messages about an account that its buyer does not send."""

    def account_steps(self, party: Party) -> dict[Callable[[Party], Body], int]:
        known = bool(self.lane.rows(party, Account))
        owed = {each.status for each in self.lane.rows(party, Obligation)}
        overdue = ObligationStatus.OVERDUE in owed
        failed = any(debit.status is DebitStatus.FAILED for debit in self.lane.rows(party, Debit))
        living = any(order.status in LIVING for order in self.lane.rows(party, Order))
        return super().account_steps(party) | {
            self.asking_for_debit: 12 if failed and overdue else 3 if overdue else 1,
            self.linking_another_card: 12 if failed and overdue else 1,
            self.waiving: 8 if overdue else 1,
            self.rescheduling: 8 if overdue else 1,
            self.charging_off: 2 if overdue else 0,
            self.crediting: 10 if living else 1,
            self.reinstating: 12 if self.reversed_ones(party) else 1,
            self.paying_for_something_unknown: 4 if known else 12,
            self.releasing: 3 if known else 10,
            self.setting_shop: 3,
            self.publishing: 1 if known else 12,
            self.bouncing_while_debited: 15 if self.paid_in_part(party) else 0,
            self.returning_too_late: 10 if overdue else 0,
            self.answering_late: 20 if failed or self.lane.rows(party, Debit) else 0,
        }

    def reversed_ones(self, party: Party) -> list[str]:
        told = {each.input.body.repayment_id for each in self.lane.results if is_reversal(each.input, party)}
        return sorted(told & {each.repayment_id for each in self.lane.rows(party, Repayment)})

    def when_told_of_account(self, body: Body, party: Party, occurred_at: datetime) -> datetime:
        """What a bank answers, and a return that was asked for in time, is often told days later."""
        if isinstance(body, ReturnRequested) and self.chance(3):
            return self.now - timedelta(hours=self.one(1, 12, 25, 49, 80, 200))
        if isinstance(body, RepaymentReceived) and body.debit_id is not None and self.chance(3):
            return self.now + timedelta(hours=self.one(9, 25, 60, 169))
        return super().when_told_of_account(body, party, occurred_at)

    # Debits.

    def asking_for_debit(self, party: Party) -> Body:
        return DebitRequested()

    def linking_another_card(self, party: Party) -> Body:
        return CardLinked()

    def answering_late(self, party: Party) -> Body:
        """A debit that was given up, failed, cancelled or answered succeeds after all."""
        debits = [debit for debit in self.lane.rows(party, Debit) if debit.status is not DebitStatus.REQUESTED]
        if not debits:
            return self.answering(party)
        debit = self.one(*debits)
        amount = self.one(debit.amount_minor, debit.amount_minor, max(debit.amount_minor // 2, 1))
        return RepaymentReceived(
            self.repayment_id(), amount, self.currency(), "account", None, debit.debit_id, "auto_debit"
        )

    def paid_in_part(self, party: Party) -> list[Repayment]:
        asked = any(debit.status is DebitStatus.REQUESTED for debit in self.lane.rows(party, Debit))
        return self.lane.rows(party, Repayment) if asked else []

    def bouncing_while_debited(self, party: Party) -> Body:
        paid = self.paid_in_part(party)
        return RepaymentReversed(self.one(*paid).repayment_id, "bounced") if paid else self.reversing(party)

    # Hardship.

    def waiving(self, party: Party) -> Body:
        open_penalties = [each.penalty_minor - each.paid_penalty_minor for each in self.lane.rows(party, Obligation)]
        most = max(sum(open_penalties), 1)
        amount = self.one(None, 1, most, max(most // 2, 1), most + 5)
        return PenaltyWaived(self.one(f"v{len(self.history)}", "v1"), amount, self.currency(), "illness", "chief")

    def rescheduling(self, party: Party) -> Body:
        periods = self.weighted({3: 8, 6: 2, 12: 1})
        return DebtRescheduled(self.one(f"h{len(self.history)}", "h1"), periods, "illness", "chief")

    def charging_off(self, party: Party) -> Body:
        return DebtChargedOff(self.one(f"c{len(self.history)}", "c1"), "bankrupt", "chief")

    # Money.

    def reinstating(self, party: Party) -> Body:
        known = self.reversed_ones(party)
        return RepaymentReinstated(self.one(*(known if known and self.chance(9) else ["p1", "p2"])), "won")

    def paying_for_something_unknown(self, party: Party) -> Body:
        owed = sum(each.open_minor for each in self.lane.rows(party, Obligation))
        amount = self.one(max(owed, 1), max(owed // 2, 1), 100)
        order_id, debit_id = self.one(("no-such-order", None), (None, "no-such-debit"))
        purpose = "order" if order_id else "account"
        name, currency = self.repayment_id(), self.currency()
        return RepaymentReceived(name, amount, currency, purpose, order_id, debit_id, "external")

    def releasing(self, party: Party) -> Body:
        """Money that no account was known for, by the ids it came with."""
        came = [each.body.repayment_id for each in self.history if is_money(each.body) and each.party == party]
        return SuspenseReleased(self.one(*(came or ["p1"])), "assigned")

    # Terms, orders and shops.

    def publishing(self, party: Party) -> Body:
        return TermsPublished(self.one(*[WITH_NIPPON] * 4, BUILTIN, *UNUSABLE))

    def crediting(self, party: Party) -> Body:
        order_id, amounts = self.an_order(party, *LIVING), {100, 1}
        for order in self.lane.rows(party, Order):
            if order.order_id == order_id:
                left = max(order.amount_minor - order.returned_minor - order.under_return_minor, 1)
                amounts = {left, max(left // 2, 1), max(left // 4, 1), left + 1}
        reason = self.one("goodwill", "price_protection", "compensation")
        name, amount = self.one(f"g{len(self.history)}", "g1"), self.one(*sorted(amounts))
        return PurchaseCredited(order_id, name, amount, self.currency(), reason, None)

    def returning_too_late(self, party: Party) -> Body:
        """Of an order that is overdue by now, because it was not good."""
        overdue = [each for each in self.lane.rows(party, Order) if each.status.value == "overdue"]
        if not overdue:
            return self.returning(party)
        order = self.one(*overdue)
        amount = max(order.amount_minor - order.returned_minor - order.under_return_minor, 1)
        reason = self.one("quality_issue", "no_longer_wanted")
        return ReturnRequested(
            self.one(f"r{len(self.history)}", "r1"), order.order_id, amount, "CNY", reason, PHOTOS, None
        )

    def setting_shop(self, party: Party) -> Body:
        return ShopSettingsChanged(
            self.one("m1", "m2"),
            self.chance(9),
            self.one(*SHOP_PLANS),
            self.one(None, None, 400, 1000),
            self.weighted({"CNY": 9, "USD": 1}),
        )


def is_money(body: Body) -> bool:
    return isinstance(body, RepaymentReceived)


def is_reversal(message: object, party: Party) -> bool:
    body = getattr(message, "body", None)
    return isinstance(body, RepaymentReversed) and message.party == party
