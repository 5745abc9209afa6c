"""Instalment fees. Source: docs/rules.md, Schedules."""

from collections.abc import Sequence

from settlement import timeline
from settlement.changes import Change, ChangeKind
from settlement.draft import Draft
from settlement.entities import Obligation, Order


def fee_of_each(draft: Draft, order: Order, principal_minor: int) -> int:
    """The fee on each of an order's instalments, which owe a principal in all, by the terms of the order."""
    bps = draft.rules.terms.since(order.terms_from).instalment_fee_bps_per_period
    return (principal_minor * bps + 5_000) // 10_000


def adjusted(draft: Draft, order: Order, obligations: Sequence[Obligation]) -> list[Obligation]:
    """Return an order's obligations with the fees that their principals give now; nothing is posted.

    Only instalments bear a fee, of the principal of all that one split, or the capture, made. It never rises, and never
    falls below what was paid of it; where no principal is left, nothing unpaid is left of fee and penalty either.
    """
    principals: dict[int, int] = {}
    for each in obligations:
        if each.in_instalments:
            principals[each.split_no] = principals.get(each.split_no, 0) + each.principal_minor
    fees = {split_no: fee_of_each(draft, order, principal_minor) for split_no, principal_minor in principals.items()}
    return [_adjusted(draft, each, fees.get(each.split_no, 0) if each.in_instalments else 0) for each in obligations]


def _adjusted(draft: Draft, obligation: Obligation, fee_minor: int) -> Obligation:
    owed_minor = fee_minor if obligation.principal_minor else 0
    waived_fee_minor = min(max(0, obligation.fee_minor - owed_minor), obligation.open_fee_minor)
    waived_penalty_minor = 0 if obligation.principal_minor else obligation.open_penalty_minor
    if not waived_fee_minor and not waived_penalty_minor:
        return obligation
    change = Change(ChangeKind.LESS, draft.place, waived_penalty_minor, waived_fee_minor, 0)
    return timeline.put_in(obligation, change)
