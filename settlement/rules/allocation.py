"""Spreading money over what is owed, as of the instant it counts from. Source: docs/rules.md, Repayment.

What counts from an instant that has passed comes before all that was paid later: that is taken back, the money is
spread, and then what was taken back is spread again, each as of its own instant: over what it paid before, as far as
that is open, and what is left for its own purpose. So no money that comes takes from anything what was paid of it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import takewhile

from settlement import timeline
from settlement.changes import BY_MESSAGE, CREDIT, Change, ChangeKind, Place
from settlement.dates import business_date, days_after, midnight
from settlement.draft import Draft
from settlement.entities import Debit, Obligation, Order, Repayment
from settlement.ledger import LedgerAccount
from settlement.parts import Parts
from settlement.rules import credit_line, difference, loss, penalty
from settlement.rules.schedule import obligations_of
from settlement.statuses import ObligationStatus
from settlement.timers import TimerKind
from settlement.values import dataclass as value
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

    @property
    def amount_minor(self) -> int:
        """What was paid."""
        return self.penalty_minor + self.fee_minor + self.principal_minor


NOTHING_PAID: Mapping[str, Parts] = {}


@value(frozen=True, slots=True)
class Money:
    """Money to spread, and what for.

    `source` is the repayment it came by, empty for customer credit. It pays `first_ids` before all else, only what is
    of one order where it `is_for_order` (one that was declined when it came owes nothing, placed anew or not), and only
    what is due by `due_by` where that is given.
    """

    place: Place
    amount_minor: int
    source: str = ""
    first_ids: tuple[str, ...] = ()
    is_for_order: bool = False
    order_id: str | None = None
    due_by: date | None = None

    def may_pay(self, obligation: Obligation) -> bool:
        """Whether an obligation is due, where only what is due is paid."""
        return self.due_by is None or obligation.due_on <= self.due_by


@dataclass(slots=True)
class Allocation:
    """Money being spread over what is owed, and what comes of it.

    `come_from` is where the money came from; in the end all that nothing has taken is customer credit.
    """

    draft: Draft
    come_from: LedgerAccount
    before: dict[str, Obligation] = field(default_factory=dict)
    """What was paid on or taken back from, each as it was before."""
    shares: dict[str, list[Share]] = field(default_factory=dict)
    """What each source got, in the order it was spread."""
    recovered: dict[str, int] = field(default_factory=dict)
    """How much of what was charged off each source has recovered; minor units."""
    displaced: list[tuple[Money, Mapping[str, Parts]]] = field(default_factory=list)
    """What counts later and was taken back, to be spread again, with what it paid of each obligation."""

    def make_room(self, place: Place) -> None:
        """Take back what counts as paid after a place, if anything does."""
        draft = self.draft
        until = draft.account.paid_until
        if until is None or until < place.at:
            return
        if until == place.at and place.rank >= BY_MESSAGE and place.no >= draft.place.no - 1:  # nothing came after it
            return
        amounts: dict[tuple[Place, str], int] = {}
        paid: dict[tuple[Place, str], dict[str, Parts]] = {}
        for obligation in draft.past_since(place.at):
            without, moved = timeline.taken_back(obligation, lambda change: self._is_movable(change, place))
            for change in moved:
                key = (change.place, change.source)
                amounts[key] = amounts.get(key, 0) + change.amount_minor
                _add(paid.setdefault(key, {}), obligation.obligation_id, change.parts)
            if moved:
                self.work_on(obligation, penalty.derived(draft, without, place))
        self.displaced = [
            (self._again(*key, amount_minor), paid[key])
            for key, amount_minor in sorted(amounts.items(), key=lambda each: self._order(each[0]))
        ]

    def spread(self, money: Money, had_paid: Mapping[str, Parts] = NOTHING_PAID) -> int:
        """Pay what money is for, as of its instant; within one obligation: penalty, fee, principal.

        What is left of a repayment recovers what was charged off.

        Args:
            money: what is spread.
            had_paid: what it paid of each obligation before; it pays that first, due or not, as far as that is open.

        Returns:
            What is left over.
        """
        left_minor = money.amount_minor
        had = [self.draft.get(Obligation, obligation_id) for obligation_id in had_paid]
        for obligation in sorted(had, key=_pay_order) if had else ():
            left_minor -= self._pay_one(obligation, money, left_minor, had_paid[obligation.obligation_id])
        for obligation in self._meant(money) if left_minor else ():
            left_minor -= self._pay_one(obligation, money, left_minor)
            if not left_minor:  # nothing more need be loaded
                break
        return left_minor - self._recover(money.source, left_minor)

    def spread_displaced(self, due_by: date | None = None) -> int:
        """Spread again what was taken back, each as of its instant; returns what of the rest goes out at once.

        Args:
            due_by: beyond what it paid before it pays only what is due by then; the rest goes out.
        """
        out_minor = 0
        for money, had_paid in self.displaced:
            dates = [day for day in (due_by, money.due_by) if day is not None]
            left_minor = self.spread(revised(money, due_by=min(dates, default=None)), had_paid)
            if due_by is not None or (money.source and money.due_by is not None):
                out_minor += left_minor
            repayment = self.draft.get(Repayment, money.source) if money.source else None
            if repayment is not None:
                self.record(repayment)
        return out_minor

    def record(self, repayment: Repayment) -> None:
        """Keep what a repayment paid by now, and recovered."""
        source = repayment.repayment_id
        self.draft.put(recorded(repayment, self.shares.get(source, []), self.recovered.get(source, 0)))

    def spend_credit(self, credit_minor: int) -> int:
        """Let money that has become the buyer's pay all that is due by now; returns what is left of it."""
        if not credit_minor:
            return 0
        place = self.draft.take_place()
        if place.rank == TimerKind.DEBIT.rank:
            place = revised(place, rank=CREDIT)
        return self.spread(_credit(place, credit_minor))

    def left_minor(self, amount_minor: int) -> int:
        """What is left of an amount that came, and of what was taken back of earlier ones."""
        spread_minor = sum(_paid(later) - _paid(earlier) for earlier, later in self._pairs())
        return amount_minor - spread_minor - sum(self.recovered.values())

    def finish(self, amount_minor: int) -> list[Obligation]:
        """Post what changed, and tell what limit became available; `difference.conclude` is left to the caller.

        Args:
            amount_minor: what came; what of it was not spread becomes customer credit.

        Returns:
            What changed, each as it was before, in the order it is paid. Debits still ask for it.
        """
        draft = self.draft
        pairs = self._pairs()
        before = [earlier for earlier, _ in pairs]
        spread_minor = amount_minor - self.left_minor(amount_minor)
        hub = self.come_from
        if hub is not LedgerAccount.CUSTOMER_CREDIT:
            if any(_falls_back(earlier, later) for earlier, later in pairs) or spread_minor > amount_minor:
                hub = LedgerAccount.CUSTOMER_CREDIT
                draft.post(self.come_from, hub, amount_minor, draft.currency)
            else:
                left_minor = amount_minor - spread_minor
                draft.post(hub, LedgerAccount.CUSTOMER_CREDIT, left_minor, draft.currency)
        for earlier, later in pairs:
            difference.take_over(draft, earlier, revised(later, status=earlier.status), money=hub)
        for recovered_minor in self.recovered.values():
            loss.recovered(draft, recovered_minor, hub)
        credit_line.released(draft, _released(pairs), "repaid")
        return before

    def work_on(self, earlier: Obligation, later: Obligation) -> None:
        """Go on with a changed obligation; what changed is posted in the end."""
        self.before.setdefault(earlier.obligation_id, earlier)
        status = ObligationStatus.OPEN if later.open_minor else ObligationStatus.PAID  # until it is known for good
        self.draft.put(revised(later, status=status))

    def _pairs(self) -> list[tuple[Obligation, Obligation]]:
        """What changed, each as it was before and as it is by now, in the order it is paid."""
        before = sorted(self.before.values(), key=_pay_order) if len(self.before) > 1 else list(self.before.values())
        return [(each, self.draft.get(Obligation, each.obligation_id)) for each in before]

    def _pay_one(self, obligation: Obligation, money: Money, left_minor: int, most: Parts | None = None) -> int:
        """Pay what is open of an obligation at the money's instant, at `most` so much; returns how much that was."""
        place = money.place
        parts = timeline.payable_at(obligation, place)
        if most is not None:
            parts = parts.within(most)
        penalty_minor = min(left_minor, parts.penalty_minor)
        fee_minor = min(left_minor - penalty_minor, parts.fee_minor)
        principal_minor = min(left_minor - penalty_minor - fee_minor, parts.principal_minor)
        paid_minor = penalty_minor + fee_minor + principal_minor
        if not paid_minor:
            return 0
        change = Change(ChangeKind.PAID, place, penalty_minor, fee_minor, principal_minor, money.source)
        after = timeline.put_in(obligation, change)
        self.work_on(obligation, penalty.derived(self.draft, after, place))
        share = Share(obligation.obligation_id, penalty_minor, fee_minor, principal_minor)
        self.shares.setdefault(money.source, []).append(share)
        account = self.draft.account
        if account.paid_until is None or account.paid_until < place.at:
            self.draft.change_account(paid_until=place.at)
        return paid_minor

    def _recover(self, source: str, left_minor: int) -> int:
        """Take of what is left of a repayment what is still to be recovered; returns how much."""
        account = self.draft.account
        lost_minor = account.charged_off_minor - account.recovered_minor - sum(self.recovered.values())
        recovered_minor = min(left_minor, lost_minor) if source else 0
        if recovered_minor:
            self.recovered[source] = self.recovered.get(source, 0) + recovered_minor
        return recovered_minor

    def _meant(self, money: Money) -> Iterator[Obligation]:
        """What money is for, in the order it is paid."""
        draft = self.draft
        if money.first_ids:
            own = [draft.get(Obligation, obligation_id) for obligation_id in money.first_ids]
            yield from sorted(own, key=_pay_order)
        if money.is_for_order:
            order = draft.find(Order, money.order_id) if money.order_id is not None else None
            if order is not None and order.no < draft.get(Repayment, money.source).no:  # else it was declined then
                yield from filter(money.may_pay, obligations_of(draft, order))
        else:
            yield from takewhile(money.may_pay, draft.open_obligations())

    def _is_movable(self, change: Change, place: Place) -> bool:
        """Whether a payment comes after a place; what was reversed stays where it was."""
        if change.place <= place:
            return False
        return not change.source or self.draft.get(Repayment, change.source).reversed_at is None

    def _order(self, key: tuple[Place, str]) -> tuple[datetime, int, bool, int, int]:
        """Debits come after credit, and what has answered one debit twice as it came."""
        place, source = key
        return (place.at, place.rank, bool(source), place.no, self.draft.get(Repayment, source).no if source else 0)

    def _again(self, place: Place, source: str, amount_minor: int) -> Money:
        if not source:
            return _credit(place, amount_minor)
        return money_of(self.draft, self.draft.get(Repayment, source), amount_minor, place)


def _credit(place: Place, amount_minor: int) -> Money:
    """Customer credit: it pays what is due, of a date when all waits and trials that end at its 00:00 have ended."""
    due_by = business_date(place.at)
    if place.rank < CREDIT and place.at == midnight(due_by):
        due_by = days_after(due_by, -1)
    return Money(place, amount_minor, due_by=due_by)


def money_of(draft: Draft, repayment: Repayment, amount_minor: int, place: Place) -> Money:
    """What a repayment is for, by its record."""
    debit = draft.get(Debit, repayment.debit_id) if repayment.debit_id is not None else None
    return Money(
        place,
        amount_minor,
        repayment.repayment_id,
        first_ids=debit.obligation_ids if debit is not None and repayment.own_first else (),
        is_for_order=debit is None and repayment.purpose == "order",
        order_id=repayment.order_id,
        due_by=repayment.due_by,
    )


def had_paid(repayment: Repayment) -> Mapping[str, Parts]:
    """What a repayment paid of each obligation, by its record."""
    paid: dict[str, Parts] = {}
    for share in map(Share.parse, repayment.shares):
        _add(paid, share.obligation_id, Parts(share.penalty_minor, share.fee_minor, share.principal_minor))
    return paid


def _add(sums: dict[str, Parts], obligation_id: str, parts: Parts) -> None:
    sums[obligation_id] = sums.get(obligation_id, Parts()).plus(parts)


def recorded(repayment: Repayment, shares: Iterable[Share], recovered_minor: int) -> Repayment:
    """Return a repayment with what it paid by now, and recovered in addition; the fees it made go away stay so."""
    waived = {
        share.obligation_id: share.waived_fee_minor
        for share in map(Share.parse, repayment.shares)
        if share.waived_fee_minor
    }
    paid = list(shares)
    kept = [Share(obligation_id, 0, 0, 0, fee_minor) for obligation_id, fee_minor in waived.items()]
    recovered_minor += repayment.recovered_minor
    return revised(
        repayment,
        shares=tuple(map(str, [*kept, *paid])),
        credit_minor=repayment.amount_minor - recovered_minor - sum(share.amount_minor for share in paid),
        recovered_minor=recovered_minor,
    )


def _pay_order(obligation: Obligation) -> tuple[date, int]:
    return (obligation.due_on, obligation.no)


def _paid(obligation: Obligation) -> int:
    return obligation.paid_penalty_minor + obligation.paid_fee_minor + obligation.paid_principal_minor


def _released(pairs: Iterable[tuple[Obligation, Obligation]]) -> dict[str | None, int]:
    """How much more principal is paid by order, those first of which something is paid first."""
    more = [(each.order_id, later.paid_principal_minor - each.paid_principal_minor) for each, later in pairs]
    sums: dict[str | None, int] = {}
    for order_id, minor in sorted(more, key=lambda each: each[1] <= 0):
        sums[order_id] = sums.get(order_id, 0) + minor
    return {order_id: minor for order_id, minor in sums.items() if minor > 0}


def _falls_back(earlier: Obligation, later: Obligation) -> bool:
    """Whether less of some part counts as paid than before."""
    return (
        later.paid_penalty_minor < earlier.paid_penalty_minor
        or later.paid_fee_minor < earlier.paid_fee_minor
        or later.paid_principal_minor < earlier.paid_principal_minor
    )
