"""What became of payouts, of accounts and of merchants."""

from datetime import datetime

from tests.property.model.facts import (
    APPLIED,
    DUPLICATE,
    WRONG_STATE,
    Facts,
    Verdict,
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
                payee["payout_failed"] = True
                self._rest(payee, now)
            case "cash_out":
                self._cash_out_failed(payee, payee["cash_outs"][source], now, at)
            case "merchant_settlement":
                payee["payable"][request["currency"]] += amount
            case "deposit_refund":
                asked = payee["requests"][source]
                payee["deposits"][asked["deposit_id"]]["left"] += amount
                asked["status"], asked["reasons"] = "declined", ("payout_failed",)
            case "shop_withdrawal":
                payee["shop_balance"] += amount
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

    def _rest(self, account: Facts, now: datetime) -> None:
        """Credit that came back pays what is due; what is left stays until it pays something or something is told."""
        self.use_credit(account, now, now)
        account["credit_rests"] = True

    def _cash_out_failed(self, account: Facts, cash_out: Facts, now: datetime, at: datetime) -> None:
        """It was never handed out: nothing is owed for it, what was repaid of it is the buyer's."""
        request = cash_out["request"]
        theirs = [owed for owed in account["obligations"] if owed["cash_out"] == request.cash_out_id]
        released = sum(unpaid(owed, "principal") for owed in theirs)
        account["credits"].append(sum(self.undo_obligation(account, owed, at) for owed in theirs))
        if cash_out["on"] == max(account["cash_out_days"]):
            account["cash_out_days"][cash_out["on"]] -= request.amount_minor
        self.released(account, None, released, "cancelled", now)
        self._rest(account, now)
