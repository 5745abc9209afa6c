"""What changes of orders that are placed: lowered, credited, cancelled; bills in instalments."""

from datetime import datetime

from tests.property.model.facts import (
    APPLIED,
    CONFLICT,
    DUPLICATE,
    FEE_BPS,
    PARTS,
    WRONG_STATE,
    Facts,
    Verdict,
    business_date,
    credit,
    declined,
    first_of,
    half_up,
    left_of,
    lose,
    lost_amount,
    next_first,
    obligation_status,
    obligations_of,
    open_returns,
    order_status,
    owed_in_all,
    parts_of,
    programme,
    under_return,
    unpaid,
)
from tests.property.model.orders import OrderRules
from tests.property.model.timeline import change_principal, forget_penalty, limit_penalty, log_payment


class ChangeRules(OrderRules):
    """What lessens or divides what an order owes."""

    def on_amount_lowered(self, account, body, now, at) -> Verdict:
        order = self.find_order(account, body.order_id)
        if isinstance(order, tuple):
            return order
        theirs = obligations_of(account, order)
        asked = any(self.asked(account, owed, part) for owed in theirs for part in PARTS)
        reason = first_of(
            [
                (order_status(account, order) in {"cancelled", "returned"}, "wrong_state"),
                (any(map(lost_amount, theirs)), "wrong_state"),
                (body.currency != account["currency"], "currency_mismatch"),
                (body.amount_minor >= order["amount"], "not_lower"),
                (asked or any(sum(owed["paid"].values()) for owed in theirs), "already_paid"),
                (body.amount_minor < order["amount"] - left_of(order) + under_return(account, order), "below_returned"),
            ]
        )
        if reason:
            return declined(reason)
        lowered_by = order["amount"] - body.amount_minor
        order["amount"] = body.amount_minor
        rests = credit(account) > 0 and not owed_in_all(account)
        self.fired["hold lowered while credit rests"] += rests and not theirs
        if theirs:
            account["credit_rests"] = False
            self.hand_to_merchant(account, order, "payable", -lowered_by)
            self._reschedule(order, theirs, now)
        self.released(account, order["order_id"], lowered_by, "amount_lowered", now)
        self.notify(account, now, "purchase_amount_lowered", body.amount_minor, lowered_by)
        return APPLIED

    def _reschedule(self, order: Facts, theirs: list[Facts], now: datetime) -> None:
        """The schedule of the new total on the same dates, less what was returned or credited, the last first."""
        by_date = sorted(theirs, key=lambda owed: owed["due_on"])
        parts = parts_of(order["amount"], len(by_date))
        back = order["returned"] + order["credited"]
        for index in reversed(range(len(parts))):
            less = min(parts[index], back)
            parts[index] -= less
            back -= less
        for owed, part in zip(by_date, parts, strict=True):
            change_principal(owed, part - owed["principal"], now)
            limit_penalty(owed)  # nothing was paid
        self.recompute_fees(theirs, now)

    def on_purchase_credited(self, account, body, now, at) -> Verdict:
        known = account["given_credits"].get(body.credit_id)
        if known:
            return DUPLICATE if known == body else CONFLICT
        order = self.find_order(account, body.order_id)
        if isinstance(order, tuple):
            return order
        reason = first_of(
            [
                (order["stage"] != "captured" or order_status(account, order) == "returned", "wrong_state"),
                (body.currency != account["currency"], "currency_mismatch"),
                (body.amount_minor > left_of(order) - under_return(account, order), "amount_exceeds_order"),
            ]
        )
        if reason:
            self.notify(account, now, "purchase_credit_declined", reason)
            return self.refuse(account["party"], "credit", body.credit_id, reason)
        account["given_credits"][body.credit_id] = body
        account["credit_rests"] = False
        order["credited"] += body.amount_minor
        self.hand_to_merchant(account, order, "payable", -body.amount_minor)
        theirs = obligations_of(account, order)
        was = [owed["principal"] for owed in theirs]
        released, out = self.take_back_principal(account, theirs, body.amount_minor, now)
        for owed, principal in zip(theirs, was, strict=True):
            if owed["principal"] < principal:
                back = limit_penalty(owed)
                self.fired["paid penalty goes out with a credit"] += back > 0
                out += back
        self.recompute_fees(theirs, now)
        self.released(account, order["order_id"], released, "credited", now)
        self.pay_out(account, now, out, "card", "order_refund", order["order_id"])
        self.notify(account, now, "purchase_credited", body.amount_minor, out)
        return APPLIED

    def on_purchase_cancelled(self, account, body, now, at) -> Verdict:
        order = self.find_order(account, body.order_id)
        if isinstance(order, tuple):
            return order
        status = order_status(account, order)
        if status == "cancelled":
            return DUPLICATE
        if status == "returned" or order["received"]:
            return WRONG_STATE
        for each in open_returns(account, order):
            self.end_return(account, each, "withdrawn")
        released, repaid = left_of(order), 0
        if order["stage"] == "captured":
            account["credit_rests"] = False
            self.hand_to_merchant(account, order, "payable", -released)
            for owed in obligations_of(account, order):
                released -= owed["paid"]["principal"] + owed["lost"]["principal"]
                repaid += self.undo_obligation(account, owed, now)
        order["stage"] = "cancelled"
        self.released(account, order["order_id"], released, "cancelled", now)
        self.pay_out(account, now, repaid, "card", "order_refund", order["order_id"])
        return APPLIED

    def undo_obligation(self, account: Facts, owed: Facts, now: datetime) -> int:
        """It is no debt any more. Returns what was paid of it, penalties included."""
        paid = sum(owed["paid"].values())
        for part in PARTS:
            lose(account, owed, part, -owed["lost"][part])
        change_principal(owed, -owed["principal"], now)
        for part in ("fee", "principal"):
            log_payment(owed, part, -owed["paid"][part], now)
        owed["fee"] = 0
        forget_penalty(owed, now)
        return paid

    # A bill in instalments.

    def on_bill_instalment_requested(self, account, body, now, at) -> Verdict:
        day, periods = business_date(at), programme(account).get("bill_periods")
        billed = [
            owed
            for owed in account["obligations"]
            if owed["due_on"] == body.due_on
            and owed["order"] is not None
            and owed["schedule"] is None
            and owed["plan"] is None
            and obligation_status(owed) == "open"
            and unpaid(owed, "principal")
            and owed["billed_on"] is not None
            and owed["billed_on"] <= day
        ]
        reason = first_of(
            [
                (account["closed"], "line_closed"),
                (account["freezes"], "line_frozen"),
                (periods is None, "not_offered"),
                (periods is not None and body.periods not in periods, "plan_not_offered"),
                (day >= body.due_on, "too_late"),
                (not billed, "wrong_state"),
            ]
        )
        if reason:
            self.notify(account, now, "bill_instalment_refused", reason)
            return declined(reason)
        self.take_out_of_debits(account, billed, now)
        for owed in billed:
            self._split(account, owed, body.periods, now)
        self.notify(account, now, "bill_instalment_granted")
        return APPLIED

    def _split(self, account: Facts, owed: Facts, periods: int, now: datetime) -> None:
        order, bill, whole = owed["order"], owed["billed_on"], unpaid(owed, "principal")
        fee = half_up(whole, FEE_BPS)
        schedule = self.new_schedule(account)
        self.fired["bill split a second time"] += any(
            each["order"] is order and each["schedule"] is not None for each in account["obligations"]
        )
        keeps = not owed["paid"]["principal"]
        change_principal(owed, -whole, now)
        for part in parts_of(whole, periods):
            bill = next_first(bill)
            due_on = bill.replace(day=programme(account)["due_day"])
            if keeps:
                keeps = False
                change_principal(owed, part, now)
                owed.update(fee=fee, billed_on=bill, schedule=schedule)
                self.move_due_date(owed, due_on, now)
            elif part or fee:
                self.make_obligation(account, order, due_on, bill, part, now, fee=fee, schedule=schedule)
