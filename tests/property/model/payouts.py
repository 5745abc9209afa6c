"""What became of payouts, of accounts and of merchants."""

from datetime import datetime

from settlement.party import PartyKind
from tests.property.model.facts import (
    APPLIED,
    DUPLICATE,
    WRONG_STATE,
    Facts,
    Verdict,
    business_date,
    credit,
    in_pay_order,
    unpaid,
)
from tests.property.model.merchants import MerchantRules


class PayoutRules(MerchantRules):
    """Everything that comes by `payout-result`."""

    def on_payout_succeeded(self, payee, body, now, at) -> Verdict:
        request = self._answer(payee, body, "succeeded", at)
        return request if isinstance(request, tuple) else APPLIED

    def on_payout_failed(self, payee, body, now, at) -> Verdict:
        request = self._answer(payee, body, "failed", at)
        if isinstance(request, tuple):
            return request
        amount, reason, source = request["amount"], request["reason"], request["source"]
        match reason:
            case "order_refund" | "overpayment":
                payee["credits"].append(amount)
                payee["credit_rests"] = payee["payout_failed"] = True
            case "cash_out":
                self._cash_out_failed(payee, payee["cash_outs"][source], now)
            case "merchant_settlement":
                payee["payable"][request["currency"]] += amount
            case "deposit_refund":
                asked = payee["requests"][source]
                payee["deposits"][asked["deposit_id"]]["left"] += amount
                asked["status"], asked["reasons"] = "declined", ("payout_failed",)
            case "shop_withdrawal":
                payee["shop_balance"] += amount
        if payee["party"].kind is PartyKind.ACCOUNT:
            self._pay_what_is_due(payee, now)
        self.fired[f"{reason} failed"] += 1
        self.notify(payee, now, "payout_failed", body.payout_id, amount, reason)
        return APPLIED

    def _answer(self, payee: Facts, body, result: str, at: datetime) -> Facts | Verdict:
        """What was asked to be paid, if this is the first that is heard of it."""
        payout = payee["payouts"].get(body.payout_id)
        if payout is None:
            return self.unknown(payee["party"], "payout", body.payout_id)
        if payout["status"] != "requested":
            return DUPLICATE if payout["status"] == result else WRONG_STATE
        payout["status"], payout["answered_at"] = result, at
        return payout["request"]

    def _pay_what_is_due(self, account: Facts, now: datetime) -> None:
        """No penalty runs on money that is here."""
        due = [owed for owed in in_pay_order(account) if owed["due_on"] <= business_date(now)]
        spent = sum(sum(parts.values()) for _, parts in self.allocate(account, due, credit(account), now))
        self.fired["credit of a failed payout pays what is due"] += spent > 0
        account["credits"].append(-spent)

    def _cash_out_failed(self, account: Facts, cash_out: Facts, now: datetime) -> None:
        """It was never handed out: nothing is owed for it, what was repaid of it is the buyer's."""
        owed, amount = cash_out["owed"], cash_out["request"].amount_minor
        account["credits"].append(sum(owed["paid"].values()))
        account["credit_rests"] = True
        released = unpaid(owed, "principal")
        owed.update(principal=0, penalties=[], paid={"penalty": 0, "fee": 0, "principal": 0})
        if cash_out["on"] == max(account["cash_out_days"]):
            account["cash_out_days"][cash_out["on"]] -= amount
        self.released(account, None, released, "cancelled", now)
