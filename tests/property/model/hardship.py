"""For buyers who can't pay: debits on request, waived penalties, debts made new, debts given up."""

from datetime import datetime

from tests.property.model.debits import Asks
from tests.property.model.facts import (
    APPLIED,
    CONFLICT,
    DAY,
    DUPLICATE,
    PARTS,
    Facts,
    Verdict,
    business_date,
    credit,
    declined,
    first_of,
    in_pay_order,
    is_due,
    is_overdue,
    lose,
    next_first,
    open_amount,
    open_returns,
    owed_in_all,
    parts_of,
    programme,
    unpaid,
)
from tests.property.model.obligations import ObligationRules
from tests.property.model.timeline import change_principal, place_at, waive_penalty

EVERY = 30 * DAY


class HardshipRules(ObligationRules):
    """`credit_line.debit_requested`, `penalty.waived` and `debt.*`."""

    def on_debit_requested(self, account, body, now, at) -> Verdict:
        due = [
            owed
            for owed in account["obligations"]
            if is_due(owed, now) and not open_returns(account, owed["order"] or {})
        ]
        asks = self.to_ask_now(account, now)
        reason = first_of([(not due, "nothing_due"), (not asks, "in_progress")])
        if reason:
            self.notify(account, now, "debit_request_declined", reason)
            return declined(reason)
        self.ask_at_once(account, asks, now)
        return APPLIED

    def ask_at_once(self, account: Facts, asks: Asks, now: datetime) -> None:
        self.fired["asked for in vain, again on request"] += any(owed["exhausted"] for owed, _ in asks)
        self.debit_by_due_date(account, asks, now)

    def was_asked_in_vain(self, account: Facts, now: datetime) -> bool:
        return any(owed["exhausted"] for owed, _ in self.to_ask_now(account, now))

    def _known(self, account: Facts, kind: str, name: str, body) -> Verdict | None:
        known = account[kind].get(name)
        return known and (DUPLICATE if known == body else CONFLICT)

    def on_penalty_waived(self, account, body, now, at) -> Verdict:
        if known := self._known(account, "waivers", body.waiver_id, body):
            return known
        open_penalties = [owed for owed in in_pay_order(account) if unpaid(owed, "penalty")]
        reason = first_of(
            [
                (body.currency != account["currency"], "currency_mismatch"),
                (not open_penalties, "nothing_due"),
            ]
        )
        if reason:
            return declined(reason)
        account["waivers"][body.waiver_id] = body
        left = body.amount_minor
        waived = 0
        for owed in open_penalties:
            less = unpaid(owed, "penalty") if left is None else min(unpaid(owed, "penalty"), left - waived)
            if less:
                waive_penalty(owed, less, now)
            waived += less
        self.notify(account, now, "penalty_waived", waived)
        return APPLIED

    def on_debt_rescheduled(self, account, body, now, at) -> Verdict:
        if known := self._known(account, "plans", body.plan_id, body):
            return known
        late = [owed for owed in in_pay_order(account) if is_overdue(owed)]
        if not late:
            self.notify(account, now, "debt_rescheduling_refused", "nothing_due", body.periods)
            return declined("nothing_due")
        account["plans"][body.plan_id] = body
        self.take_out_of_debits(account, late, now)
        amount = sum(map(open_amount, late))
        for owed in late:
            self._spread(account, owed, body, now, at)
        self.end_overdue_freeze(account, "cleared", now)
        self.notify(account, now, "debt_rescheduled", amount, body.periods, late[0]["due_on"])
        return APPLIED

    def _spread(self, account: Facts, owed: Facts, body, now: datetime, at: datetime) -> None:
        """It goes on as the first part, with its fee and penalty; the others are new. None bears a penalty again."""
        whole = unpaid(owed, "principal")
        change_principal(owed, -whole, now)
        for fall in owed["falls"]:
            fall["cleared_at"] = fall["ended_at"] = fall["cleared_at"] or now
        dates = self._dates(account, body.periods, at)
        for number, (part, (due_on, billed_on)) in enumerate(zip(parts_of(whole, body.periods), dates, strict=True)):
            if not number:
                change_principal(owed, part, now)
                owed["moved"] += whole - part
                owed.update(billed_on=billed_on, plan=body.plan_id)
                self.move_due_date(owed, due_on, now)
            elif part:
                new = self.make_obligation(account, owed["order"], due_on, billed_on, part, now)
                new.update(plan=body.plan_id, cash_out=owed["cash_out"])

    def _dates(self, account: Facts, periods: int, at: datetime) -> list[tuple]:
        """(due on, billed on) of the next statements, or every 30 days where there are none."""
        day, dates = business_date(at), []
        for number in range(1, periods + 1):
            if "due_day" in programme(account):
                day = next_first(day)
                dates.append((day.replace(day=programme(account)["due_day"]), day))
            else:
                dates.append((day + number * EVERY, None))
        return dates

    def on_debt_charged_off(self, account, body, now, at) -> Verdict:
        if known := self._known(account, "charge_offs", body.charge_off_id, body):
            return known
        if not owed_in_all(account):
            return declined("nothing_due")
        account["charge_offs"][body.charge_off_id] = body
        pot = min(credit(account), owed_in_all(account))
        if pot:
            account["credits"].append(-pot)
            self.place(account, self.money(pot, now, lambda owed: True), now)
            self.release_repaid(account, now)
        for debit in account["debits"]:
            debit["retry_at"] = None
            if debit["status"] == "requested":
                self.cancel_debit(account, debit, now)
        amount = owed_in_all(account)
        self.charge_off(account, account["obligations"])
        account["given_up"] = {"obligations": [*account["obligations"]], "at": now, "place": place_at(now)}
        account["freezes"].discard("overdue")
        account["upheld"] = False
        for owed in account["obligations"]:
            for fall in owed["falls"]:
                fall["cleared_at"] = fall["ended_at"] = fall["cleared_at"] or now
        account["credit_rests"] = False
        if not account["closed"]:
            account["closed"] = True
            limit, account["granted"], account["limit"] = account["limit"], 0, 0
            self.reclaimed(account, limit, "closed", now)
        self.notify(account, now, "debt_charged_off", amount)
        return APPLIED

    def charge_off(self, account: Facts, obligations: list[Facts]) -> None:
        for owed in obligations:
            for part in PARTS:
                lose(account, owed, part, unpaid(owed, part))
