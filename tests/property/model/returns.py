"""Returns: requested, reviewed, inspected, withdrawn, expired, refunded."""

from datetime import datetime

from tests.property.model.changes import ChangeRules
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
    by_due_date,
    first_due_date,
    first_of,
    left_of,
    lose,
    midnight,
    obligations_of,
    open_returns,
    order_status,
    programme,
    under_return,
    unpaid,
)
from tests.property.model.timeline import change_principal, forget_penalty, log_payment, look_again


class ReturnRules(ChangeRules):
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
        if not self._is_outside(account, order, at):
            self._undo_what_it_prevents(account, order, at)
        self.take_out_of_debits(account, obligations_of(account, order), now)
        self.settle_up(account, now, at)
        if body.reason != "quality_issue":
            self._approve(account, back, now, at)
        return APPLIED

    def _why_no_return(self, account: Facts, order: Facts, body, at: datetime) -> str | None:
        outside = self._is_outside(account, order, at)
        quality = body.reason == "quality_issue"
        return first_of(
            [
                (order_status(account, order) == "cancelled", "wrong_state"),
                (body.currency != account["currency"], "currency_mismatch"),
                (body.amount_minor > left_of(order) - under_return(account, order), "amount_exceeds_order"),
                (not quality and outside, "window_closed"),
                (quality and not body.evidence, "evidence_missing"),
            ]
        )

    def _is_outside(self, account: Facts, order: Facts, at: datetime) -> bool:
        """Of the window, by the time it was requested: whatever happened since does not count."""
        day = first_due_date(account, order)
        overdue = any(
            fall["at"] <= at and (fall["cleared_at"] is None or fall["cleared_at"] > at)
            for owed in obligations_of(account, order)
            for fall in owed["falls"]
        )
        if day is None or overdue:
            return overdue
        return at >= midnight(day) if order["kind"] == "trial" else business_date(at) > day

    def _undo_what_it_prevents(self, account: Facts, order: Facts, at: datetime) -> None:
        for owed in obligations_of(account, order):
            falls = [fall for fall in owed["falls"] if fall["at"] <= at]
            if len(falls) < len(owed["falls"]):
                owed["falls"] = falls
                account["credit_rests"] = False
                self.fired["late-told return undoes overdue"] += 1
                owed["charges"] = [charged_at for charged_at in owed["charges"] if charged_at <= at]
                self.look_back(account, owed)

    def _approve(self, account: Facts, back: Facts, now: datetime, at: datetime) -> None:
        back["review"], back["status"], back["approved_at"] = "approved", "awaiting_parcel", at
        self.notify(account, now, "return_approved")
        if back["request"].reason in programme(account).get("uninspected", ()):
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
        released, out = amount, 0
        order["returned"] += amount
        if theirs:
            account["credit_rests"] = False
            self.hand_to_merchant(account, order, "payable", -amount)
            released, out = self.take_back_principal(account, theirs, amount, now)
            out += sum(map(look_again, theirs))  # where it was lowered before, less may be left of penalties
            self.recompute_fees(theirs, now)
            if not left_of(order) and back["request"].reason == "quality_issue":
                out += self._give_charges_back(account, theirs, now)
        self.released(account, order["order_id"], released, "returned", now)
        self.pay_out(account, now, out, "card", "order_refund", order["order_id"])
        self.notify(account, now, "return_refunded", amount, out)
        self.settle_up(account, now, at)
        self.goes_on(account, order, now, at)

    def _give_charges_back(self, account: Facts, theirs: list[Facts], now: datetime) -> int:
        """What was paid of fees and penalties of an order that was sent back whole because it was not good."""
        back = 0
        for owed in theirs:
            for part in ("penalty", "fee"):
                lose(account, owed, part, -owed["lost"][part])
            back += owed["paid"]["fee"] + forget_penalty(owed, now)
            owed["fee"] = 0
            log_payment(owed, "fee", -owed["paid"]["fee"], now)
        self.fired["fees and penalties given back for quality"] += back > 0
        return back

    def take_back_principal(self, account: Facts, theirs: list[Facts], amount: int, now: datetime) -> tuple[int, int]:
        """Reduce unpaid principal, then what was charged off, then paid principal, from the last due date backwards.

        Returns:
            What limit is released, and what was paid and goes out.
        """
        backwards = by_due_date(theirs)[::-1]
        parts = []
        for of_it in (self._take_unpaid, self._take_lost, self._take_paid):
            part = 0
            for owed in backwards:
                less = of_it(account, owed, amount - sum(parts) - part, now)
                part += less
            parts.append(part)
        released, _, out = parts
        return released, out

    def _take_unpaid(self, account: Facts, owed: Facts, most: int, now: datetime) -> int:
        less = min(unpaid(owed, "principal"), most)
        change_principal(owed, -less, now)
        return less

    def _take_lost(self, account: Facts, owed: Facts, most: int, now: datetime) -> int:
        less = min(owed["lost"]["principal"], most)
        change_principal(owed, -less, now)
        lose(account, owed, "principal", -less)
        return less

    def _take_paid(self, account: Facts, owed: Facts, most: int, now: datetime) -> int:
        less = min(owed["paid"]["principal"], most)
        change_principal(owed, -less, now)
        log_payment(owed, "principal", -less, now)
        return less
