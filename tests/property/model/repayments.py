"""Money that comes in, fails to, or is taken back."""

from tests.property.model.facts import (
    APPLIED,
    CONFLICT,
    DAY,
    DUPLICATE,
    PARKED,
    RETRIES,
    WRONG_STATE,
    Facts,
    Verdict,
    business_date,
    credit,
    in_pay_order,
    midnight,
    next_midnight,
    obligation_status,
    obligations_of,
    open_returns,
    owed_in_all,
    unpaid,
)
from tests.property.model.returns import ReturnRules


class RepaymentRules(ReturnRules):
    """Everything that comes by `repayment`."""

    def on_repayment_received(self, account, body, now, at) -> Verdict:
        known = account["repayments"].get(body.repayment_id)
        if known:
            return DUPLICATE if known["body"] == body else CONFLICT
        debit = self._debit_of(account, body.debit_id)
        if body.debit_id is not None and debit is None:
            return self.unknown(account["party"], "debit", body.debit_id)
        order = None
        if body.order_id is not None:
            order = self.find_order(account, body.order_id)
            if order == PARKED:
                return PARKED
        if body.currency != account["currency"]:
            return self.refuse(account["party"], "repayment", body.repayment_id, "currency_mismatch")
        account["credit_rests"] = False
        waived = self._pay_off(account, body, now, at) if body.purpose == "payoff" else []
        goes_to = in_pay_order(account)
        if debit is not None:
            theirs = [owed for owed in goes_to if any(owed is each for each in debit["obligations"])]
            goes_to = theirs + [owed for owed in goes_to if not any(owed is each for each in theirs)]
            debit["status"], debit["retry_at"] = "succeeded", None
            self.notify(account, now, "debit_made")
        elif body.purpose == "order":
            goes_to = [owed for owed in goes_to if owed["order"] is order]
        shares = self.allocate(account, goes_to, body.amount_minor, now, at)
        left = body.amount_minor - sum(sum(parts.values()) for _, parts in shares)
        account["credits"].append(left)
        account["repayments"][body.repayment_id] = {
            "body": body,
            "shares": shares,
            "credit": left,
            "waived": waived,
            "reversed": False,
        }
        return APPLIED

    def _pay_off(self, account: Facts, body, now, at) -> list[tuple[Facts, int]]:
        takes = self.payoff_takes(account, at)
        if body.amount_minor < takes:
            self.notify(account, now, "payoff_insufficient", body.amount_minor, takes)
            return []
        if not owed_in_all(account):
            return []
        waived = [(owed, unpaid(owed, "fee")) for owed in self.unbilled(account, at)]
        for owed, fee in waived:
            owed["fee"] -= fee
        self.notify(account, now, "payoff_received", takes, sum(fee for _, fee in waived))
        return waived

    def _debit_of(self, account: Facts, debit_id: str | None) -> Facts | None:
        return next((each for each in account["debits"] if each["debit_id"] == debit_id), None)

    def on_repayment_failed(self, account, body, now, at) -> Verdict:
        debit = self._debit_of(account, body.debit_id)
        if debit is None:
            return self.unknown(account["party"], "debit", body.debit_id)
        if debit["status"] == "failed":
            return DUPLICATE
        if debit["status"] != "requested":
            return WRONG_STATE
        debit["status"] = "failed"
        if body.retryable and debit["attempt"] <= len(RETRIES):
            debit["retry_at"] = debit["first_at"] + RETRIES[debit["attempt"] - 1]
        else:
            self.notify(account, now, "debit_failed", debit["amount"], debit["due_on"])
        return APPLIED

    def retry(self, account: Facts, debit: Facts, now) -> None:
        debit["retry_at"] = None
        self.debit(account, debit["asks_for"], debit["due_on"], debit["attempt"] + 1, "retry", debit["first_at"], now)

    # Taken back.

    def on_repayment_reversed(self, account, body, now, at) -> Verdict:
        repayment = account["repayments"].get(body.repayment_id)
        if repayment is None:
            return self.unknown(account["party"], "repayment", body.repayment_id)
        if repayment["reversed"]:
            return DUPLICATE
        repayment["reversed"] = True
        unpaid_again, gone = self._take_back_shares(account, repayment)
        from_credit = min(gone, credit(account))
        account["credits"].append(-from_credit)
        if gone > from_credit:
            self.fired["reversal of money gone"] += 1
            self.make_obligation(account, None, business_date(now) + DAY, None, gone - from_credit, now)
        self._fall_due_again(account, unpaid_again, business_date(now), now)
        self.notify(account, now, "repayment_reversed", body.repayment_id, repayment["body"].amount_minor)
        return APPLIED

    def _take_back_shares(self, account: Facts, repayment: Facts) -> tuple[list[Facts], int]:
        """Un-pay what still counts as paid. Returns these obligations, and how much counts no longer."""
        unpaid_again, gone = [], repayment["credit"]
        for owed, parts in repayment["shares"]:
            for part, amount in parts.items():
                back = min(amount, owed["paid"][part])
                owed["paid"][part] -= back
                gone += amount - back
            unpaid_again.append(owed)
        for owed, fee in repayment["waived"]:
            owed["fee"] += fee
            unpaid_again.append(owed)
        for order in account["orders"].values():
            if any(owed["order"] is order for owed in unpaid_again):
                self.recompute_fees(obligations_of(account, order))
        return unpaid_again, gone

    def _fall_due_again(self, account: Facts, unpaid_again: list[Facts], today, now) -> None:
        late = []
        for owed in in_pay_order(account):
            is_again = any(owed is each for each in unpaid_again) and obligation_status(owed) == "open"
            if not is_again or owed["due_on"] > today:
                continue
            if owed["debit_on"] <= today:  # a later day, set by an earlier reversal, stays
                owed["debit_done"] = True
            if not open_returns(account, owed["order"] or {}):
                self.debit_anew(owed, today + DAY)
                if owed["due_on"] < today:
                    late.append(owed)
        if late:
            self.fired["reversal makes overdue"] += 1
            self.fall_overdue(account, late, late[0]["due_on"], now, next_midnight(now))
            for owed in late:
                owed["overdue_at"] = midnight(today)  # steps are those of a day
