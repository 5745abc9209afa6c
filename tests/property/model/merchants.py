"""Merchants: registration and payout dates, cases, deposits and their refunds, shop balance."""

from collections import defaultdict
from collections.abc import Callable
from datetime import date, datetime, timedelta

from settlement.party import Party
from tests.property.model.facts import (
    APPLIED,
    CONFLICT,
    DAY,
    DUPLICATE,
    PARKED,
    WRONG_STATE,
    Facts,
    Verdict,
    business_date,
    declined,
    first_of,
    midnight,
)
from tests.property.model.obligations import ObligationRules

FREEZE = timedelta(days=30)
UNPAID = timedelta(days=90)
REVIEW_DAYS, URGENT_REVIEW_DAYS = 7, 3


class MerchantRules(ObligationRules):
    """Everything that comes by `merchant`, `merchant-activity` and `deposit-refund-request`."""

    def __init__(self, name: Callable[[Facts], str], working_days: frozenset[date]) -> None:
        super().__init__(name)
        self.working_days = working_days

    def due_of_merchant(self, merchant: Facts) -> list[tuple]:
        """(instant, rank, kind, name, what) of all that the present state leads to."""
        things: list[tuple] = []
        if merchant["next_payout_on"]:
            things.append((midnight(merchant["next_payout_on"]), 90, "merchant_payout", "", None))
        for request_id, request in merchant["requests"].items():
            deposit = merchant["deposits"][request["deposit_id"]]
            waits = request["status"] == "awaiting_review"
            if request["status"] == "approved":
                things.append((midnight(deposit["frozen_until"]), 80, "deposit", request_id, request))
            if waits and not request["review_late"]:
                late_at = midnight(request["review_due_on"] + DAY)
                things.append((late_at, 80, "deposit_review_late", request_id, request))
            unpaid_at = midnight(deposit["paid_on"] + UNPAID)
            is_open = waits or request["status"] == "approved"
            if is_open and not request["unpaid"] and request["requested_at"] < unpaid_at:
                things.append((unpaid_at, 80, "deposit_unpaid", request_id, request))
        return things

    def do_of_merchant(self, party: Party, merchant: Facts, kind: str, what: Facts, now: datetime) -> None:
        match kind:
            case "deposit":
                self.pay_deposit(party, merchant, what, now)
            case "deposit_review_late":
                what["review_late"] = True
                self._escalate(merchant, what, "review_late", now)
            case "deposit_unpaid":
                what["unpaid"] = True
                self._escalate(merchant, what, "refund_unpaid", now)
            case "merchant_payout":
                self._settle(merchant, now)

    def _escalate(self, merchant: Facts, request: Facts, reason: str, now: datetime) -> None:
        what = ("deposit_refund_escalated", request["request_id"], request["amount"], reason)
        self.notify(merchant, now, *what)
        self.notify(merchant, now, *what, "to operators")

    def _settle(self, merchant: Facts, now: datetime) -> None:
        """A payout date has come, or several are made up for: what is payable goes out, if it is more than nothing."""
        while midnight(merchant["next_payout_on"]) <= now:
            merchant["counts_from"] = merchant["next_payout_on"]
            self._count_on(merchant)
        payable = merchant["payable"][merchant["currency"]]
        self.fired["negative payable waits"] += payable < 0
        if payable > 0:
            merchant["payable"][merchant["currency"]] = 0
            name = self.pay_out(merchant, now, payable, "bank", "merchant_settlement")
            self.notify(merchant, now, "settlement_paid", name, payable)

    def _count_on(self, merchant: Facts) -> None:
        merchant["next_payout_on"] = merchant["counts_from"] + merchant["cycle"]

    def _merchant(self, party: Party) -> Facts:
        return self.parties.setdefault(
            party,
            {
                "party": party,
                "known": False,
                "registration": None,
                "currency": None,
                "cycle": None,
                "counts_from": None,
                "next_payout_on": None,
                "payable": defaultdict(int),
                "activity": 0,
                "after_sales": 0,
                "cases": {},
                "deposits": {},
                "requests": {},
                "tries": {},
                "shop_balance": 0,
                "withdrawals": {},
                "payouts": {},
            },
        )

    def on_merchant_activity(self, party, body, now, at) -> Verdict:
        merchant = self._merchant(party)
        merchant["payable"][body.currency] += body.payable_minor
        merchant["activity"] += body.payable_minor
        merchant["after_sales"] += body.after_sales
        return APPLIED

    def on_merchant_registered(self, party, body, now, at) -> Verdict:
        merchant = self._merchant(party)
        if merchant["known"]:
            return DUPLICATE if merchant["registration"] == body else CONFLICT
        merchant.update(known=True, registration=body, currency=body.currency)
        merchant.update(cycle=timedelta(days=body.settlement_cycle_days), counts_from=business_date(at))
        self._count_on(merchant)
        self.fired["registered late, paid at once"] += self._pays_at_once(merchant, now)
        return APPLIED

    def _pays_at_once(self, merchant: Facts, now: datetime) -> bool:
        return midnight(merchant["next_payout_on"]) <= now and merchant["payable"][merchant["currency"]] > 0

    def on_settlement_cycle_changed(self, merchant, body, now, at) -> Verdict:
        """All payout dates that have come are behind: `counts_from` is the last of them, or the registration."""
        merchant["cycle"] = timedelta(days=body.settlement_cycle_days)
        self._count_on(merchant)
        self.fired["cycle changed, paid at once"] += self._pays_at_once(merchant, now)
        return APPLIED

    def on_case_opened(self, merchant, body, now, at) -> Verdict:
        known = merchant["cases"].get((body.kind, body.case_id))
        if known:
            return DUPLICATE if known["opening"] == body else CONFLICT
        merchant["cases"][body.kind, body.case_id] = {"opening": body, "open": True}
        return APPLIED

    def on_case_closed(self, merchant, body, now, at) -> Verdict:
        known = merchant["cases"].get((body.kind, body.case_id))
        if not known:
            return PARKED
        if not known["open"]:
            return DUPLICATE
        known["open"] = False
        return APPLIED

    def on_deposit_paid(self, merchant, body, now, at) -> Verdict:
        known = merchant["deposits"].get(body.deposit_id)
        if known:
            return DUPLICATE if known["payment"] == body else CONFLICT
        if body.currency != merchant["currency"]:
            return self.refuse(merchant["party"], "deposit", body.deposit_id, "currency_mismatch")
        frozen_until = business_date(at) + FREEZE
        merchant["deposits"][body.deposit_id] = {
            "payment": body,
            "left": body.amount_minor,
            "paid_on": business_date(at),
            "frozen_until": frozen_until,
        }
        return APPLIED

    # Deposit refund.

    def on_deposit_refund_requested(self, merchant, body, now, at) -> Verdict:
        known = merchant["requests"].get(body.request_id)
        if known:
            return DUPLICATE if known["request"] == body else CONFLICT
        deposit = merchant["deposits"].get(body.deposit_id)
        if deposit is None:
            return self.unknown(merchant["party"], "deposit", body.deposit_id)
        party = merchant["party"]
        if body.currency != merchant["currency"]:
            self.notify(merchant, now, "deposit_refund_refused", body.request_id, ("currency_mismatch",))
            merchant["tries"][body.request_id] = ("currency_mismatch",)
            return self.refuse(party, "request", body.request_id, "currency_mismatch")
        amount = deposit["left"] if body.amount_minor is None else body.amount_minor
        request = {
            "request_id": body.request_id,
            "request": body,
            "deposit_id": body.deposit_id,
            "amount": amount,
            "status": "awaiting_review",
            "reasons": (),
            "review": None,
            "opinion": None,
            "requested_at": at,
            "review_late": False,
            "unpaid": False,
            "review_due_on": None,
        }
        unmet = self._unmet(merchant, request)
        if unmet:
            self.notify(merchant, now, "deposit_refund_refused", body.request_id, unmet)
            merchant["tries"][body.request_id] = unmet
            return self.refuse(party, "request", body.request_id, unmet[0])
        request["review_due_on"] = self._working_day(at, URGENT_REVIEW_DAYS if body.urgent else REVIEW_DAYS)
        if request["review_due_on"] is None:
            return ("dead_lettered", "calendar_unknown")
        merchant["requests"][body.request_id] = request
        merchant["tries"].pop(body.request_id, None)
        self.notify(merchant, now, "deposit_refund_received", request["request_id"], amount, request["review_due_on"])
        return APPLIED

    def _unmet(self, merchant: Facts, request: Facts) -> tuple[str, ...]:
        still_open = {key[0].value for key, case in merchant["cases"].items() if case["open"]}
        deposit = merchant["deposits"][request["deposit_id"]]
        others = [
            each
            for each in merchant["requests"].values()
            if each is not request
            and each["deposit_id"] == request["deposit_id"]
            and each["status"] in {"awaiting_review", "approved"}
        ]
        checks = [
            ("promotion" in still_open, "promotion_active"),
            ("dispute" in still_open, "dispute_open"),
            (merchant["after_sales"] > 0, "after_sale_open"),
            ("violation" in still_open, "violation_open"),
            (self._owes(merchant), "owes_platform"),
            (request["amount"] > deposit["left"] or not request["amount"], "amount_exceeds_deposit"),
            (others, "refund_in_progress"),
        ]
        return tuple(reason for fails, reason in checks if fails)

    def _owes(self, merchant: Facts) -> bool:
        return merchant["payable"][merchant["currency"]] < 0

    def on_deposit_refund_reviewed(self, merchant, body, now, at) -> Verdict:
        request = merchant["requests"].get(body.request_id)
        if request is None:
            return self.unknown(merchant["party"], "request", body.request_id)
        if request["status"] == "withdrawn":
            return WRONG_STATE
        if request["status"] != "awaiting_review":
            return DUPLICATE if request["review"] == body.outcome else WRONG_STATE
        request["review"], request["opinion"] = body.outcome, body.opinion
        if body.outcome == "rejected":
            request["status"] = "rejected"
            self.notify(merchant, now, "deposit_refund_rejected", request["request_id"], body.opinion)
        elif unmet := self._unmet(merchant, request):
            self._end_request(merchant, request, unmet, now)
        else:
            request["status"] = "approved"
            frozen_until = merchant["deposits"][request["deposit_id"]]["frozen_until"]
            paid_on = max(frozen_until, business_date(now))
            self.notify(merchant, now, "deposit_refund_approved", request["request_id"], request["amount"], paid_on)
        return APPLIED

    def on_deposit_refund_withdrawn(self, merchant, body, now, at) -> Verdict:
        request = merchant["requests"].get(body.request_id)
        if request is None:
            return self.unknown(merchant["party"], "request", body.request_id)
        if request["status"] == "withdrawn":
            return DUPLICATE
        if request["status"] not in {"awaiting_review", "approved"}:
            return WRONG_STATE
        request["status"] = "withdrawn"
        return APPLIED

    def pay_deposit(self, party: Party, merchant: Facts, request: Facts, now: datetime) -> None:
        unmet = self._unmet(merchant, request)
        if unmet:
            self.fired["approved but declined on the day"] += 1
            self._end_request(merchant, request, unmet, now)
            return
        request["status"] = "paid"
        deposit = merchant["deposits"][request["deposit_id"]]
        deposit["left"] -= request["amount"]
        if request["request"].refund_to == "original_route":
            self.pay_out(
                merchant,
                now,
                request["amount"],
                deposit["payment"].route,
                "deposit_refund",
                request["request_id"],
            )
        else:
            merchant["shop_balance"] += request["amount"]
        refund_to = request["request"].refund_to
        self.notify(merchant, now, "deposit_refund_paid", request["request_id"], request["amount"], refund_to)

    def _end_request(self, merchant: Facts, request: Facts, unmet: tuple[str, ...], now: datetime) -> None:
        request["status"], request["reasons"] = "declined", unmet
        self.notify(merchant, now, "deposit_refund_refused", request["request_id"], unmet)

    def _working_day(self, at: datetime, count: int) -> date | None:
        """The so-manieth working day after a date; None when a year on the way is unknown."""
        known_years = {day.year for day in self.working_days}
        day = business_date(at)
        while count:
            day += DAY
            if day.year not in known_years:
                return None
            count -= day in self.working_days
        return day

    # Shop balance.

    def on_shop_withdrawal_requested(self, merchant, body, now, at) -> Verdict:
        known = merchant["withdrawals"].get(body.withdrawal_id)
        if known:
            return DUPLICATE if known == body else CONFLICT
        reason = first_of(
            [
                (body.currency != merchant["currency"], "currency_mismatch"),
                (self._owes(merchant), "owes_platform"),
                (body.amount_minor > merchant["shop_balance"], "insufficient_balance"),
            ]
        )
        if reason:
            self.notify(merchant, now, "shop_withdrawal_declined", body.withdrawal_id, reason)
            return declined(reason)
        merchant["withdrawals"][body.withdrawal_id] = body
        merchant["shop_balance"] -= body.amount_minor
        self.pay_out(merchant, now, body.amount_minor, "bank", "shop_withdrawal", body.withdrawal_id)
        self.notify(merchant, now, "shop_withdrawal_paid", body.withdrawal_id, body.amount_minor)
        return APPLIED
