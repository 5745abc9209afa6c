"""Taking back what an order holds or made the buyer owe. Source: docs/rules.md, Return and Purchase."""

from collections.abc import Callable
from operator import attrgetter

from settlement import timeline
from settlement.changes import Change, ChangeKind
from settlement.dates import business_date
from settlement.draft import Draft
from settlement.entities import Obligation, Order
from settlement.ledger import LedgerAccount
from settlement.rules import credit_line, difference, due_day, fees, penalty
from settlement.rules.payout_request import pay_out
from settlement.rules.schedule import obligations_of

_given_up = attrgetter("charged_off_principal_minor")
_unpaid = attrgetter("open_principal_minor")
_paid = attrgetter("paid_principal_minor")


def take_back(
    draft: Draft,
    order: Order,
    amount_minor: int,
    reason: str,
    *,
    keeps_nothing: bool = False,
    holds_penalties: bool = False,
) -> int:
    """Give back an amount of an order: hold, or principal: what was charged off, what is unpaid, then what was paid.

    Each of them is reduced from the last due date backwards.

    Args:
        draft: the decision.
        order: held or captured; its own amounts and status are the caller's to change.
        amount_minor: at most what is left of the order.
        reason: `returned`, `cancelled` or `credited`.
        keeps_nothing: the fees and penalties that were paid for the order go back as well.
        holds_penalties: those of what is cut are held to what is left of it; what was paid above goes back.

    Returns:
        How much is paid out to the buyer, charges that go back included.
    """
    if order.captured_at is None:
        draft.post(LedgerAccount.LIMIT_AVAILABLE, LedgerAccount.LIMIT_HELD, amount_minor, draft.currency)
        credit_line.released(draft, {order.order_id: amount_minor}, reason)
        return 0
    before = obligations_of(draft, order)
    after, lost_minor = _cut(draft, before, amount_minor, _given_up, (ChangeKind.CHARGED_OFF, -1), (ChangeKind.LESS, 1))
    after, unpaid_minor = _cut(draft, after, amount_minor - lost_minor, _unpaid, (ChangeKind.LESS, 1))
    paid_minor = amount_minor - lost_minor - unpaid_minor
    after, _ = _cut(draft, after, paid_minor, _paid, (ChangeKind.REFUNDED, 1))  # it does not count as paid any more
    if holds_penalties:
        after = [_held(draft, earlier, later) for earlier, later in zip(before, after, strict=True)]
    charges_minor = sum(each.paid_penalty_minor for each in before) - sum(each.paid_penalty_minor for each in after)
    after = fees.adjusted(draft, order, after)
    if keeps_nothing:
        charges_minor += sum(each.paid_fee_minor + each.paid_penalty_minor for each in after)
        after = [_without_charges(draft, each) for each in after]
    for earlier, later in zip(before, after, strict=True):
        if later != earlier:
            ended = "paid" if later.principal_minor else "taken back"
            difference.take_over(draft, earlier, later, money=LedgerAccount.PAYOUT_CLEARING, ended=ended)
    draft.hand_to_merchant(order.merchant_id, payable_minor=-amount_minor)
    credit_line.released(draft, {order.order_id: unpaid_minor}, reason)
    if paid_minor + charges_minor:
        pay_out(draft, paid_minor + charges_minor, "order_refund", order.order_id)
    due_day.settle(draft, before, reason)
    return paid_minor + charges_minor


def _cut(
    draft: Draft,
    obligations: list[Obligation],
    amount_minor: int,
    most: Callable[[Obligation], int],
    *kinds: tuple[ChangeKind, int],
) -> tuple[list[Obligation], int]:
    """Reduce obligations by at most an amount, the last due date first.

    Args:
        draft: the decision.
        obligations: in the order they are paid.
        amount_minor: all together.
        most: by how much one may be reduced.
        kinds: the changes that do so, of 1 or -1 of each unit.

    Returns:
        The obligations, and by how much they were reduced.
    """
    left_minor, after = amount_minor, []
    for obligation in reversed(obligations):
        cut_minor = min(most(obligation), left_minor)
        left_minor -= cut_minor
        later = obligation
        for kind, sign in kinds:
            later = _changed(draft, later, kind, principal_minor=sign * cut_minor)
        after.append(later)
    return after[::-1], amount_minor - left_minor


def _held(draft: Draft, earlier: Obligation, later: Obligation) -> Obligation:
    """Hold the penalties of what was cut to what is left of it."""
    if later.principal_minor == earlier.principal_minor:
        return later
    return timeline.lowered(later, penalty.rate(draft, later)(business_date(draft.moment.now)))


def _without_charges(draft: Draft, obligation: Obligation) -> Obligation:
    """Give back the fees and penalties that were paid, and waive those that were not, charged off or not."""
    owed = _changed(
        draft,
        obligation,
        ChangeKind.CHARGED_OFF,
        penalty_minor=-obligation.charged_off_penalty_minor,
        fee_minor=-obligation.charged_off_fee_minor,
    )
    paid = _changed(
        draft,
        owed,
        ChangeKind.REFUNDED,
        penalty_minor=obligation.paid_penalty_minor,
        fee_minor=obligation.paid_fee_minor,
    )
    return _changed(draft, paid, ChangeKind.LESS, penalty_minor=paid.penalty_minor, fee_minor=paid.fee_minor)


def _changed(
    draft: Draft,
    obligation: Obligation,
    kind: ChangeKind,
    *,
    penalty_minor: int = 0,
    fee_minor: int = 0,
    principal_minor: int = 0,
) -> Obligation:
    if not penalty_minor + fee_minor + principal_minor:
        return obligation
    return timeline.put_in(obligation, Change(kind, draft.place, penalty_minor, fee_minor, principal_minor))
