"""Taking back what an order holds or made the buyer owe. Source: docs/rules.md, Return and Purchase."""

from settlement import timeline
from settlement.changes import Change, ChangeKind
from settlement.dates import business_date
from settlement.draft import Draft
from settlement.entities import Obligation, Order
from settlement.ledger import LedgerAccount
from settlement.rules import credit_line, difference, due_day, fees, penalty
from settlement.rules.payout_request import pay_out
from settlement.rules.schedule import obligations_of


def take_back(
    draft: Draft,
    order: Order,
    amount_minor: int,
    reason: str,
    *,
    keeps_nothing: bool = False,
    holds_penalties: bool = False,
) -> int:
    """Give back an amount of an order: hold, unpaid principal from the last due date backwards, then what was paid.

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
    after, given_up_minor = _without_given_up(draft, before, amount_minor)
    after, unpaid_minor = _without_unpaid(draft, after, amount_minor - given_up_minor)
    paid_minor = amount_minor - given_up_minor - unpaid_minor
    after = _without_paid(draft, after, paid_minor)
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


def _without_given_up(draft: Draft, obligations: list[Obligation], amount_minor: int) -> tuple[list[Obligation], int]:
    """Reduce what was charged off, the last due date first; returns the obligations and by how much."""
    left_minor, after = amount_minor, []
    for obligation in reversed(obligations):
        cut_minor = min(obligation.charged_off_principal_minor, left_minor)
        left_minor -= cut_minor
        open_again = _changed(draft, obligation, ChangeKind.CHARGED_OFF, principal_minor=-cut_minor)
        after.append(_changed(draft, open_again, ChangeKind.LESS, principal_minor=cut_minor))
    return after[::-1], amount_minor - left_minor


def _without_unpaid(draft: Draft, obligations: list[Obligation], amount_minor: int) -> tuple[list[Obligation], int]:
    """Reduce what is unpaid, the last due date first; returns the obligations and by how much."""
    left_minor, after = amount_minor, []
    for obligation in reversed(obligations):
        cut_minor = min(obligation.open_principal_minor, left_minor)
        left_minor -= cut_minor
        after.append(_changed(draft, obligation, ChangeKind.LESS, principal_minor=cut_minor))
    return after[::-1], amount_minor - left_minor


def _without_paid(draft: Draft, obligations: list[Obligation], amount_minor: int) -> list[Obligation]:
    """Reduce what was paid, the last due date first; what is refunded does not count as paid any more."""
    left_minor, after = amount_minor, []
    for obligation in reversed(obligations):
        cut_minor = min(obligation.paid_principal_minor, left_minor)
        left_minor -= cut_minor
        after.append(_changed(draft, obligation, ChangeKind.REFUNDED, principal_minor=cut_minor))
    return after[::-1]


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
