"""Credit line: opening, limit, freezes and their ends, appeals, cash-outs, closing."""

from datetime import datetime

from tests.property.model.facts import (
    APPLIED,
    CONFLICT,
    DUPLICATE,
    PARKED,
    Facts,
    Verdict,
    anything_overdue,
    available,
    business_date,
    clearings,
    declined,
    first_of,
    held,
    next_first,
    owed_in_all,
    programme,
    used,
)
from tests.property.model.hardship import HardshipRules
from tests.property.model.terms import TermsRules

UPHELD_LIFTS = ("security", "binding_changes", "credit_review")


class LineRules(HardshipRules, TermsRules):
    """Everything that comes by `credit-line`."""

    def on_credit_line_opened(self, party, body, now, at) -> Verdict:
        known = self.parties.get(party)
        if known and known["closed"]:
            return declined("line_closed")
        if known:
            return DUPLICATE if known["opening"] == body else CONFLICT
        terms = self.programmes.get(body.programme)
        if terms is None:
            return self.refuse(party, "party", party.id, "not_supported")
        if body.currency != terms["currency"]:
            return self.refuse(party, "party", party.id, "currency_mismatch")
        self.parties[party] = {
            "party": party,
            "known": True,
            "opening": body,
            "terms": terms,
            "currency": body.currency,
            "limit": body.limit_minor,
            "granted": body.limit_minor,
            "score": body.score,
            "card": body.card_linked,
            "identity": body.identity_verified,
            "freezes": set(),
            "was_frozen": set(),
            "closed": False,
            "orders": {},
            "obligations": [],
            "debits": [],
            "returns": {},
            "repayments": {},
            "credits": [],
            "credit_rests": False,
            "payout_failed": False,
            "payouts": {},
            "cash_outs": {},
            "given_up": None,
            "cash_out_days": {},
            "appeals": {},
            "upheld": False,
            "schedules": 0,
            "money": [],
            "penalties_told": None,
            "paid_before": [],
            "frozen_at": None,
            "given_credits": {},
            "waivers": {},
            "plans": {},
            "charge_offs": {},
            "charged_off": 0,
            "recovered": 0,
            "suspense": self.suspense_of(party),
        }
        return APPLIED

    def on_limit_changed(self, account, body, now, at) -> Verdict:
        if body.currency != account["currency"]:
            return declined("currency_mismatch")
        account["granted"] = body.limit_minor
        reclaims = programme(account).get("reclaims") and "overdue" in account["freezes"]
        target = min(account["limit"], body.limit_minor) if reclaims else body.limit_minor
        change = target - account["limit"]
        account["limit"] = target
        self.restored(account, change, "limit_raised", now)
        self.reclaimed(account, -change, "limit_lowered", now)
        return APPLIED

    def on_score_changed(self, account, body, now, at) -> Verdict:
        account["score"] = body.score
        return APPLIED

    def on_card_linked(self, account, body, now, at) -> Verdict:
        verdict = self._set(account, "card", value=True)
        in_vain = self.was_asked_in_vain(account, now)
        if verdict != APPLIED and not in_vain:
            return verdict
        account["credit_rests"] = False
        if in_vain:
            self.fired["asked for in vain, again by a card"] += 1
            self.ask_at_once(account, self.to_ask_now(account, now), now)
        return APPLIED

    def on_card_unlinked(self, account, body, now, at) -> Verdict:
        return self._set(account, "card", value=False)

    def on_identity_verified(self, account, body, now, at) -> Verdict:
        return self._set(account, "identity", value=True)

    def _set(self, account: Facts, flag: str, *, value: bool) -> Verdict:
        if account[flag] == value:
            return DUPLICATE
        account[flag] = value
        return APPLIED

    # Freezes.

    def on_line_frozen(self, account, body, now, at) -> Verdict:
        if body.reason in account["freezes"]:
            return DUPLICATE
        account["freezes"].add(body.reason)
        account["was_frozen"].add(body.reason)
        if body.reason == "risk_login":
            account["identity"] = False
        return APPLIED

    def on_line_unfrozen(self, account, body, now, at) -> Verdict:
        if body.reason not in account["was_frozen"]:
            return PARKED
        if body.reason not in account["freezes"]:
            return DUPLICATE
        if body.reason == "risk_login" and not account["identity"]:
            return declined("identity_not_verified")
        account["freezes"].remove(body.reason)
        if not account["freezes"]:
            self.restored(account, available(account), "unfrozen", now)
        return APPLIED

    def on_unfreeze_requested(self, account, body, now, at) -> Verdict:
        frozen = "overdue" in account["freezes"]
        on_request = programme(account)["restore"] == "on request"
        reason = first_of(
            [
                (account["closed"], "line_closed"),
                (anything_overdue(account), "overdue"),
                (not on_request, "not_offered"),
                (not frozen, "wrong_state"),
                (on_request and frozen and self._waits_still(account, at), "too_early"),
            ]
        )
        if reason:
            self.notify(account, now, "unfreeze_refused", reason)
            return declined(reason)
        self.end_overdue_freeze(account, "unfrozen", now)
        return APPLIED

    def _waits_still(self, account: Facts, at: datetime) -> bool:
        cleared = clearings(account, of_this_freeze=True)
        return any(cleared_at + programme(account)["wait"] > at for cleared_at in cleared)

    def on_appeal_decided(self, account, body, now, at) -> Verdict:
        if account["closed"]:
            return declined("line_closed")
        known = account["appeals"].get(body.appeal_id)
        if known:
            return DUPLICATE if known == body else CONFLICT
        account["appeals"][body.appeal_id] = body
        if body.outcome == "rejected":
            self.notify(account, now, "appeal_rejected", body.opinion)
            return APPLIED
        self.notify(account, now, "appeal_upheld", body.opinion)
        lifted = account["freezes"] & {*UPHELD_LIFTS}
        account["freezes"] -= lifted
        if anything_overdue(account):
            account["upheld"] = True
        elif "overdue" in account["freezes"]:
            self.end_overdue_freeze(account, "appeal", now)
        elif lifted and not account["freezes"]:
            self.restored(account, available(account), "appeal", now)
        return APPLIED

    # Cash-out.

    def on_cash_out_requested(self, account, body, now, at) -> Verdict:
        known = account["cash_outs"].get(body.cash_out_id)
        if known and not account["closed"]:
            return DUPLICATE if known["request"] == body else CONFLICT
        cap = programme(account).get("cash_out")
        day = max([business_date(at), *account["cash_out_days"]])
        so_far = account["cash_out_days"].get(day, 0)
        reason = self.why_no_credit(account) or first_of(
            [
                (body.currency != account["currency"], "currency_mismatch"),
                (body.amount_minor > available(account), "limit_exceeded"),
                (cap is None, "not_offered"),
                (not account["identity"], "identity_not_verified"),
                (cap and self._was_overdue_lately(account, at), "recent_overdue"),
                (cap and so_far + body.amount_minor > cap, "daily_cap_exceeded"),
            ]
        )
        if reason:
            self.notify(account, now, "cash_out_declined", reason)
            return self.refuse(account["party"], "cash_out", body.cash_out_id, reason)
        account["cash_out_days"][day] = so_far + body.amount_minor
        billed_on = next_first(business_date(at))
        due_on = billed_on.replace(day=programme(account)["due_day"])
        owed = self.make_obligation(account, None, due_on, billed_on, body.amount_minor, now)
        owed["cash_out"] = body.cash_out_id
        account["cash_outs"][body.cash_out_id] = {"request": body, "on": business_date(at)}
        self.pay_out(account, now, body.amount_minor, "card", "cash_out", body.cash_out_id)
        self.notify(account, now, "cash_out_paid", body.amount_minor)
        return APPLIED

    def _was_overdue_lately(self, account: Facts, at: datetime) -> bool:
        until = max(clearings(account), default=None)
        return until is not None and until > at - programme(account)["no_overdue_for"]

    # Closing.

    def on_close_requested(self, account, body, now, at) -> Verdict:
        if account["closed"]:
            return DUPLICATE
        if held(account) or used(account) or owed_in_all(account):
            self.notify(account, now, "closing_refused", self.payoff_takes(account, at), held(account))
            return declined("outstanding")
        account["closed"] = True
        account["granted"], limit = 0, account["limit"]
        account["limit"] = 0
        self.reclaimed(account, limit, "closed", now)
        account["credit_rests"] = False
        self.notify(account, now, "closing_granted")
        return APPLIED

    # What a purchase and a cash-out have in common.

    def why_no_credit(self, account: Facts) -> str | None:
        needs = programme(account).get("needs", set())
        return first_of(
            [
                (account["closed"], "line_closed"),
                (account["freezes"], "line_frozen"),
                (anything_overdue(account), "overdue"),
                ("card" in needs and not account["card"], "card_not_linked"),
                ("identity" in needs and not account["identity"], "identity_not_verified"),
                ((account["score"] or 0) < programme(account).get("least_score", 0), "score_below_threshold"),
            ]
        )
