"""What is counted of a story: decision by decision, and once more of what there is in the end."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from settlement.batch import Settled
from settlement.dates import business_date
from settlement.decision import Outcome
from settlement.entities import Account, MerchantBalance, Obligation
from settlement.ledger import LedgerAccount
from settlement.messages import Input, PurchasePlaced
from settlement.outputs import (
    AutoDebitRequested,
    LimitReclaimed,
    LimitRestored,
    NotificationRequested,
    OutputBody,
    PayoutRequested,
)
from settlement.party import Party, PartyKind
from settlement.statuses import ObligationStatus
from workers.replay.packing import PartyTables

FLOWS = {
    LedgerAccount.FEE_INCOME: "fees",
    LedgerAccount.PENALTY_INCOME: "penalties",
    LedgerAccount.GATEWAY_CLEARING: "collected",
    LedgerAccount.CHARGE_OFF_LOSS: "charged_off",
    LedgerAccount.RECOVERY_INCOME: "recovered",
}
"""Ledger accounts and the measure of what comes to them, less what is taken back."""

ACCEPTED, FEES, PENALTIES, OVERDUE, COLLECTED = "accepted", "fees", "penalties", "fell_overdue", "collected"
OF_PARTY = (ACCEPTED, FEES, PENALTIES, OVERDUE, COLLECTED, "paid_out")
"""Measures that are kept of each party whose stories differ."""


@dataclass(slots=True)
class StoryFigures:
    """The numbers of one story; amounts are minor units, by currency.

    Args:
        outcomes: inputs by type, outcome and reason.
        counts: how often, by measure.
        amounts: by measure and currency.
        days: amounts again, by business date, measure and currency.
    """

    outcomes: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    amounts: Counter[tuple[str, str]] = field(default_factory=Counter)
    days: Counter[tuple[date, str, str]] = field(default_factory=Counter)

    def add(self, other: "StoryFigures") -> None:
        """Take another lane's numbers in."""
        for name in ("outcomes", "counts", "amounts", "days"):
            for key, number in getattr(other, name).items():
                getattr(self, name)[key] += number

    def take(self, settled: Settled, measured: Iterable["Measured"]) -> None:
        """Count one input or timer, and what it came to."""
        decision, day = settled.decision, business_date(settled.decided_at)
        if settled.input is not None:
            self.outcomes[settled.input.type, decision.outcome.value, decision.reason or ""] += 1
        for measure, currency, amount_minor, counted in measured:
            self.counts[measure] += counted
            self.amounts[measure, currency] += amount_minor
            self.days[day, measure, currency] += amount_minor

    def take_end(self, party: Party, tables: PartyTables) -> None:
        """Count what a party has in the end."""
        if party.kind is PartyKind.MERCHANT:
            for balance in tables.entities.get(MerchantBalance, {}).values():
                if isinstance(balance, MerchantBalance):
                    self.amounts["payable_at_end", balance.currency] += balance.payable_minor
            return
        for account in tables.entities.get(Account, {}).values():
            if isinstance(account, Account):
                self._account(account, tables.entities.get(Obligation, {}).values())

    def _account(self, account: Account, obligations: Iterable[Any]) -> None:
        currency = account.currency
        self.counts["accounts"] += 1
        self.counts[f"lines_{account.status}"] += 1
        self.amounts["limit_at_end", currency] += account.limit_minor
        self.amounts["available_at_end", currency] += account.available_minor
        receivable = account.receivable_minor + account.fee_receivable_minor + account.penalty_receivable_minor
        self.amounts["owed_at_end", currency] += receivable
        overdue = sum(each.open_minor for each in obligations if each.status is ObligationStatus.OVERDUE)
        self.counts["accounts_overdue_at_end"] += overdue > 0
        self.amounts["overdue_at_end", currency] += overdue


Measured = tuple[str, str, int, int]
"""Measure, currency, amount in minor units, and how many times that is."""


def measured(settled: Settled) -> list[Measured]:
    """What one decision came to. Of duplicates and the like that is nothing."""
    decision = settled.decision
    found: list[Measured] = []
    body = None if settled.input is None else settled.input.body
    if isinstance(body, PurchasePlaced) and decision.outcome in {Outcome.APPLIED, Outcome.DECLINED}:
        measure = ACCEPTED if decision.outcome is Outcome.APPLIED else "declined"
        found.append((measure, body.currency, body.amount_minor, 1))
    for posting in decision.postings:
        for account, sign in ((posting.debit, 1), (posting.credit, -1)):
            flow = FLOWS.get(account)
            if flow is not None:
                comes = sign if account.normal_side.value == "debit" else -sign
                found.append((flow, posting.currency, comes * posting.amount_minor, comes))
    for output in decision.outputs:
        found += _asked_or_told(output.body)
    return found


def _asked_or_told(body: OutputBody) -> list[Measured]:
    match body:
        case AutoDebitRequested():
            return [("debits_requested", body.currency, body.amount_minor, 1)]
        case PayoutRequested():
            return [(f"payouts_to_{body.payee_kind}s", body.currency, body.amount_minor, 1)]
        case LimitReclaimed():
            return [("limits_reclaimed", body.currency, body.amount_minor, 1)]
        case LimitRestored():
            return [("limits_restored", body.currency, body.amount_minor, 1)]
        case NotificationRequested(template="payment_overdue", params=params):
            return [(OVERDUE, str(params["currency"]), int(str(params["amount_minor"])), 1)]
    return []


def mark(settled: Settled) -> int:
    """What one decision is, in one number: equal in two stories when it is the same in both."""
    message: Input | None = settled.input
    name = message.source.name if message is not None else settled.timer.timer_id if settled.timer is not None else ""
    decision = settled.decision
    postings = tuple((each.debit, each.credit, each.currency, each.amount_minor) for each in decision.postings)
    outputs = tuple(each.event_id for each in decision.outputs)
    return hash((name, decision.outcome, decision.reason, settled.decided_at, postings, outputs, settled.was_parked))
