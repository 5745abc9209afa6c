"""Obligations: how they come to be, fall overdue, cost penalties, are cleared and paid."""

from datetime import date, datetime

from tests.property.model.debits import DUE_DAY, DebitRules, before_the_steps_of
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
    is_in,
    is_overdue,
    midnight,
    next_midnight,
    obligation_status,
    open_amount,
    open_returns,
    order_id_of,
    owed_in_all,
    programme,
    unpaid,
)
from tests.property.model.timeline import (
    TOLD,
    Place,
    charge,
    fall,
    hold_charges,
    log_payment,
    look_again,
    look_at_falls,
    place_at,
    standing,
    unpaid_at,
)


class ObligationRules(DebitRules):
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
        if self.use_credit(account, now, before_the_steps_of(now) if self.before_overdue else now):
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
        self._release_repaid(account, now)
        for owed in account["obligations"]:
            self._undo_falls(account, owed)
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

    # Paying.

    def use_credit(self, account: Facts, now: datetime, at: datetime) -> int:
        """All customer credit pays what is due by now, as far as it goes. Returns how much was used."""
        day = business_date(now)
        if self.credit_waits and now == midnight(day):
            day -= DAY
        due = [owed for owed in account["obligations"] if owed["due_on"] <= day]
        pot = min(credit(account), sum(map(open_amount, due)))
        if pot <= 0:
            return 0
        self.fired["customer credit applied"] += 1
        self.fired["credit of a failed payout pays what is due"] += account["payout_failed"]
        account["credits"].append(-pot)
        account["credit_rests"] = False
        self.place(account, self.money(pot, at, lambda owed: owed["due_on"] <= day), now)
        return pot

    def money(self, amount: int, at: datetime | Place, pays, *, first=(), rest="credit", recovers=False) -> Facts:
        """Money to place.

        Args:
            amount: minor units.
            at: when it counts from, or where among what was told before.
            pays: whether it goes to an obligation at all.
            first: obligations that it goes to before all others.
            rest: what becomes of the rest: `credit`, or it is paid `out`.
            recovers: whether the rest first recovers what was charged off.
        """
        place = place_at(at) if isinstance(at, datetime) else at
        facts = {"at": place[0], "place": place, "left": amount, "pays": pays, "first": list(first), "rest": rest}
        return facts | {"no": next(TOLD), "recovers": recovers, "shares": [], "credit": 0, "gone": 0, "recovered": 0}

    def place(self, account: Facts, money: Facts, now: datetime, had_paid: list = ()) -> None:
        """Pay with it as of its instant: what was paid later is taken back, and paid again after it.

        What it or later money had paid before, it pays first.

        What limit that releases is told once for all of a decision, by `settle_up`.
        """
        if not account["paid_before"]:
            account["paid_before"] = [(owed, owed["paid"]["principal"]) for owed in account["obligations"]]
        given_up = account["given_up"]
        if given_up and money["place"] < given_up["place"]:  # what was given up stays as it is: the money recovers it
            money.update(at=given_up["at"], place=given_up["place"])
        was_paid = [(owed, owed["paid"]["fee"] + owed["paid"]["principal"]) for owed in account["obligations"]]
        later = [each for each in account["money"] if each["place"] > money["place"]]
        later.sort(key=lambda each: (each["place"][0], each["recovers"], each["place"], each["no"]))  # credit first
        later_had = [each["shares"] for each in later]
        for each in later:
            self.take_back(account, each)
        self.fired["late money, later money placed again"] += any(each["left"] for each in later)
        account["money"].append(money)
        self._pay_what_it_had(account, money, had_paid)
        goes_out = self._pay_with(account, money, now, rest=money["rest"])
        for each, shares in zip(later, later_had, strict=True):
            goes_out += self._pay_again(account, each, shares, now, twice=money["rest"] == "out")
        due = sum(open_amount(owed) for owed in account["obligations"] if is_due(owed, now))
        account["credits"].append(min(goes_out, due))  # it pays that at once, as all credit does
        self.pay_out(account, now, max(goes_out - due, 0), "card", "overpayment")
        for owed in account["obligations"]:
            self._undo_falls(account, owed)
        for owed, before in was_paid:
            assert owed["paid"]["fee"] + owed["paid"]["principal"] >= before, f"money made something overdue: {owed}"

    def take_back(self, account: Facts, money: Facts) -> None:
        """Un-pay what it paid as if it never had; what does not count as paid any more stays `gone`."""
        for owed, parts in money["shares"]:
            for part, amount in parts.items():
                back = min(amount, owed["paid"][part])
                owed["paid"][part] -= back
                money["left"] += back
                money["gone"] += amount - back
                for entry in owed["payments"]:
                    if entry["by"] is money and entry["part"] == part:
                        less = min(back, entry["amount"])
                        entry["amount"] -= less
                        back -= less
        money["shares"] = []
        for owed in account["obligations"]:
            self.look_back(account, owed)

    def look_back(self, account: Facts, owed: Facts) -> None:
        """The past of its payments has changed: penalties that were paid and are none any more are the buyer's."""
        too_much = look_again(owed)
        if too_much:
            self.fired["paid penalty given back"] += 1
            account["credits"].append(too_much)

    def _pay_again(self, account: Facts, money: Facts, shares: list, now: datetime, *, twice: bool) -> int:
        """With what was displaced, first what it paid before. Returns what goes out.

        What a debit that came after all has paid `twice` pays nothing more that is not due, and goes out.
        """
        self._pay_what_it_had(account, money, shares)
        return self._pay_with(account, money, now, only_due=twice, rest="out" if twice else money["rest"])

    def _pay_what_it_had(self, account: Facts, money: Facts, shares: list) -> None:
        for owed in by_due_date(account["obligations"]):
            parts = {part: sum(paid[part] for each, paid in shares if each is owed) for part in PARTS}
            self._pay_one(account, owed, money, parts)

    def _pay_with(self, account: Facts, money: Facts, now: datetime, *, rest: str, only_due: bool = False) -> int:
        """In pay order. Returns what goes out."""
        goes_to = list(filter(money["pays"], by_due_date(account["obligations"])))
        first = [owed for owed in goes_to if is_in(owed, money["first"])]
        for owed in (*first, *(owed for owed in goes_to if not is_in(owed, first))):
            if not only_due or is_due(owed, now):
                self._pay_one(account, owed, money)
        return self._rest_of(account, money, now, rest=rest)

    def _pay_one(self, account: Facts, owed: Facts, money: Facts, most: dict[str, int] | None = None) -> None:
        """What is open of it at the money's time, of each part at `most` so much."""
        parts = {}
        penalty_before = owed["penalty"]
        for part in PARTS:
            room = unpaid_at(owed, part, money["at"])
            parts[part] = min(money["left"], room, most[part] if most else room)
            money["left"] -= parts[part]
            if parts[part]:
                log_payment(owed, part, parts[part], money["at"], money)
        if any(parts.values()):
            money["shares"].append((owed, parts))
            self.look_back(account, owed)
            self.fired["late penalties undone"] += owed["penalty"] < penalty_before
            self.fired["late penalties undone in part"] += 0 < owed["penalty"] < penalty_before

    def _rest_of(self, account: Facts, money: Facts, now: datetime, *, rest: str) -> int:
        """What finds nothing to pay: it recovers what was charged off, then it is the buyer's, or goes out."""
        left, money["left"] = money["left"], 0
        if money["recovers"]:
            recovered = min(left, account["charged_off"] - account["recovered"])
            self.fired["recovered"] += recovered > 0
            account["recovered"] += recovered
            money["recovered"] += recovered
            if recovered:
                lost = account["charged_off"] - account["recovered"]
                self.notify(account, now, "recovery_received", recovered, lost)
            left -= recovered
        money["credit"] += left
        if rest == "out":
            return left
        account["credits"].append(left)
        return 0

    def _undo_falls(self, account: Facts, owed: Facts) -> None:
        """A fall into overdue with nothing unpaid at its instant was none; others may have ended earlier than known."""
        before = {fall["place"]: fall["cleared_at"] for fall in owed["falls"] if fall["cleared_at"]}
        dropped = look_at_falls(owed)
        self.fired["cleared earlier than something told before"] += any(
            fall["cleared_at"] and fall["cleared_at"] < before.get(fall["place"], fall["cleared_at"])
            for fall in owed["falls"]
        )
        if dropped:
            self.fired["late overdue undone"] += 1
            self.look_back(account, owed)

    def _release_repaid(self, account: Facts, now: datetime) -> None:
        """One release for each order that more was paid of, in the order of the obligations that more was paid of."""
        rises: dict[str | None, int] = {}
        before, account["paid_before"] = account["paid_before"], []
        changes = [
            (order_id_of(owed), owed["paid"]["principal"] - was)
            for owed, was in sorted(before, key=lambda each: each[0]["due_on"])  # stable: as made
        ]
        for order_id, by in sorted(changes, key=lambda change: change[1] <= 0):  # stable: falls last
            rises[order_id] = rises.get(order_id, 0) + by
        shown = available(account) - sum(rise for rise in rises.values() if rise > 0)
        for order_id, rise in rises.items():
            if rise > 0:
                shown += rise
                self.emit(account, now, "limit.released", order_id, rise, "repaid", shown, account["limit"])
