"""What there is to say of a merchant."""

from collections.abc import Callable
from datetime import date, datetime, timedelta

from settlement.entities import CaseKind, Deposit, DepositRefund, Merchant, MerchantBalance, MerchantCase
from settlement.messages import (
    Body,
    CaseClosed,
    CaseOpened,
    DepositPaid,
    DepositRefundRequested,
    DepositRefundReviewed,
    DepositRefundWithdrawn,
    MerchantActivity,
    MerchantRegistered,
    SettlementCycleChanged,
    ShopWithdrawalRequested,
)
from settlement.party import Party
from settlement.statuses import DepositRefundStatus
from tests.property.tellers.payees import PayeeTeller
from tests.property.tellers.teller import ZONE

DEPOSITS = ("d1", "d2", "d3")
REQUESTS = ("q1", "q2", "q3", "q4", "q5", "q6")
UNPAID_REQUEST = (DepositRefundStatus.AWAITING_REVIEW, DepositRefundStatus.APPROVED)
CYCLES = (7, 7, 14, 1, 3, 30)


class SellerTeller(PayeeTeller):
    """Makes up messages of a merchant."""

    def merchant_steps(self, party: Party) -> dict[Callable[[Party], Body], int]:
        known = any(merchant.registered_on for merchant in self.lane.rows(party, Merchant))
        open_cases = any(case.is_open for case in self.lane.rows(party, MerchantCase))
        requests = {each.status for each in self.lane.rows(party, DepositRefund)}
        deposits = len(self.lane.rows(party, Deposit))
        return {
            self.registering: 1 if known else 12,
            self.changing_cycle: 2,
            self.depositing: 1 if deposits == len(DEPOSITS) else 8 if not deposits else 4,
            self.opening_case: 10 if DepositRefundStatus.APPROVED in requests else 2,
            self.closing_case: 14 if open_cases else 1,
            self.asking: 10 if deposits else 2,
            self.reviewing: 14 if DepositRefundStatus.AWAITING_REVIEW in requests else 2,
            self.withdrawing_request: 3 if requests & {*UNPAID_REQUEST} else 1,
            self.withdrawing_money: 10 if self.shop_balance(party) else 1,
            self.answering_payout: 14 if self.ripe(party) else 1,
            self.activity: 6,
        }

    def when_told_of_merchant(self, body: Body, party: Party, occurred_at: datetime) -> datetime:
        """Much is told late here: a registration after payout dates, a request after its escalations."""
        around = timedelta(seconds=self.one(-1, 0, 1))
        match body:
            case MerchantRegistered() if self.chance(6):
                return self.now - timedelta(days=self.one(1, 6, 7, 8, 20, 40))
            case DepositPaid() if self.chance(3):
                return self.now - timedelta(days=self.one(1, 29, 30, 31, 80, 89, 95))
            case DepositRefundRequested() if self.chance(2):
                return self.now - timedelta(days=self.one(3, 5, 9, 12, 60))
            case DepositRefundRequested() if self.chance(1):
                unpaid_at = [midnight + around for midnight in self.unpaid_instants(party)]
                return max(self.now, self.one(*unpaid_at)) if unpaid_at else occurred_at
            case DepositRefundReviewed() if self.chance(1):
                ends = [midnight_of(deposit.frozen_until) for deposit in self.lane.rows(party, Deposit)]
                return max(self.now, self.one(*ends) + around) if ends else occurred_at
        return occurred_at

    def unpaid_instants(self, party: Party) -> list[datetime]:
        """When requests for a deposit are escalated because it was paid long ago."""
        deposits = self.lane.rows(party, Deposit)
        return [midnight_of(deposit.paid_at.astimezone(ZONE).date()) + timedelta(days=90) for deposit in deposits]

    def shop_balance(self, party: Party) -> int:
        return sum(each.shop_balance_minor for each in self.lane.rows(party, MerchantBalance))

    def registering(self, party: Party) -> Body:
        return MerchantRegistered(self.currency(), self.one(7, 7, 14))

    def changing_cycle(self, party: Party) -> Body:
        return SettlementCycleChanged(self.one(*CYCLES))

    def depositing(self, party: Party) -> Body:
        unpaid = [name for name in DEPOSITS if name not in {each.deposit_id for each in self.lane.rows(party, Deposit)}]
        return DepositPaid(
            self.one(*(unpaid if unpaid and self.chance(8) else DEPOSITS)),
            self.one(500, 500, 200),
            self.currency(),
            self.one("alipay", "wechat", "bank"),
        )

    def opening_case(self, party: Party) -> Body:
        kind = self.one(*CaseKind)
        detail = self.one("fake", "late") if kind is CaseKind.VIOLATION else None
        return CaseOpened(kind, self.one("c1", "c2", "c3"), detail)

    def closing_case(self, party: Party) -> Body:
        still_open = [case for case in self.lane.rows(party, MerchantCase) if case.is_open]
        if still_open and self.chance(8):
            case = self.one(*still_open)
            return CaseClosed(case.kind, case.case_id)
        return CaseClosed(self.one(*CaseKind), self.one("c1", "c2"))

    # Deposit refund.

    def asking(self, party: Party) -> Body:
        deposits = self.lane.rows(party, Deposit)
        free = [each for each in deposits if each.left_minor and each.open_request_id is None]
        deposit = self.one(*free) if free and self.chance(7) else self.one(*deposits) if deposits else None
        left = deposit.left_minor if deposit is not None else 500
        used = {each.request_id for each in self.lane.rows(party, DepositRefund) if each.fingerprint is not None}
        unused = [name for name in REQUESTS if name not in used]
        return DepositRefundRequested(
            self.one(*(unused if unused and self.chance(8) else REQUESTS)),
            deposit.deposit_id if deposit is not None and self.chance(9) else self.one(*DEPOSITS),
            self.one(None, None, 200, max(left, 1), left + 1, max(left // 2, 1)),
            self.currency(),
            "closing",
            "contact",
            self.one("original_route", "original_route", "shop_balance", "shop_balance"),
            self.chance(3),
            None,
        )

    def a_request(self, party: Party, *statuses: DepositRefundStatus) -> str:
        fitting = [each.request_id for each in self.lane.rows(party, DepositRefund) if each.status in statuses]
        return self.one(*(fitting if fitting and self.chance(8) else REQUESTS))

    def reviewing(self, party: Party) -> Body:
        request_id = self.a_request(party, DepositRefundStatus.AWAITING_REVIEW)
        return DepositRefundReviewed(request_id, self.weighted({"approved": 4, "rejected": 1}), "opinion")

    def withdrawing_request(self, party: Party) -> Body:
        return DepositRefundWithdrawn(self.a_request(party, *UNPAID_REQUEST))

    # Money.

    def withdrawing_money(self, party: Party) -> Body:
        balance = self.shop_balance(party)
        amount = self.one(max(balance, 1), max(balance // 2, 1), balance + 1, 100)
        return ShopWithdrawalRequested(self.one(f"w{len(self.history)}", "w1"), amount, self.currency())

    def activity(self, party: Party) -> Body:
        """What account lanes told of this merchant and is not handed on yet, or something made up."""
        told = [each for each in self.lane.activity if each.merchant_id == party.id]
        handed = self.handed_on.setdefault(party, 0)
        if handed < len(told):
            self.handed_on[party] += 1
            share = told[handed]
            return MerchantActivity(share.currency, share.payable_minor, share.after_sales)
        open_after_sales = sum(merchant.open_after_sales for merchant in self.lane.rows(party, Merchant))
        after_sales = self.one(-1, -1, 0) if open_after_sales > 0 else self.one(0, 0, 0, 1, -1)
        if self.chance(2):
            return MerchantActivity("USD", self.one(100, -100), after_sales)
        return MerchantActivity("CNY", self.one(100, 0, -100, 37, 5000, -2000), after_sales)


def midnight_of(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZONE)
