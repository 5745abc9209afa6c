"""Money: what it pays, what of it is told late, and what becomes of the rest."""

from datetime import datetime

from tests.property.model.debits import DebitRules
from tests.property.model.facts import (
    DAY,
    PARTS,
    Facts,
    available,
    business_date,
    by_due_date,
    credit,
    is_due,
    is_in,
    midnight,
    open_amount,
    order_id_of,
)
from tests.property.model.timeline import (
    TOLD,
    Place,
    log_payment,
    look_again,
    look_at_falls,
    place_at,
    unpaid_at,
)


class MoneyRules(DebitRules):
    """Where money goes."""

    def use_credit(self, account: Facts, now: datetime, at: datetime | Place) -> int:
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
            self.undo_falls(account, owed)
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

    def undo_falls(self, account: Facts, owed: Facts) -> None:
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

    def release_repaid(self, account: Facts, now: datetime) -> None:
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
