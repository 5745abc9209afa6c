"""Obligations: how they come to be, fall overdue, cost penalties, are cleared, and are asked for by debits."""

from collections.abc import Callable
from datetime import UTC, date, datetime

from settlement.party import Party
from tests.property.model.facts import (
    DAY,
    PENALTY_BPS,
    REMINDER,
    Facts,
    Verdict,
    anything_overdue,
    available,
    business_date,
    charged_after,
    credit,
    declined,
    half_up,
    in_pay_order,
    is_asked_for,
    is_overdue,
    midnight,
    next_midnight,
    obligation_status,
    open_amount,
    open_returns,
    order_id_of,
    owed_in_all,
    penalty,
    programme,
    unpaid,
)
from tests.property.model.outputs import Outputs

LONG_AGO = datetime.min.replace(tzinfo=UTC)
"""When penalties count as charged once they were paid with all the rest: no late repayment undoes them any more."""


class ObligationRules(Outputs):
    """What is owed, and what follows from it by itself."""

    def __init__(self, name: Callable[[Facts], str]) -> None:
        super().__init__(name)
        self.parties: dict[Party, Facts] = {}
        self.refused: set[tuple[Party, str, str]] = set()
        self.missing: tuple[str, str] | None = None

    def refuse(self, party: Party, kind: str, name: str, reason: str) -> Verdict:
        """Decline what would have made something, for ever unknown until it is sent anew."""
        self.refused.add((party, kind, name))
        return declined(reason)

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
        in_instalments: bool = False,
        trial_ended: bool = False,
    ) -> Facts:
        owed = {
            "order": order,
            "billed_on": billed_on,
            "principal": principal,
            "fee": fee,
            "penalties": [],
            "paid": {"penalty": 0, "fee": 0, "principal": 0},
            "in_instalments": in_instalments,
            "trial_ended_at": now if trial_ended else None,
            "overdue_at": None,
            "cap": 0,
        }
        self.move_due_date(owed, due_on, now)
        account["obligations"].append(owed)
        return owed

    def move_due_date(self, owed: Facts, due_on: date, now: datetime) -> None:
        """Set a due date: it is debited on it, overdue the day after, but never on the very day it was set."""
        owed["due_on"] = due_on
        self.debit_anew(owed, due_on)
        owed["not_overdue_before"] = next_midnight(now)
        owed["remind_of"] = due_on if midnight(due_on) - REMINDER > now else None

    def debit_anew(self, owed: Facts, day: date) -> None:
        """Have attempt 1 of a new series requested at 00:00 of a day."""
        owed["debit_on"], owed["debit_done"] = day, False

    def payoff_takes(self, account: Facts, at: datetime) -> int:
        """All that was open then, but the fees of statements that had not come."""
        later = sum(min(charged_after(owed, at), unpaid(owed, "penalty")) for owed in account["obligations"])
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
        things: list[tuple] = []
        for owed in filter(open_amount, account["obligations"]):
            if not owed["debit_done"]:
                key = (owed["due_on"], owed["debit_on"])
                things.append((midnight(owed["debit_on"]), 30, "due", owed["due_on"].isoformat(), key))
            if not is_overdue(owed) and not open_returns(account, owed["order"] or {}):
                instant = self._overdue_instant(owed)
                things.append((instant, 40, "overdue", owed["due_on"].isoformat(), (owed["due_on"], instant)))
            if is_overdue(owed):
                things.append((owed["next_penalty_at"], 50, "penalty", "", owed["next_penalty_at"]))
        things += [
            (midnight(day) - REMINDER, 95, "reminder", day.isoformat(), day)
            for owed in account["obligations"]
            if (day := owed["remind_of"]) is not None
        ]
        things += [
            (debit["retry_at"], 60, "retry", debit["debit_id"], debit)
            for debit in account["debits"]
            if debit["retry_at"] is not None
        ]
        if programme(account)["restore"] == "waits" and self._waits_to_be_restored(account):
            things.append((max(account["clearings"]) + programme(account)["wait"], 70, "restore", "", None))
        return things

    def _overdue_instant(self, owed: Facts) -> datetime:
        return max(midnight(owed["due_on"] + DAY), owed["not_overdue_before"])

    def due_day(self, account: Facts, due_on: date, day: date, now: datetime, at: datetime) -> None:
        """Customer credit first, to all that is due by then; then one debit for what is left of that due date."""
        account["credit_rests"] = False
        pot = credit(account)
        due = [owed for owed in in_pay_order(account) if owed["due_on"] <= day]
        spent = sum(amount for _, parts in self.allocate(account, due, pot, now) for amount in parts.values())
        if spent:
            self.fired["customer credit applied"] += 1
            account["credits"].append(-spent)
            self.settle_up(account, now, at)
        group = []
        for owed in in_pay_order(account):
            if owed["due_on"] == due_on and owed["debit_on"] == day:
                owed["debit_done"] = True
                if not is_asked_for(account, owed) and not open_returns(account, owed["order"] or {}):
                    group.append(owed)
        trial_ended = any(owed["trial_ended_at"] == now for owed in group)
        self.debit(account, group, due_on, 1, "trial_ended" if trial_ended else "due", now, now)

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
        self.fall_overdue(account, late, due_on, now, now)

    def fall_overdue(
        self, account: Facts, late: list[Facts], due_on: date, now: datetime, first_penalty_at: datetime
    ) -> None:
        self.notify(account, now, "payment_overdue", sum(map(open_amount, late)), due_on)
        for owed in late:
            owed["overdue_at"], owed["next_penalty_at"] = now, first_penalty_at
            owed["cap"] = max(owed["cap"], unpaid(owed, "principal"))
        if late and "overdue" not in account["freezes"]:
            account["freezes"].add("overdue")
        if late and programme(account).get("reclaims") and available(account) > 0:
            unused = available(account)
            account["limit"] -= unused
            self.reclaimed(account, unused, "overdue", now)

    def penalty_day(self, account: Facts, instant: datetime, now: datetime) -> None:
        charged = 0
        for owed in account["obligations"]:
            if is_overdue(owed) and owed["next_penalty_at"] <= instant:
                owed["next_penalty_at"] = next_midnight(now)
                principal = unpaid(owed, "principal")
                amount = max(half_up(principal, PENALTY_BPS), 1) if principal else 0
                capped = max(min(amount, owed["cap"] - penalty(owed)), 0)
                if capped < amount:
                    self.fired["penalty capped"] += 1
                if capped:
                    owed["penalties"].append((now, capped))
                charged += capped
        if charged:
            self.notify(account, now, "penalty_charged", charged)

    def settle_up(self, account: Facts, now: datetime, at: datetime) -> None:
        """What follows from every change of what is owed.

        Args:
            account: the account.
            now: the decision's time.
            at: when it happened that was decided; clearing counts from there.
        """
        for owed in account["obligations"]:
            if owed["overdue_at"] and not open_amount(owed):
                owed["overdue_at"] = None
                owed["penalties"] = [(LONG_AGO, amount) for _, amount in owed["penalties"]]
                account["clearings"].append(at)
                until = account["overdue_until"] or at
                self.fired["cleared earlier than something told before"] += at < until
                account["overdue_until"] = max(until, at)
        for debit in list(account["debits"]):
            debit["asks_for"] = list(filter(open_amount, debit["asks_for"]))
            if debit["status"] == "requested" and sum(map(open_amount, debit["asks_for"])) < debit["amount"]:
                self.cancel_debit(account, debit, now)
                self.debit_again(account, debit, debit["asks_for"], now)
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
            elif not account["clearings"]:
                self.fired["freeze that should not have been"] += 1
                self.end_overdue_freeze(account, "cleared", now)
            elif programme(account)["restore"] == "cleared":
                self.end_overdue_freeze(account, "cleared", now)

    def _waits_to_be_restored(self, account: Facts) -> bool:
        return "overdue" in account["freezes"] and not anything_overdue(account)

    def end_overdue_freeze(self, account: Facts, reason: str, now: datetime) -> None:
        account["freezes"].discard("overdue")
        account["clearings"], account["upheld"] = [], False
        rise = account["granted"] - account["limit"]
        account["limit"] = account["granted"]
        self.restored(account, rise or (0 if account["freezes"] else available(account)), reason, now)

    # Debits.

    def debit(self, account, obligations, due_on, attempt, reason, first_at, now) -> None:
        wanted = [owed for owed in obligations if open_amount(owed)]
        if not wanted:
            return
        debit = {
            "account_id": account["party"].id,
            "amount": sum(map(open_amount, wanted)),
            "order_ids": sorted({order_id_of(owed) for owed in wanted} - {None}),
            "due_on": due_on,
            "attempt": attempt,
            "reason": reason,
        }
        name = self.name(debit)
        self.emit(account, now, "auto_debit.requested", name, *list(debit.values())[1:])
        account["debits"].append(
            debit
            | {
                "debit_id": name,
                "obligations": wanted,
                "asks_for": wanted,
                "status": "requested",
                "first_at": first_at,
                "retry_at": None,
            }
        )

    def cancel_debit(self, account: Facts, debit: Facts, now: datetime) -> None:
        debit["status"] = "cancelled"
        self.emit(account, now, "auto_debit.cancelled", debit["debit_id"])

    def debit_again(self, account: Facts, debit: Facts, obligations: list[Facts], now: datetime) -> None:
        self.debit(account, obligations, debit["due_on"], debit["attempt"], debit["reason"], debit["first_at"], now)

    def take_out_of_debits(self, account: Facts, taken: list[Facts], now: datetime) -> None:
        """Requested debits are replaced by ones without these obligations; pending retries go on without them."""
        for debit in list(account["debits"]):
            others = [owed for owed in debit["asks_for"] if not any(owed is each for each in taken)]
            is_less = len(others) < len(debit["asks_for"])
            debit["asks_for"] = others
            if debit["status"] == "requested" and is_less:
                self.cancel_debit(account, debit, now)
                self.debit_again(account, debit, others, now)

    # Paying.

    def allocate(
        self, account: Facts, obligations: list[Facts], money: int, now: datetime, at: datetime | None = None
    ) -> list[tuple[Facts, Facts]]:
        """Pay obligations in the order given; one release for each order.

        Args:
            account: the account.
            obligations: what is paid, in that order.
            money: minor units.
            now: the decision's time.
            at: when a repayment occurred: steps after it that it would have prevented are undone.

        Returns:
            The obligations that were paid, with what each part of them got.
        """
        shares, due_order = [], in_pay_order(account)
        for owed in obligations:
            if at is not None:
                self._undo_late_steps(account, owed, money, at)
            parts = {}
            for part in ("penalty", "fee", "principal"):
                parts[part] = min(money, unpaid(owed, part))
                money -= parts[part]
                owed["paid"][part] += parts[part]
            if any(parts.values()):
                shares.append((owed, parts))
        amounts: dict[str | None, int] = {}
        for owed in due_order:
            for paid, parts in shares:
                if paid is owed:
                    amounts[order_id_of(owed)] = amounts.get(order_id_of(owed), 0) + parts["principal"]
        before = available(account) - sum(amounts.values())
        for order_id, amount in amounts.items():
            before += amount
            if amount:
                self.emit(account, now, "limit.released", order_id, amount, "repaid", before, account["limit"])
        return shares

    def _undo_late_steps(self, account: Facts, owed: Facts, money: int, at: datetime) -> None:
        """Penalties, and the fall into overdue, that would not have been had the money been told in time."""
        undone = charged_after(owed, at)
        fell_later = owed["overdue_at"] is not None and owed["overdue_at"] > at
        if not open_amount(owed) or not (undone or fell_later):
            return
        open_penalty = unpaid(owed, "penalty")
        if money < open_amount(owed) - min(undone, open_penalty):
            self.fired["late but not enough"] += 1
            return
        paid_too_much = max(undone - open_penalty, 0)
        owed["penalties"] = [charge for charge in owed["penalties"] if charge[0] <= at]
        owed["paid"]["penalty"] -= paid_too_much
        account["credits"].append(paid_too_much)
        self.fired["late penalties undone"] += bool(undone)
        if fell_later:
            self.fired["late overdue undone"] += 1
            owed["overdue_at"] = None
