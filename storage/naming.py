"""What one thing says of others that must be there with it: which debits, repayments and obligations it names."""

from settlement import timeline
from settlement.changes import ChangeKind
from settlement.entities import Obligation, Payout, Repayment
from settlement.statuses import PayoutStatus


def asking_for(obligation: Obligation) -> list[str]:
    """Debits that ask for an obligation."""
    return [ask.partition(" ")[0] for ask in obligation.asks]


def repayments_of(obligation: Obligation) -> list[str]:
    """Repayments that paid an obligation."""
    changes = timeline.changes_of(obligation)
    return [each.source for each in changes if each.kind is ChangeKind.PAID and each.source]


def paid_by(repayment: Repayment) -> list[str]:
    """Obligations that a repayment paid, should it be reversed: a share begins with the obligation's id."""
    return [share.partition(" ")[0] for share in repayment.shares]


def may_come_back(payout: Payout, reason: str) -> bool:
    """Whether what a payout of this reason came from must be there, should it fail."""
    return payout.reason == reason and payout.status is PayoutStatus.REQUESTED
