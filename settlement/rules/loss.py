"""What was charged off: how it is booked, and what is recovered of it. Source: docs/rules.md, Hardship."""

from settlement.changes import BY_MESSAGE, Place
from settlement.draft import Draft
from settlement.entities import Obligation, Repayment
from settlement.ledger import LedgerAccount

_LOSS, _INCOME = LedgerAccount.CHARGE_OFF_LOSS, LedgerAccount.RECOVERY_INCOME


def is_over(draft: Draft, obligation: Obligation) -> bool:
    """Tell whether an obligation was there when something was charged off last: what is owed of it again is as well."""
    return obligation.no < draft.account.charged_off_no


def not_before(draft: Draft, place: Place) -> Place:
    """From where money of a place counts: it undoes nothing of what was before something was charged off."""
    at = draft.account.charged_off_at
    return place if at is None else max(place, Place(at, BY_MESSAGE, draft.account.charged_off_no))


def take_over(draft: Draft, before: Obligation, after: Obligation) -> None:
    """Post what more or less is charged off of an obligation; what was recovered beyond the rest is the buyer's."""
    for receivable, more_minor in (
        (
            LedgerAccount.PENALTY_RECEIVABLE,
            after.charged_off_penalty_minor - before.charged_off_penalty_minor,
        ),
        (LedgerAccount.FEE_RECEIVABLE, after.charged_off_fee_minor - before.charged_off_fee_minor),
        (LedgerAccount.RECEIVABLE, after.charged_off_principal_minor - before.charged_off_principal_minor),
    ):
        if more_minor > 0:
            draft.post(_LOSS, receivable, more_minor, draft.currency)
        else:
            draft.post(receivable, _LOSS, -more_minor, draft.currency)
    if after.charged_off_minor < before.charged_off_minor:
        beyond_minor = max(0, draft.account.recovered_minor - draft.account.charged_off_minor)
        draft.post(_INCOME, LedgerAccount.CUSTOMER_CREDIT, beyond_minor, draft.currency)


def recovered(draft: Draft, amount_minor: int, money: LedgerAccount) -> None:
    """Book what was recovered, and thank the buyer.

    Args:
        draft: the decision.
        amount_minor: at most what was charged off and not recovered yet.
        money: where it comes from.
    """
    draft.post(money, _INCOME, amount_minor, draft.currency)
    account = draft.account
    draft.notify(
        "recovery_received",
        amount_minor=amount_minor,
        left_minor=account.charged_off_minor - account.recovered_minor,
        currency=account.currency,
    )


def taken_back(draft: Draft, repayment: Repayment) -> int:
    """A repayment was reversed: take back what it recovered, as far as that was not given back; returns how much."""
    recovered_minor = min(repayment.recovered_minor, draft.account.recovered_minor)
    draft.post(_INCOME, LedgerAccount.GATEWAY_CLEARING, recovered_minor, draft.currency)
    return recovered_minor
