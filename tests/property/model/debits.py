"""Debits: for what amounts the card is debited, when that is asked for again, lowered, or not answered."""

from collections.abc import Callable, Iterable
from datetime import datetime

from settlement.party import Party
from tests.property.model.facts import (
    ANSWER,
    DAY,
    PARTS,
    Facts,
    Verdict,
    business_date,
    declined,
    is_due,
    is_in,
    midnight,
    open_amount,
    open_returns,
    order_id_of,
    unpaid,
)
from tests.property.model.outputs import Outputs
from tests.property.model.timeline import JUST, Place, among_falls, place_at

DUE_DAY = 30
"""The rank of debits within an instant: customer credit is applied first."""
Asks = list[tuple[Facts, dict[str, int]]]
"""Obligations, and what is asked for of each by part."""


class DebitRules(Outputs):
    """What of the debts is asked for, and by which debit."""

    def __init__(self, name: Callable[[Facts], str]) -> None:
        super().__init__(name)
        self.parties: dict[Party, Facts] = {}
        self.refused: set[tuple[Party, str, str]] = set()
        self.missing: tuple[str, str] | None = None
        self.before_overdue = False
        """What is being done comes before what falls overdue at its instant."""
        self.among_overdue = False
        """It follows from what fell overdue at its instant."""
        self.credit_waits = False
        """It comes before customer credit pays what is due at its instant."""

    def refuse(self, party: Party, kind: str, name: str, reason: str) -> Verdict:
        """Decline what would have made something, for ever unknown until it is sent anew."""
        self.refused.add((party, kind, name))
        return declined(reason)

    # What is asked for.

    def is_standing(self, debit: Facts) -> bool:
        return debit["status"] == "requested" and not debit["unanswered"]

    def asked(self, account: Facts, owed: Facts, part: str, *, but: Facts | None = None) -> int:
        """What standing debits ask for of a part."""
        return sum(
            parts[part]
            for debit in account["debits"]
            if self.is_standing(debit) and debit is not but
            for each, parts in debit["asks"]
            if each is owed
        )

    def left_by_older(self, account: Facts, owed: Facts, debit: Facts) -> int:
        """What older standing debits don't ask for: by part, as a new one would ask."""
        left = {part: unpaid(owed, part) for part in PARTS}
        for other in account["debits"]:
            if other is debit:
                break
            for each, parts in other["asks"] if self.is_standing(other) else ():
                if each is owed:
                    left = {part: left[part] - parts[part] for part in PARTS}
        return sum(max(amount, 0) for amount in left.values())

    def waits_for_retry(self, account: Facts, owed: Facts) -> bool:
        return any(
            debit["retry_at"] is not None and is_in(owed, (each for each, _ in debit["asks"]))
            for debit in account["debits"]
        )

    def rest(self, account: Facts, owed: Facts, *, but: Facts | None = None) -> dict[str, int]:
        """What no other standing debit asks for, by part."""
        return {part: max(unpaid(owed, part) - self.asked(account, owed, part, but=but), 0) for part in PARTS}

    def unasked(self, account: Facts, owed: Facts) -> dict[str, int]:
        """What a new debit would ask for: nothing while only a penalty is left out and waits."""
        rest = dict.fromkeys(PARTS, 0) if self.waits_for_retry(account, owed) else self.rest(account, owed)
        waits = unpaid(owed, "principal") and not rest["principal"] and not rest["fee"]
        return dict.fromkeys(PARTS, 0) if waits else rest

    def to_ask_now(self, account: Facts, now: datetime) -> Asks:
        """All that is due and not asked for, orders that are being returned left out."""
        return [
            (owed, parts)
            for owed in account["obligations"]
            if is_due(owed, now) and not open_returns(account, owed["order"] or {})
            for parts in [self.unasked(account, owed)]
            if any(parts.values())
        ]

    def look_for_unasked(self, account: Facts, now: datetime) -> None:
        """What a decision leaves due and not asked for is debited at the next 00:00, unless its series is exhausted."""
        today = business_date(now)
        for owed, _ in self.to_ask_now(account, now):
            if owed["debit_done"] and not owed["exhausted"]:
                self.fired["asked for again at the next 00:00"] += 1
                self.debit_anew(owed, today + DAY)

    def debit_anew(self, owed: Facts, day) -> None:
        """Have attempt 1 of a new series requested at 00:00 of a day."""
        owed["debit_on"], owed["debit_done"] = day, False

    def exhaust(self, obligations: Iterable[Facts], now: datetime) -> None:
        """What was asked for in full, in vain, is not asked for at the next 00:00 any more."""
        for owed in obligations:
            owed["exhausted"] = True
            owed["debit_done"] = owed["debit_done"] or is_due(owed, now)

    # Requests.

    def debit_by_due_date(self, account: Facts, asks: Asks, now: datetime) -> None:
        """At once, attempt 1 of a new series for each due date."""
        for due_on in sorted({owed["due_on"] for owed, _ in asks}):
            self.debit(account, [each for each in asks if each[0]["due_on"] == due_on], due_on, 1, "due", now, now)

    def debit(self, account, asks: Asks, due_on, attempt, reason, first_at, now) -> None:
        asks = [(owed, parts) for owed, parts in asks if any(parts.values())]
        if not asks:
            return
        debit = {
            "account_id": account["party"].id,
            "amount": sum(sum(parts.values()) for _, parts in asks),
            "order_ids": sorted({order_id_of(owed) for owed, _ in asks} - {None}),
            "due_on": due_on,
            "attempt": attempt,
            "reason": reason,
        }
        name = self.name(debit)
        self.emit(account, now, "auto_debit.requested", name, *list(debit.values())[1:])
        for owed, _ in asks:
            owed["exhausted"] = False
        account["debits"].append(
            debit
            | {
                "debit_id": name,
                "asks": asks,
                "goes_to": [owed for owed, _ in asks],
                "status": "requested",
                "unanswered": False,
                "first_at": first_at,
                "requested_at": now,
                "place": self.place_now(now),
                "retry_at": None,
            }
        )

    def place_now(self, now: datetime) -> Place:
        """Where what is done now counts: before what falls overdue at its instant, among it, or after all its steps."""
        if self.among_overdue:
            return among_falls(now)
        return place_at(before_the_steps_of(now) if self.before_overdue else now)

    def cancel_debit(self, account: Facts, debit: Facts, now: datetime) -> None:
        debit["status"] = "cancelled"
        self.emit(account, now, "auto_debit.cancelled", debit["debit_id"])

    def debit_again(self, account: Facts, debit: Facts, obligations: Iterable[Facts], now: datetime) -> None:
        """The same attempt anew, for what is open of these obligations by now."""
        asks = [(owed, self.rest(account, owed)) for owed in obligations]
        self.debit(account, asks, debit["due_on"], debit["attempt"], debit["reason"], debit["first_at"], now)

    def retry(self, account: Facts, debit: Facts, now: datetime) -> None:
        debit["retry_at"] = None
        asks = [(owed, self.rest(account, owed)) for owed, _ in debit["asks"]]
        self.debit(account, asks, debit["due_on"], debit["attempt"] + 1, "retry", debit["first_at"], now)

    # Less is open than is asked for.

    def take_out_of_debits(self, account: Facts, taken: list[Facts], now: datetime) -> None:
        """Requested debits are replaced by ones without these obligations; pending retries go on without them."""
        for debit in list(account["debits"]):
            others = [(owed, parts) for owed, parts in debit["asks"] if not is_in(owed, taken)]
            is_less = len(others) < len(debit["asks"])
            debit["asks"] = others
            if debit["status"] == "requested" and is_less:
                self.cancel_debit(account, debit, now)
                if not debit["unanswered"]:
                    self.debit_again(account, debit, [owed for owed, _ in others], now)

    def lower_debits(self, account: Facts, now: datetime) -> None:
        """What was paid of what a debit asks for it asks for once more if it is owed again, until all is paid."""
        for debit in list(account["debits"]):
            if not any(open_amount(owed) for owed, _ in debit["asks"]):
                debit["asks"] = []
            obligations = [owed for owed, _ in debit["asks"]]
            if debit["status"] != "requested":
                continue
            if debit["unanswered"]:
                if sum(map(open_amount, obligations)) < debit["amount"]:
                    self.cancel_debit(account, debit, now)
                continue
            if sum(self.left_by_older(account, owed, debit) for owed in obligations) < debit["amount"]:
                self.cancel_debit(account, debit, now)
                self.debit_again(account, debit, obligations, now)

    # Nobody answers.

    def due_of_debits(self, account: Facts) -> list[tuple]:
        things = [
            (debit["retry_at"], 60, "retry", debit["debit_id"], debit)
            for debit in account["debits"]
            if debit["retry_at"] is not None
        ]
        return things + [
            (debit["requested_at"] + ANSWER, 10, "unanswered", debit["debit_id"], debit)
            for debit in account["debits"]
            if self.is_standing(debit)
        ]

    def give_up_waiting(self, account: Facts, debit: Facts, now: datetime) -> None:
        """It stands in nobody's way any more: at a 00:00 the debits of that very instant ask for the same."""
        debit["unanswered"] = True
        told = (debit["debit_id"], debit["amount"], debit["due_on"])
        self.notify(account, now, "debit_unanswered", *told, "to operators")
        today = business_date(now)
        if now == midnight(today):
            for owed, _ in self.to_ask_now(account, now):
                if owed["debit_done"] and not owed["exhausted"] and is_in(owed, debit["goes_to"]):
                    self.debit_anew(owed, today)

    def counts_from(self, debit: Facts, at: datetime) -> Place:
        """Where the success of a debit counts: at its request."""
        return debit["place"] if debit["place"][0] <= at else place_at(at)


def before_the_steps_of(now: datetime) -> datetime:
    return now - JUST
