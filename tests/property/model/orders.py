"""Orders: placing, receipt, keeping, capture by schedule, lowering, extension, cancelling, bills in instalments."""

from datetime import datetime

from tests.property.model.facts import (
    APPLIED,
    AUTOMATIC_RECEIPT,
    CONFLICT,
    DUPLICATE,
    FEE_BPS,
    PARKED,
    REMINDER,
    WRONG_STATE,
    Facts,
    Verdict,
    available,
    business_date,
    declined,
    first_due_date,
    first_of,
    half_up,
    left_of,
    midnight,
    next_first,
    obligation_status,
    obligations_of,
    open_returns,
    order_status,
    parts_of,
    programme,
)
from tests.property.model.obligations import DAY, ObligationRules
from tests.property.model.timeline import waive_rest


class OrderRules(ObligationRules):
    """Everything that comes by `purchase`."""

    def on_purchase_placed(self, account, body, now, at) -> Verdict:
        known = account["orders"].get(body.order_id)
        if known:
            return DUPLICATE if known["placing"] == body else CONFLICT
        reason = self._why_not_placed(account, body)
        if reason:
            self.notify(account, now, "purchase_declined", reason)
            return self.refuse(account["party"], "order", body.order_id, reason)
        deferred = body.plan.kind.value == "deferred"
        order = account["orders"][body.order_id] = {
            "order_id": body.order_id,
            "placing": body,
            "placed_at": at,
            "merchant_id": body.merchant_id,
            "amount": body.amount_minor,
            "returned": 0,
            "credited": 0,
            "kind": body.plan.kind.value,
            "stage": "held",
            "received": False,
            "kept": False,
            "extended": False,
            "due_on": business_date(at) + body.plan.days * DAY if deferred else None,
            "remind_of": None,
        }
        self.notify(account, now, "purchase_accepted")
        if programme(account)["captured"] == "placing":
            self.capture(account, order, now, at)
        return APPLIED

    def _why_not_placed(self, account: Facts, body) -> str | None:
        plan = (body.plan.kind.value, body.plan.days, body.plan.periods)
        kinds = None if body.item_plans is None else [each.value for each in body.item_plans]
        return self.why_no_credit(account) or first_of(
            [
                (not body.item_eligible, "not_supported"),
                (kinds is not None and plan[0] not in kinds, "not_supported"),
                (not self.shop_takes_part(body), "not_supported"),
                (plan not in programme(account)["plans"], "plan_not_offered"),
                (not self.shop_offers(body.merchant_id, body.plan), "plan_not_offered"),
                (self.above_shop_maximum(body), "above_shop_maximum"),
                (body.currency != account["currency"], "currency_mismatch"),
                (body.amount_minor > available(account), "limit_exceeded"),
            ]
        )

    def find_order(self, account: Facts, order_id: str) -> Facts | Verdict:
        return account["orders"].get(order_id) or self.unknown(account["party"], "order", order_id)

    # Receipt and what follows.

    def on_purchase_received(self, account, body, now, at) -> Verdict:
        order = self.find_order(account, body.order_id)
        if isinstance(order, tuple):
            return order
        if order["received"]:
            return DUPLICATE
        if order_status(account, order) in {"cancelled", "returned"}:
            return WRONG_STATE
        self.receive_order(account, order, now, at)
        return APPLIED

    def receive_order(self, account: Facts, order: Facts, now: datetime, at: datetime) -> None:
        order["received"] = True
        if order["kind"] == "trial":
            order["stage"] = "trial"
            self._set_trial_end(order, business_date(at) + order["placing"].plan.days * DAY, now)
        elif order["stage"] == "held" and not open_returns(account, order):
            self.capture(account, order, now, at)

    def _set_trial_end(self, order: Facts, day, now: datetime) -> None:
        order["due_on"] = day
        order["remind_of"] = day if midnight(day) - REMINDER > now else None

    def due_of_orders(self, account: Facts) -> list[tuple]:
        things: list[tuple] = []
        for order in account["orders"].values():
            status = order_status(account, order)
            if not order["received"] and status not in {"cancelled", "returned"}:
                instant = order["placed_at"] + AUTOMATIC_RECEIPT
                things.append((instant, 10, "automatic_receipt", order["order_id"], order))
            if status == "trial" and not open_returns(account, order):
                things.append((midnight(order["due_on"]), 10, "trial", order["order_id"], order))
            if status == "trial" and order["remind_of"] is not None:
                instant = midnight(order["remind_of"]) - REMINDER
                things.append((instant, 95, "trial_reminder", order["order_id"], order))
        return things

    def remind_of_trial(self, account: Facts, order: Facts, now: datetime) -> None:
        order["remind_of"] = None
        if not open_returns(account, order):
            self.notify(account, now, "trial_ending", order["order_id"], left_of(order), order["due_on"])

    def on_purchase_kept(self, account, body, now, at) -> Verdict:
        order = self.find_order(account, body.order_id)
        if isinstance(order, tuple):
            return order
        if order["kept"]:
            return DUPLICATE
        status = order_status(account, order)
        if order["kind"] == "trial" and status == "held" and not open_returns(account, order):
            return PARKED
        if status != "trial" or open_returns(account, order):
            return WRONG_STATE
        order["kept"] = True
        [owed] = self.capture(account, order, now, at)
        self.debit(account, [(owed, self.rest(account, owed))], owed["due_on"], 1, "kept", now, now)
        return APPLIED

    def capture(
        self, account: Facts, order: Facts, now: datetime, at: datetime, *, trial_ended: bool = False
    ) -> list[Facts]:
        """The order is owed from now on, by the schedule of its plan."""
        order["stage"] = "captured"
        whole = left_of(order)
        self.hand_to_merchant(account, order, "payable", whole)
        if order["kind"] in {"trial", "deferred"}:
            return [
                self.make_obligation(account, order, order["due_on"], None, whole, now, trial_ended=trial_ended),
            ]
        periods = order["placing"].plan.periods or 1
        in_instalments = order["kind"] == "instalment"
        schedule = self.new_schedule(account) if in_instalments else None
        fee = half_up(whole, FEE_BPS) if in_instalments else 0
        bill, made = business_date(at), []
        for part in parts_of(whole, periods):
            bill = next_first(bill)
            if part:
                due_on = bill.replace(day=programme(account)["due_day"])
                made.append(self.make_obligation(account, order, due_on, bill, part, now, fee=fee, schedule=schedule))
        return made

    def goes_on(self, account: Facts, order: Facts, now: datetime, at: datetime) -> None:
        """After its last return ended the order's due date is at least the next business date; it is debited again."""
        if open_returns(account, order) or order_status(account, order) in {"returned", "cancelled"}:
            return
        day = business_date(at) + DAY
        if order["due_on"] is not None and order["stage"] in {"held", "trial"}:
            order["due_on"] = max(order["due_on"], day)
        if order["stage"] == "held" and order["received"]:
            self.capture(account, order, now, at)
            return
        for owed in obligations_of(account, order):
            if obligation_status(owed) == "overdue":
                owed["exhausted"] = False
                self.debit_anew(owed, business_date(now) + DAY)
            elif obligation_status(owed) == "open":
                remind_of = owed["remind_of"] if owed["due_on"] >= day else None
                self.move_due_date(owed, max(owed["due_on"], day), now)
                owed["remind_of"] = remind_of

    def recompute_fees(self, theirs: list[Facts], now: datetime) -> None:
        """Of each schedule 60 bps of the principal left in it; never more than it was, nor less than was paid."""
        for owed in theirs:
            if owed["schedule"] is not None:
                whole = sum(each["principal"] for each in theirs if each["schedule"] == owed["schedule"])
                settled = owed["paid"]["fee"] + owed["lost"]["fee"]
                owed["fee"] = min(owed["fee"], max(half_up(whole, FEE_BPS), settled))
            waive_rest(owed, now)

    def on_extension_requested(self, account, body, now, at) -> Verdict:
        order = self.find_order(account, body.order_id)
        if isinstance(order, tuple):
            return order
        status = order_status(account, order)
        if status in {"cancelled", "returned", "settled"} or order["kept"]:
            return WRONG_STATE
        longest = programme(account).get("extension")
        if longest is not None and status == "held":
            return PARKED
        reason = first_of(
            [
                (longest is None, "not_offered"),
                (
                    longest is not None
                    and (business_date(at) >= first_due_date(account, order) or status == "overdue"),
                    "too_late",
                ),
                (order["extended"], "extension_used"),
                (longest is not None and body.days > longest, "extension_too_long"),
            ]
        )
        if reason:
            self.notify(account, now, "extension_refused", reason)
            return declined(reason)
        order["extended"] = True
        self._set_trial_end(order, first_due_date(account, order) + body.days * DAY, now)
        for owed in obligations_of(account, order):
            if obligation_status(owed) != "open":
                continue
            self.move_due_date(owed, owed["due_on"] + body.days * DAY, now)
            self.take_out_of_debits(account, [owed], now)
        self.notify(account, now, "extension_granted", order["due_on"])
        return APPLIED
