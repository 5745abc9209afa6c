"""Obligations: how they come to be, fall overdue, cost penalties and are cleared."""

from datetime import date, datetime

from tests.property.model.debits import DUE_DAY
from tests.property.model.facts import (
    DAY,
    LEAST_NOTICE,
    NOTICE_DAYS,
    PARTS,
    REMINDER,
    Facts,
    anything_overdue,
    available,
    business_date,
    by_due_date,
    clearings,
    count_losses,
    credit,
    is_due,
    is_overdue,
    midnight,
    next_midnight,
    obligation_status,
    open_amount,
    open_returns,
    owed_in_all,
    programme,
    unpaid,
)
from tests.property.model.money import MoneyRules
from tests.property.model.timeline import (
    charge,
    fall,
    hold_charges,
    look_again,
    place_at,
    standing,
    unpaid_at,
)


class ObligationRules(MoneyRules):
    """What is owed, and what follows from it by itself."""

    def make_obligation(
        self,
        account: Facts,
        order: Facts | None,
        due_on: date,
        billed_on: date | None,
        principal: int,
        now: datetime,
        *,
        fee: int = 0,
        schedule: int | None = None,
        trial_ended: bool = False,
    ) -> Facts:
        """`schedule` tells which instalments are one schedule; None for what is not in instalments."""
        owed = {
            "order": order,
            "billed_on": billed_on,
            "principal": principal,
            "fee": fee,
            "penalty": 0,
            "changes": [(place_at(now), principal)],
            "payments": [],
            "falls": [],
            "charges": [],
            "ceiling": {},
            "waivers": [],
            "lowered": False,
            "paid": dict.fromkeys(PARTS, 0),
            "lost": dict.fromkeys(PARTS, 0),
            "schedule": schedule,
            "plan": None,
            "moved": 0,
            "cash_out": None,
            "exhausted": False,
            "trial_ended_at": now if trial_ended else None,
        }
        self.move_due_date(owed, due_on, now)
        account["obligations"].append(owed)
        return owed

    def new_schedule(self, account: Facts) -> int:
        account["schedules"] += 1
        return account["schedules"]

    def move_due_date(self, owed: Facts, due_on: date, now: datetime) -> None:
        """Set a due date: it is debited on it, overdue the day after, but never on the very day it was set."""
        owed["due_on"] = due_on
        owed["exhausted"] = False
        self.debit_anew(owed, due_on)
        owed["not_overdue_before"] = next_midnight(now)
        owed["remind_of"] = due_on if midnight(due_on) - REMINDER > now else None

    def payoff_takes(self, account: Facts, at: datetime) -> int:
        """All that was open then, but the fees of statements that had not come."""
        later = sum(unpaid(owed, "penalty") - unpaid_at(owed, "penalty", at) for owed in account["obligations"])
        return owed_in_all(account) - later - sum(unpaid(owed, "fee") for owed in self.unbilled(account, at))

    def unbilled(self, account: Facts, at: datetime) -> list[Facts]:
        return [
            owed
            for owed in account["obligations"]
            if owed["billed_on"] is not None and owed["billed_on"] > business_date(at) and unpaid(owed, "fee")
        ]

    # What comes to pass by itself.

    def due_of_obligations(self, account: Facts) -> list[tuple]:
        """(instant, rank, kind, name, what) of all that the present state leads to."""
        things: list[tuple] = self.due_of_debits(account)
        for owed in filter(open_amount, account["obligations"]):
            if not owed["debit_done"]:
                key = (owed["due_on"], owed["debit_on"])
                things.append((midnight(owed["debit_on"]), DUE_DAY, "due", owed["due_on"].isoformat(), key))
            if not is_overdue(owed) and not open_returns(account, owed["order"] or {}):
                instant = self._overdue_instant(owed)
                things.append((instant, 40, "overdue", owed["due_on"].isoformat(), (owed["due_on"], instant)))
            if is_overdue(owed) and owed["plan"] is None:
                things.append((owed["next_penalty_at"], 50, "penalty", "", owed["next_penalty_at"]))
        things += [
            (midnight(day) - REMINDER, 95, "reminder", day.isoformat(), day)
            for owed in account["obligations"]
            if (day := owed["remind_of"]) is not None
        ]
        waits = programme(account)["restore"] == "waits"
        cleared = clearings(account, of_this_freeze=True)
        if waits and cleared and "overdue" in account["freezes"] and not anything_overdue(account):
            things.append((max(cleared) + programme(account)["wait"], 70, "restore", "", None))
        return things

    def _overdue_instant(self, owed: Facts) -> datetime:
        return max(midnight(owed["due_on"] + DAY), owed["not_overdue_before"])

    def due_day(self, account: Facts, due_on: date, day: date, now: datetime, at: datetime) -> None:
        """Customer credit first; then one debit for what is not asked for of that due date.

        On a due day of its own, what was asked for in vain goes with it.
        """
        account["credit_rests"] = False
        if self.use_credit(account, now, self.place_now(now)):
            self.settle_up(account, now, at)
        group = []
        for owed in by_due_date(account["obligations"]):
            mine = owed["due_on"] == due_on and owed["debit_on"] == day and not owed["debit_done"]
            joins = owed["exhausted"] and is_due(owed, now) and due_on == day == business_date(now)
            if mine:
                owed["debit_done"] = True
            if (mine or joins) and not open_returns(account, owed["order"] or {}):
                parts = self.unasked(account, owed)
                self.fired["asked for in vain, again on a due day"] += joins and any(parts.values())
                group.append((owed, parts))
        trial_ended = any(owed["trial_ended_at"] == now for owed, parts in group if any(parts.values()))
        reason = "trial_ended" if trial_ended else "due"
        self.debit(account, group, due_on, 1, reason, now, now)

    def remind(self, account: Facts, due_on: date, now: datetime) -> None:
        amount = 0
        for owed in account["obligations"]:
            if owed["due_on"] == due_on:
                owed["remind_of"] = None
                if not open_returns(account, owed["order"] or {}):
                    amount += open_amount(owed)
        if amount:
            self.notify(account, now, "payment_due_soon", amount, due_on)

    # Overdue.

    def overdue_day(self, account: Facts, due_on: date, instant: datetime, now: datetime) -> None:
        late = [
            owed
            for owed in account["obligations"]
            if owed["due_on"] == due_on
            and obligation_status(owed) == "open"
            and self._overdue_instant(owed) <= instant
            and not open_returns(account, owed["order"] or {})
        ]
        self.fall_overdue(account, late, due_on, now, among_steps=instant == now)

    def fall_overdue(
        self, account: Facts, late: list[Facts], due_on: date, now: datetime, *, among_steps: bool = False
    ) -> None:
        """The first penalty comes at once where it is a step of a 00:00, else at the next."""
        self.notify(account, now, "payment_overdue", sum(map(open_amount, late)), due_on)
        for owed in late:
            fall(owed, now, among_steps=among_steps)
            owed["next_penalty_at"] = now if among_steps else next_midnight(now)
            look_again(owed)
        if late and "overdue" not in account["freezes"]:
            account["freezes"].add("overdue")
            account["frozen_at"] = now
        if late and programme(account).get("reclaims") and available(account) > 0:
            unused = available(account)
            account["limit"] -= unused
            self.reclaimed(account, unused, "overdue", now)
        self.call_in(account, late, now)

    def call_in(self, account: Facts, missed: list[Facts], now: datetime) -> None:
        """Of a plan of which a part was missed all others are due today."""
        plans = {owed["plan"] for owed in missed} - {None}
        for owed in account["obligations"]:
            if owed["plan"] in plans and obligation_status(owed) == "open" and owed["due_on"] > business_date(now):
                self.fired["rescheduled debt missed, all of it due"] += 1
                self.move_due_date(owed, business_date(now), now)

    def penalty_day(self, account: Facts, instant: datetime, now: datetime) -> None:
        before = sum(map(standing, account["obligations"]))
        for owed in account["obligations"]:
            if is_overdue(owed) and owed["plan"] is None and owed["next_penalty_at"] <= instant:
                owed["next_penalty_at"] = next_midnight(now)
                self.fired["penalty capped"] += charge(owed, now)[1]
        self._tell_penalties(account, sum(map(standing, account["obligations"])) - before, now)

    def _tell_penalties(self, account: Facts, charged: int, now: datetime) -> None:
        """The first of an overdue time, then every 7th day what has come since, if it is worth telling."""
        told, today = account["penalties_told"], business_date(now)
        since = charged
        if told:
            since = sum(standing(owed) - standing(owed, told["at"]) for owed in account["obligations"])
        if told is None and since:
            account["penalties_told"] = {"first_on": today, "at": now}
        elif told and since >= LEAST_NOTICE and today > told["first_on"] and self._is_seventh(told, today):
            self.fired["penalties told weekly"] += 1
            told["at"] = now
        else:
            return
        self.notify(account, now, "penalty_charged", since)

    def _is_seventh(self, told: Facts, today: date) -> bool:
        return (today - told["first_on"]).days % NOTICE_DAYS == 0

    # What follows from every change of what is owed.

    def settle_up(self, account: Facts, now: datetime, at: datetime, *, credit_at: datetime | None = None) -> None:
        """Credit pays what is due, what is paid is cleared, debits fit what is open, and freezes end.

        Args:
            account: the account.
            now: the decision's time.
            at: when it happened that was decided; clearing counts from there.
            credit_at: when credit that is there pays; now, unless it comes before the debits of the instant.
        """
        count_losses(account)
        self.use_credit(account, now, credit_at or now)
        self.release_repaid(account, now)
        for owed in account["obligations"]:
            self.undo_falls(account, owed)
        if not anything_overdue(account):
            account["penalties_told"] = None
        self.lower_debits(account, now)
        self.look_for_unasked(account, now)
        left = credit(account)
        if left and not owed_in_all(account) and not account["credit_rests"]:
            account["credits"].append(-left)
            self.fired["credit of a failed payout goes out"] += account["payout_failed"]
            account["payout_failed"] = False
            self.pay_out(account, now, left, "card", "overpayment")
        if "overdue" in account["freezes"] and not anything_overdue(account):
            if account["upheld"]:
                self.fired["upheld appeal waited for clearing"] += 1
                self.end_overdue_freeze(account, "appeal", now)
            elif not clearings(account, of_this_freeze=True):
                self.fired["freeze that should not have been"] += 1
                self.end_overdue_freeze(account, "cleared", now)
            elif programme(account)["restore"] == "cleared":
                self.end_overdue_freeze(account, "cleared", now)
        for owed in account["obligations"]:
            hold_charges(owed)

    def end_overdue_freeze(self, account: Facts, reason: str, now: datetime) -> None:
        account["freezes"].discard("overdue")
        account["upheld"] = False
        rise = account["granted"] - account["limit"]
        account["limit"] = account["granted"]
        self.restored(account, rise or (0 if account["freezes"] else available(account)), reason, now)
