"""What the model tells the world: (party, (instant, type, business fields))."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

from settlement.party import Party
from tests.property.model.facts import Facts, available


class Outputs:
    """Collects outputs, what is handed to merchants, and which rules took effect.

    Args:
        name: gives a new debit or payout the id under which messages will speak of it, from its facts.
    """

    def __init__(self, name: Callable[[Facts], str]) -> None:
        self.name = name
        self.outputs: list[tuple[Party, tuple]] = []
        self.activity: Counter[tuple[str, str, str, str]] = Counter()
        self.fired: Counter[str] = Counter()

    def emit(self, party: Facts, now: datetime, what: str, *fields: object) -> None:
        self.outputs.append((party["party"], (now.astimezone(UTC), what, *fields)))

    def notify(self, party: Facts, now: datetime, template: str, *details: object) -> None:
        """Send a notice; `details` are the parameters that `agreement.TOLD` names."""
        self.emit(party, now, "notification.requested", template, *details)

    def pay_out(
        self, party: Facts, now: datetime, amount: int, route: str, reason: str, source: str | None = None
    ) -> str | None:
        """Ask for a payout, of more than nothing; `source` names the one thing it is for, where there is one."""
        if not amount:
            return None
        request = {
            "payee": party["party"],
            "amount": amount,
            "currency": party["currency"],
            "route": route,
            "reason": reason,
            "source": source,
        }
        name = self.name(request)
        self.emit(party, now, "payout.requested", name, amount, party["currency"], route, reason)
        party["payouts"][name] = {"request": request, "status": "requested", "requested_at": now, "answered_at": None}
        return name

    def released(self, account: Facts, order_id: str | None, amount: int, reason: str, now: datetime) -> None:
        if amount:
            self.emit(account, now, "limit.released", order_id, amount, reason, available(account), account["limit"])

    def reclaimed(self, account: Facts, amount: int, reason: str, now: datetime) -> None:
        if amount > 0:
            self.emit(account, now, "limit.reclaimed", amount, reason, available(account), account["limit"])
            self.notify(account, now, "limit_reclaimed", amount)

    def restored(self, account: Facts, amount: int, reason: str, now: datetime) -> None:
        if amount > 0:
            self.emit(account, now, "limit.restored", amount, reason, available(account), account["limit"])
            self.notify(account, now, "limit_restored", reason)

    def hand_to_merchant(self, account: Facts, order: Facts, what: str, amount: int) -> None:
        """What the merchant of an order gets (`payable`) or has to wait for (`after_sales`)."""
        self.activity[account["party"].id, order["merchant_id"], account["currency"], what] += amount
