"""Spreading money over what is owed. Source: docs/rules.md, Repayment."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from settlement.draft import Draft
from settlement.entities import Obligation
from settlement.ledger import LedgerAccount
from settlement.lifecycles import OBLIGATION
from settlement.rules import credit_line, overdue
from settlement.rules.schedule import settle_orders
from settlement.values import revised


@dataclass(frozen=True, slots=True)
class Share:
    """What a repayment paid of one obligation, and which fee it made go away; minor units."""

    obligation_id: str
    penalty_minor: int
    fee_minor: int
    principal_minor: int
    waived_fee_minor: int = 0

    @classmethod
    def parse(cls, text: str) -> "Share":
        """Read what `str` wrote."""
        obligation_id, *amounts = text.split()
        return cls(obligation_id, *map(int, amounts))

    def __str__(self) -> str:
        return (
            f"{self.obligation_id} {self.penalty_minor} {self.fee_minor} {self.principal_minor} {self.waived_fee_minor}"
        )


@dataclass(slots=True)
class Allocation:
    """Money that is being spread; `left_minor` is what nothing has taken yet.

    `paid_at` is when a repayment was made: what it would have prevented is undone. None for money that was here.
    """

    draft: Draft
    source: LedgerAccount
    left_minor: int
    paid_at: datetime | None = None
    paid: list[Obligation] = field(default_factory=list)
    """What was paid on, each as it was before."""
    shares: list[Share] = field(default_factory=list)
    """What each of `paid` got."""

    def pay(self, obligations: Iterable[Obligation]) -> None:
        """Pay obligations one after the other; within one: penalty, fee, principal.

        Stops asking for obligations when nothing is left to spread.
        """
        if not self.left_minor:
            return
        for obligation in obligations:
            self._pay_one(obligation)
            if not self.left_minor:
                return

    def finish(self) -> None:
        """Note settled orders and tell what limit became available."""
        released: dict[str | None, int] = {}
        paid = sorted(zip(self.paid, self.shares, strict=True), key=lambda each: (each[0].due_on, each[0].no))
        for obligation, share in paid:
            released[obligation.order_id] = released.get(obligation.order_id, 0) + share.principal_minor
        settle_orders(self.draft, [order_id for order_id in _orders_of(self.paid) if order_id is not None])
        credit_line.released(self.draft, released, "repaid")
        overdue.note_cleared(self.draft, self.paid)

    def _pay_one(self, obligation: Obligation) -> None:
        unchanged = obligation
        if self.paid_at is not None:
            obligation = overdue.undo_prevented(self.draft, obligation, self.left_minor, self.paid_at)
        penalty_minor = self._take(obligation.penalty_minor - obligation.paid_penalty_minor)
        fee_minor = self._take(obligation.fee_minor - obligation.paid_fee_minor)
        principal_minor = self._take(obligation.principal_minor - obligation.paid_principal_minor)
        if obligation is unchanged and not penalty_minor + fee_minor + principal_minor:
            return
        currency = self.draft.currency
        self.draft.post(self.source, LedgerAccount.PENALTY_RECEIVABLE, penalty_minor, currency)
        self.draft.post(self.source, LedgerAccount.FEE_RECEIVABLE, fee_minor, currency)
        self.draft.post(self.source, LedgerAccount.RECEIVABLE, principal_minor, currency)
        self.draft.post(LedgerAccount.LIMIT_AVAILABLE, LedgerAccount.LIMIT_USED, principal_minor, currency)
        after = revised(
            obligation,
            paid_penalty_minor=obligation.paid_penalty_minor + penalty_minor,
            paid_fee_minor=obligation.paid_fee_minor + fee_minor,
            paid_principal_minor=obligation.paid_principal_minor + principal_minor,
        )
        if not after.open_minor:
            after = revised(after, status=OBLIGATION.after(after.status, "paid"), debit_id=None)
        self.draft.put(after)
        self.paid.append(obligation)
        self.shares.append(Share(obligation.obligation_id, penalty_minor, fee_minor, principal_minor))

    def _take(self, wanted_minor: int) -> int:
        share_minor = min(wanted_minor, self.left_minor)
        self.left_minor -= share_minor
        return share_minor


def _orders_of(obligations: Iterable[Obligation]) -> dict[str | None, None]:
    """Ids of orders, each once, in the order of their obligations."""
    return dict.fromkeys(obligation.order_id for obligation in obligations)
