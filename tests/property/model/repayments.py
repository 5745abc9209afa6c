"""Money that comes in, fails to, is taken back, or comes back after all."""

from datetime import datetime

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
    by_due_date,
    credit,
    is_in,
    is_overdue,
    obligation_status,
    obligations_of,
    open_amount,
    open_returns,
    owed_in_all,
    unpaid,
)
from tests.property.model.returns import ReturnRules
from tests.property.model.timeline import fall, log_payment

REFERENCE_UNKNOWN = ("applied", "reference_unknown")


class RepaymentRules(ReturnRules):
    """Everything that comes by `repayment`."""

    def on_repayment_received(self, account, body, now, at) -> Verdict:
        known = self._came_before(account, body)
        if known:
            return known
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
        self._receive(account, body, body.purpose, order, debit, now, at)
        return APPLIED

    def repayment_waited_in_vain(self, account: Facts, body, now: datetime, at: datetime) -> Verdict:
        """What it names never came: the money is there all the same."""
        known = self._came_before(account, body)
        if known:
            return known
        if body.currency != account["currency"]:
            return self.refuse(account["party"], "repayment", body.repayment_id, "currency_mismatch")
        self._receive(account, body, "account", None, self._debit_of(account, body.debit_id), now, at)
        self.notify(account, now, "repayment_unmatched_reference", body.repayment_id, body.amount_minor)
        self.fired["money with an unknown reference"] += 1
        return REFERENCE_UNKNOWN

    def _came_before(self, account: Facts, body) -> Verdict | None:
        known = account["repayments"].get(body.repayment_id) or account["suspense"].get(body.repayment_id)
        return known and (DUPLICATE if known["body"] == body else CONFLICT)

    def _receive(self, account, body, purpose, order, debit, now, at) -> None:
        account["credit_rests"] = False
        waived = self._pay_off(account, body, now, at) if purpose == "payoff" else []
        if debit is not None:
            money = self._success(account, debit, body.amount_minor, now, at)
        elif purpose == "order":
            money = self.money(body.amount_minor, at, lambda owed: owed["order"] is order, recovers=True)
        else:
            money = self.money(body.amount_minor, at, lambda owed: True, recovers=True)
        account["repayments"][body.repayment_id] = {
            "body": body,
            "money": money,
            "waived": waived,
            "reversed": False,
            "reinstated": False,
        }
        self.place(account, money, now)
        self.settle_up(account, now, money["at"])

    def _success(self, account: Facts, debit: Facts, amount: int, now: datetime, at: datetime) -> Facts:
        """As of its request. Where nothing waits for it any more it pays what is due, and the rest goes out."""
        unexpected = debit["status"] in {"cancelled", "succeeded"} or debit["unanswered"]
        self.fired[f"debit succeeds though {debit['status']}"] += debit["status"] != "requested"
        self.fired["debit succeeds though unanswered"] += debit["unanswered"]
        debit["status"], debit["retry_at"] = "succeeded", None
        self.notify(account, now, "debit_made")
        at = self.counts_from(debit, at)
        if unexpected:
            day = business_date(now)
            first = debit["goes_to"] if debit["unanswered"] else ()
            return self.money(
                amount,
                at,
                lambda owed: owed["due_on"] <= day or is_in(owed, first),
                first=first,
                rest="out",
                recovers=True,
            )
        return self.money(amount, at, lambda owed: True, first=debit["goes_to"], recovers=True)

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
        asked_in_full = [owed for owed, _ in debit["asks"] if not any(self.unasked(account, owed).values())]
        debit["status"] = "failed"
        if debit["unanswered"]:
            self.fired["unanswered debit fails after all"] += 1
            return APPLIED
        if body.retryable and debit["attempt"] <= len(RETRIES):
            debit["retry_at"] = debit["first_at"] + RETRIES[debit["attempt"] - 1]
        else:
            self.exhaust(asked_in_full, now)
            self.fired["failed for good, the rest of it waits for its own debit"] += len(asked_in_full) < len(
                debit["asks"]
            )
            self.notify(account, now, "debit_failed", debit["amount"], debit["due_on"])
        return APPLIED

    # Taken back.

    def on_repayment_reversed(self, account, body, now, at) -> Verdict:
        if body.repayment_id in account["suspense"]:
            return self.take_out_of_suspense(account["party"], body.repayment_id, "reversed", now)
        repayment = account["repayments"].get(body.repayment_id)
        if repayment is None:
            return self.unknown(account["party"], "repayment", body.repayment_id)
        if repayment["reversed"] or repayment["reinstated"]:
            return DUPLICATE
        repayment["reversed"] = True
        unpaid_again, gone = self._take_back_shares(account, repayment, now)
        from_credit = min(gone, credit(account))
        account["credits"].append(-from_credit)
        before = account["given_up"] and account["given_up"]["obligations"]
        if before:
            self.charge_off(account, [owed for owed in unpaid_again if is_in(owed, before)])
        if gone > from_credit:
            self.fired["reversal of money gone"] += 1
            lost = self.make_obligation(account, None, business_date(now) + DAY, None, gone - from_credit, now)
            unpaid_again.append(lost)
            if before:
                self.charge_off(account, [lost])
        self._fall_due_again(account, unpaid_again, now)
        self.notify(account, now, "repayment_reversed", body.repayment_id, repayment["body"].amount_minor)
        return APPLIED

    def _take_back_shares(self, account: Facts, repayment: Facts, now: datetime) -> tuple[list[Facts], int]:
        """Un-pay, from now on, what still counts as paid. Returns these obligations, and how much counts no longer."""
        money = repayment["money"]
        account["money"] = [each for each in account["money"] if each is not money]
        recovered = min(money["recovered"], account["recovered"])  # what a return gave back is gone
        account["recovered"] -= recovered
        gone = money["credit"] + money["gone"] + money["recovered"] - recovered
        unpaid_again, repayment["undone"] = [], []
        for owed, parts in money["shares"]:
            for part, amount in parts.items():
                back = min(amount, owed["paid"][part])
                gone += amount - back
                if back:
                    repayment["undone"].append((owed, log_payment(owed, part, -back, now)))
            unpaid_again.append(owed)
        for owed, fee in repayment["waived"]:
            owed["fee"] += fee
            unpaid_again.append(owed)
        for order in account["orders"].values():
            if any(owed["order"] is order for owed in unpaid_again):
                self.recompute_fees(obligations_of(account, order), now)
        return unpaid_again, gone

    def _fall_due_again(self, account: Facts, unpaid_again: list[Facts], now: datetime) -> None:
        late, missed, today = [], [], business_date(now)
        for owed in by_due_date(account["obligations"]):
            if not is_in(owed, unpaid_again) or not open_amount(owed) or owed["due_on"] > today:
                continue
            if owed["debit_on"] <= today:  # a later day, set by an earlier reversal, stays
                owed["debit_done"] = True
            owed["exhausted"] = False
            if is_overdue(owed):
                fall(owed, now)  # more of it is overdue since now
                missed.append(owed)
            returned = open_returns(account, owed["order"] or {})
            if obligation_status(owed) == "open" and owed["due_on"] < today and not returned:
                late.append(owed)
        if late:
            self.fired["reversal makes overdue"] += 1
            self.fall_overdue(account, late, late[0]["due_on"], now)
        self.call_in(account, missed, now)

    def on_repayment_reinstated(self, account, body, now, at) -> Verdict:
        repayment = account["repayments"].get(body.repayment_id)
        if repayment is None:
            return self.unknown(account["party"], "repayment", body.repayment_id)
        if repayment["reinstated"]:
            return DUPLICATE
        if not repayment["reversed"]:
            return self.unknown(account["party"], "reversal", body.repayment_id)
        repayment.update(reversed=False, reinstated=True)
        old = repayment["money"]
        before = account["given_up"]["obligations"] if account["given_up"] else []
        for owed, entry in repayment["undone"]:
            if is_in(owed, before):  # what was given up stays as it is: the money recovers it
                continue
            owed["payments"] = [each for each in owed["payments"] if each is not entry]
            self._forget(owed, old, entry["part"], -entry["amount"])
            self.look_back(account, owed)
        waived = []
        for owed, fee in repayment["waived"]:
            waived.append((owed, min(fee, unpaid(owed, "fee"))))
            owed["fee"] -= waived[-1][1]
        repayment["waived"] = waived
        money = repayment["money"] = self.money(
            repayment["body"].amount_minor,
            old["place"],
            old["pays"],
            first=old["first"],
            rest=old["rest"],
            recovers=True,
        )
        money["no"] = old["no"]
        account["credit_rests"] = False
        self.place(account, money, now, old["shares"])
        self.settle_up(account, now, money["at"])
        self.notify(account, now, "repayment_reinstated", body.repayment_id, repayment["body"].amount_minor)
        return APPLIED

    def _forget(self, owed: Facts, money: Facts, part: str, amount: int) -> None:
        """As if it had never paid so much of it."""
        for entry in owed["payments"]:
            if entry["by"] is money and entry["part"] == part:
                less = min(amount, entry["amount"])
                entry["amount"] -= less
                amount -= less
