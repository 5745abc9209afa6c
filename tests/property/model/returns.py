"""Returns: requested, reviewed, inspected, withdrawn, expired, refunded."""

from datetime import datetime

from tests.property.model.facts import (
    APPLIED,
    CONFLICT,
    DUPLICATE,
    PARCEL_WAIT,
    PARKED,
    WRONG_STATE,
    Facts,
    Verdict,
    business_date,
    first_due_date,
    first_of,
    left_of,
    midnight,
    obligations_of,
    open_returns,
    order_status,
    programme,
    under_return,
    unpaid,
)
from tests.property.model.orders import OrderRules


class ReturnRules(OrderRules):
    """Everything that comes by `return-inspection`."""

    def on_return_requested(self, account, body, now, at) -> Verdict:
        known = account["returns"].get(body.return_id)
        if known:
            return DUPLICATE if known["request"] == body else CONFLICT
        order = self.find_order(account, body.order_id)
        if isinstance(order, tuple):
            return order
        reason = self._why_no_return(account, order, body, at)
        if reason:
            self.notify(account, now, "return_declined", reason)
            return self.refuse(account["party"], "return", body.return_id, reason)
        back = account["returns"][body.return_id] = {
            "return_id": body.return_id,
            "request": body,
            "order": order,
            "amount": body.amount_minor,
            "status": "awaiting_review",
            "review": None,
            "inspected": None,
        }
        self.hand_to_merchant(account, order, "after_sales", 1)
        self.take_out_of_debits(account, obligations_of(account, order), now)
        if body.reason != "quality_issue":
            self._approve(account, back, now, at)
        return APPLIED

    def _why_no_return(self, account: Facts, order: Facts, body, at: datetime) -> str | None:
        status, day = order_status(account, order), first_due_date(account, order)
        if day is None:
            outside = False
        elif order["kind"] == "trial":
            outside = at >= midnight(day)
        else:
            outside = business_date(at) > day
        quality = body.reason == "quality_issue"
        return first_of(
            [
                (status == "cancelled", "wrong_state"),
                (body.currency != account["currency"], "currency_mismatch"),
                (body.amount_minor > left_of(order) - under_return(account, order), "amount_exceeds_order"),
                (not quality and (outside or status == "overdue"), "window_closed"),
                (quality and not body.evidence, "evidence_missing"),
            ]
        )

    def _approve(self, account: Facts, back: Facts, now: datetime, at: datetime) -> None:
        back["review"], back["status"], back["approved_at"] = "approved", "awaiting_parcel", at
        self.notify(account, now, "return_approved")
        if not programme(account).get("inspects", True):
            self._refund(account, back, now, at)

    def on_return_reviewed(self, account, body, now, at) -> Verdict:
        back = account["returns"].get(body.return_id)
        if back is None:
            return self.unknown(account["party"], "return", body.return_id)
        if back["review"] is not None:
            return DUPLICATE if back["review"] == body.outcome else WRONG_STATE
        if back["status"] != "awaiting_review":
            return WRONG_STATE
        if body.outcome == "approved":
            self._approve(account, back, now, at)
            return APPLIED
        back["review"] = "rejected"
        self.end_return(account, back, "rejected")
        self.notify(account, now, "return_rejected", body.opinion)
        self.goes_on(account, back["order"], now, at)
        return APPLIED

    def on_return_withdrawn(self, account, body, now, at) -> Verdict:
        back = account["returns"].get(body.return_id)
        if back is None:
            return self.unknown(account["party"], "return", body.return_id)
        if back["status"] == "withdrawn":
            return DUPLICATE
        if back not in open_returns(account, back["order"]):
            return WRONG_STATE
        self.end_return(account, back, "withdrawn")
        self.goes_on(account, back["order"], now, at)
        return APPLIED

    def on_parcel_inspected(self, account, body, now, at) -> Verdict:
        back = account["returns"].get(body.return_id)
        if back is None:
            return self.unknown(account["party"], "return", body.return_id)
        if back["status"] == "awaiting_review":
            return PARKED
        if back["status"] != "awaiting_parcel":
            return DUPLICATE if back["inspected"] == body.condition else WRONG_STATE
        back["inspected"] = body.condition
        if body.condition == "intact":
            self._refund(account, back, now, at)
        else:
            self.end_return(account, back, "parcel_refused")
            self.notify(account, now, "parcel_refused")
            self.goes_on(account, back["order"], now, at)
        return APPLIED

    def due_of_returns(self, account: Facts) -> list[tuple]:
        return [
            (back["approved_at"] + PARCEL_WAIT, 10, "parcel", back["return_id"], back)
            for back in account["returns"].values()
            if back["status"] == "awaiting_parcel"
        ]

    def expire(self, account: Facts, back: Facts, now: datetime) -> None:
        self.end_return(account, back, "expired")
        self.notify(account, now, "return_expired")
        self.goes_on(account, back["order"], now, back["approved_at"] + PARCEL_WAIT)

    def end_return(self, account: Facts, back: Facts, status: str) -> None:
        back["status"] = status
        self.hand_to_merchant(account, back["order"], "after_sales", -1)

    def _refund(self, account: Facts, back: Facts, now: datetime, at: datetime) -> None:
        self.end_return(account, back, "refunded")
        order, amount = back["order"], back["amount"]
        theirs = obligations_of(account, order)
        released = amount
        if theirs:
            account["credit_rests"] = False
            self.hand_to_merchant(account, order, "payable", -amount)
            released = self._take_back(theirs, amount)
        order["returned"] += amount
        self.recompute_fees(theirs)
        self.released(account, order["order_id"], released, "returned", now)
        self.pay_out(account, now, amount - released, "card", "order_refund", order["order_id"])
        self.notify(account, now, "return_refunded", amount, amount - released)
        self.settle_up(account, now, at)
        self.goes_on(account, order, now, at)

    def _take_back(self, theirs: list[Facts], amount: int) -> int:
        """Reduce unpaid principal, then paid principal, from the last due date backwards. Returns the unpaid part."""
        backwards = sorted(theirs, key=lambda owed: owed["due_on"])[::-1]
        unpaid_part = 0
        for owed in backwards:
            less = min(unpaid(owed, "principal"), amount - unpaid_part)
            owed["principal"] -= less
            unpaid_part += less
        paid_part = amount - unpaid_part
        for owed in backwards:
            less = min(owed["paid"]["principal"], paid_part)
            owed["principal"] -= less
            owed["paid"]["principal"] -= less
            paid_part -= less
        return unpaid_part
