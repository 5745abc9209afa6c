"""What an obligation was and what it is by its time line: the difference is posted, and its state follows.

Whoever changes an obligation's time line (`settlement.timeline`) hands what comes of it to `take_over`, and tells when
all is done by `conclude`. Source: docs/rules.md, Repayment and Overdue.
"""

from collections.abc import Iterable, Sequence

from settlement import timeline
from settlement.draft import Draft
from settlement.entities import Obligation
from settlement.ledger import LedgerAccount
from settlement.lifecycles import OBLIGATION
from settlement.rules import loss, overdue, penalty
from settlement.rules.schedule import restate_orders
from settlement.statuses import ObligationStatus
from settlement.values import revised


def take_over(
    draft: Draft,
    before: Obligation,
    after: Obligation,
    *,
    money: LedgerAccount,
    principal: LedgerAccount = LedgerAccount.MERCHANT_TRANSIT,
    charges: tuple[LedgerAccount, LedgerAccount] = (LedgerAccount.PENALTY_INCOME, LedgerAccount.FEE_INCOME),
    ended: str = "paid",
) -> None:
    """Post what changed of an obligation and record it in the state that follows.

    Args:
        draft: the decision.
        before: as it was recorded.
        after: by its changed time line.
        money: where what is paid comes from, and what does not count as paid any more goes.
        principal: what principal that is not owed any more is booked against.
        charges: the same for penalties and fees.
        ended: the step that leaves nothing open of it (docs/states.md).
    """
    after = timeline.without_void_falls(after)
    penalties, fees = charges
    _post(draft, LedgerAccount.PENALTY_RECEIVABLE, penalties, after.penalty_minor - before.penalty_minor)
    _post(draft, LedgerAccount.FEE_RECEIVABLE, fees, after.fee_minor - before.fee_minor)
    _post(draft, LedgerAccount.RECEIVABLE, principal, after.principal_minor - before.principal_minor)
    _post(draft, money, LedgerAccount.PENALTY_RECEIVABLE, after.paid_penalty_minor - before.paid_penalty_minor)
    _post(draft, money, LedgerAccount.FEE_RECEIVABLE, after.paid_fee_minor - before.paid_fee_minor)
    _post(draft, money, LedgerAccount.RECEIVABLE, after.paid_principal_minor - before.paid_principal_minor)
    loss.take_over(draft, before, after)
    opened_minor = after.open_principal_minor - before.open_principal_minor
    _post(draft, LedgerAccount.LIMIT_USED, LedgerAccount.LIMIT_AVAILABLE, opened_minor)
    penalty.note_charged(draft, before, after)
    draft.put(stated(after, ended))


def stated(obligation: Obligation, ended: str = "paid") -> Obligation:
    """Return an obligation in the state that its sums and falls give."""
    status = obligation.status
    if not obligation.open_minor:
        step = "charged off" if obligation.charged_off_minor else ended
        if status is ObligationStatus.RETURNED or status is _WHERE_IT_STAYS.get(step):
            return obligation
        return revised(obligation, status=OBLIGATION.after(status, step))
    if status not in {ObligationStatus.OPEN, ObligationStatus.OVERDUE}:
        was_returned = status is ObligationStatus.RETURNED  # what is left of an order is spread over its dates anew
        status = OBLIGATION.after(status, "amount lowered" if was_returned else "payment reversed")
    is_overdue = timeline.is_overdue(obligation)
    if is_overdue and status is ObligationStatus.OPEN:
        status = OBLIGATION.after(status, "fell overdue")
    elif not is_overdue and status is ObligationStatus.OVERDUE:
        status = OBLIGATION.after(status, "paid in time after all")
    return obligation if status is obligation.status else revised(obligation, status=status)


_WHERE_IT_STAYS = {"paid": ObligationStatus.PAID, "charged off": ObligationStatus.CHARGED_OFF}
"""A step of what is over already, and the state in which it changes nothing."""


def conclude(draft: Draft, before: Sequence[Obligation]) -> None:
    """Bring what hangs on changed obligations in line: their orders, and whether the line is overdue.

    Args:
        draft: the decision, in which the changes are made already.
        before: the obligations that changed, as they were before.
    """
    restate_orders(draft, _orders_of(before))
    overdue.note_changed(draft, before)


def _orders_of(obligations: Iterable[Obligation]) -> list[str]:
    """Ids of orders, each once, in the order of their obligations."""
    return list(dict.fromkeys(each.order_id for each in obligations if each.order_id is not None))


def _post(draft: Draft, debit: LedgerAccount, credit: LedgerAccount, amount_minor: int) -> None:
    """Post an amount or, when it is below 0, the opposite."""
    if not amount_minor:
        return
    if amount_minor > 0:
        draft.post(debit, credit, amount_minor, draft.currency)
    else:
        draft.post(credit, debit, -amount_minor, draft.currency)
