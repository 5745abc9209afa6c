"""Instalment fees. Source: docs/rules.md, Schedules."""

from collections.abc import Sequence

from settlement.draft import Draft
from settlement.entities import Obligation, Order
from settlement.ledger import LedgerAccount
from settlement.values import revised


def fee_of_each(draft: Draft, order: Order, principal_minor: int) -> int:
    """The fee on each of an order's instalments, which owe a principal in all, by the terms of the order."""
    bps = draft.rules.terms.since(order.terms_from).instalment_fee_bps_per_period
    return (principal_minor * bps + 5_000) // 10_000


def adjusted(draft: Draft, order: Order, obligations: Sequence[Obligation]) -> list[Obligation]:
    """Return an order's obligations with the fees that their principals give now, and post what is waived.

    Only instalments bear a fee, of the principal of them all. It never rises, and never falls below what was paid of
    it; where no principal is left, nothing unpaid is left of fee and penalty either.
    """
    instalments_minor = sum(obligation.principal_minor for obligation in obligations if obligation.in_instalments)
    fee_minor = fee_of_each(draft, order, instalments_minor)
    after = [_adjusted(obligation, fee_minor) for obligation in obligations]
    waived_fee_minor = sum(each.fee_minor for each in obligations) - sum(each.fee_minor for each in after)
    waived_penalty_minor = sum(each.penalty_minor for each in obligations) - sum(each.penalty_minor for each in after)
    draft.post(LedgerAccount.FEE_INCOME, LedgerAccount.FEE_RECEIVABLE, waived_fee_minor, draft.currency)
    draft.post(LedgerAccount.PENALTY_INCOME, LedgerAccount.PENALTY_RECEIVABLE, waived_penalty_minor, draft.currency)
    return after


def _adjusted(obligation: Obligation, fee_minor: int) -> Obligation:
    if not obligation.principal_minor:
        return revised(obligation, fee_minor=obligation.paid_fee_minor, penalty_minor=obligation.paid_penalty_minor)
    kept_minor = min(obligation.fee_minor, max(fee_minor, obligation.paid_fee_minor))
    return revised(obligation, fee_minor=kept_minor)
