"""Stories of a merchant."""

from random import Random

from settlement.entities import CaseKind, Deposit, DepositRefund, Merchant, MerchantBalance, MerchantPayout, Payout
from settlement.messages import (
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
from settlement.statuses import DepositRefundStatus, PayoutStatus
from tests.property.authors.author import Author
from tests.property.tellers.teller import ZONE


class SellerAuthor(Author):
    """Tells a story of a merchant that asks for its deposits, or of one that has open cases."""

    def __init__(self, dice: Random, party: Party) -> None:
        super().__init__(dice, party)
        self.asks_for_deposits = dice.random() < 0.7
        self.asked_for: set[str] = set()
        """Deposits that something was said of in this phase."""
        self.withdrawable_minor = 0
        """What is left of the shop balance that was there when the phase began."""

    def begin(self) -> None:
        self.say(MerchantRegistered("CNY", 7))
        self.go_on()

    def go_on(self) -> None:
        """Deposits, requests for them, money in and out; or cases, of a merchant that asks for nothing."""
        self.asked_for = set()
        self.withdrawable_minor = sum(each.shop_balance_minor for each in self.lane.rows(self.party, MerchantBalance))
        if not self.asks_for_deposits:
            self.cases()
        else:
            steps = (self.new_deposit, self.ask_again, self.review, self.withdraw_request, self.withdraw_money)
            for _ in range(self.dice.randint(2, 6)):
                self.dice.choice(steps)()
        if self.dice.random() < 0.4:
            self.change_cycle()
        if self.dice.random() < 0.6:
            self.hear_of_payouts(may_fail=True)
        if self.asks_for_deposits:
            self.say(MerchantActivity("CNY", self.dice.randint(0, 90), 0))
        else:
            self.say(MerchantActivity("CNY", self.dice.randint(-50, 90), self.dice.choice((-1, 0, 1))))

    def cases(self) -> None:
        for kind in CaseKind:
            name = f"c{self.made}"
            self.say(CaseOpened(kind, name))
            if self.dice.random() < 0.6:
                self.say(CaseClosed(kind, name))

    def change_cycle(self) -> None:
        """To one by which no payout date has passed yet: else what is payable by then would go out at once."""
        for merchant in self.lane.rows(self.party, Merchant):
            counted_from = merchant.cycle_from or merchant.registered_on
            since = (self.now.astimezone(ZONE).date() - counted_from).days % merchant.settlement_cycle_days
            self.say(SettlementCycleChanged(self.dice.choice((since + 1, since + 3, 14))))

    def new_deposit(self) -> None:
        deposit_id = f"d{self.made}"
        self.say(DepositPaid(deposit_id, 500, "CNY", self.dice.choice(("alipay", "wechat", "bank"))))
        self.ask_for(deposit_id)

    def ask_again(self) -> None:
        """For one that no payout comes back to in this phase: it would change what is left."""
        unanswered = {payout.source_id for payout in self.lane.rows(self.party, MerchantPayout) if is_open(payout)}
        requests = {each.request_id: each.deposit_id for each in self.lane.rows(self.party, DepositRefund)}
        unsure = self.asked_for | {requests.get(request_id) for request_id in unanswered}
        for deposit in self.lane.rows(self.party, Deposit):
            if deposit.open_request_id is None and deposit.left_minor and deposit.deposit_id not in unsure:
                self.ask_for(deposit.deposit_id)
                return

    def ask_for(self, deposit_id: str) -> None:
        self.asked_for.add(deposit_id)
        request_id, amount = f"q{self.made}", self.dice.choice((None, 200, 501))
        refund_to = self.dice.choice(("original_route", "shop_balance"))
        urgent = self.dice.random() < 0.3
        self.say(
            DepositRefundRequested(request_id, deposit_id, amount, "CNY", "closing", "contact", refund_to, urgent, None)
        )
        if self.dice.random() < 0.7:
            self.review()

    def review(self) -> None:
        waiting = self.requests(DepositRefundStatus.AWAITING_REVIEW)
        if waiting:
            request = self.dice.choice(waiting)
            outcome = self.dice.choice(("approved", "approved", "rejected"))
            self.say(DepositRefundReviewed(request.request_id, outcome, "opinion"))
            self.asked_for.add(request.deposit_id)
            self.hear_at_once()

    def withdraw_request(self) -> None:
        unpaid = self.requests(DepositRefundStatus.AWAITING_REVIEW, DepositRefundStatus.APPROVED)
        if unpaid and self.dice.random() < 0.4:
            request = self.dice.choice(unpaid)
            self.asked_for.add(request.deposit_id)
            self.say(DepositRefundWithdrawn(request.request_id))

    def withdraw_money(self) -> None:
        """Of what was there when the phase began, or far too much."""
        amount = self.dice.choice((self.withdrawable_minor, self.withdrawable_minor // 2, 10**6))
        if amount:
            self.say(ShopWithdrawalRequested(f"w{self.made}", amount, "CNY"))
            if amount <= self.withdrawable_minor:
                self.withdrawable_minor -= amount
                self.hear_at_once()

    def hear_at_once(self) -> None:
        """What became of the payout that was just asked for, told before it in another order."""
        asked = [each for each in self.lane.rows(self.party, MerchantPayout) if is_open(each)]
        newest = max(asked, key=lambda payout: payout.no, default=None)
        if newest is not None and newest.requested_at == self.now and self.dice.random() < 0.5:
            self.hear_of(newest, may_fail=True)

    def requests(self, *statuses: DepositRefundStatus) -> list[DepositRefund]:
        rows = self.lane.rows(self.party, DepositRefund)
        return sorted((each for each in rows if each.status in statuses), key=lambda each: each.no)


def is_open(payout: Payout) -> bool:
    return payout.status is PayoutStatus.REQUESTED
