"""What there is to say of a merchant."""

from collections.abc import Callable

from settlement.entities import CaseKind, Deposit, DepositRefund, Merchant, MerchantCase
from settlement.messages import (
    Body,
    CaseClosed,
    CaseOpened,
    DepositPaid,
    DepositRefundRequested,
    DepositRefundReviewed,
    MerchantActivity,
    MerchantRegistered,
)
from settlement.party import Party
from tests.property.tellers.teller import Teller


class SellerTeller(Teller):
    """Makes up messages of a merchant."""

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
