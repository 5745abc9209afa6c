"""Giving a line back after something was overdue. Source: docs/rules.md, Overdue."""

from settlement.draft import Draft
from settlement.ledger import LedgerAccount
from settlement.rules import credit_line
from settlement.rules.credit_line import OVERDUE
from settlement.timers import WHOLE_ACCOUNT, TimerKind


def restore(draft: Draft, reason: str) -> None:
    """Lift the freeze for what was overdue and give back what was reclaimed of the limit.

    Args:
        draft: the decision.
        reason: why, as in docs/messages.md: `cleared`, `unfrozen` or `appeal`.
    """
    lift(draft)
    account = draft.account
    rise_minor = account.granted_minor - account.limit_minor
    draft.post(LedgerAccount.LIMIT_AVAILABLE, LedgerAccount.LIMIT_GRANTED, rise_minor, account.currency)
    if rise_minor:
        credit_line.restored(draft, rise_minor, reason)
    elif not account.freeze_reasons:
        credit_line.restored(draft, account.available_minor, reason)


def lift(draft: Draft) -> None:
    """Lift the freeze for what was overdue."""
    left = tuple([each for each in draft.account.freeze_reasons if each != OVERDUE])
    draft.change_account(freeze_reasons=left, overdue_since=None, cleared_at=None, appeal_upheld=False)
    draft.cancel(TimerKind.RESTORE, WHOLE_ACCOUNT)
