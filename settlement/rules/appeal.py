"""Appeals of buyers against freezes. Source: docs/rules.md, Credit line."""

from settlement.decision import Decision, DeclineReason
from settlement.draft import Draft
from settlement.entities import Appeal
from settlement.messages import AppealDecided
from settlement.rules import credit_line, overdue
from settlement.rules.credit_line import OVERDUE
from settlement.rules.restoring import restore

UPHELD = "upheld"

LIFTED = frozenset({"security", "binding_changes", "credit_review"})
"""Freeze reasons that an upheld appeal lifts at once; `overdue` once nothing is, others by their own end only."""


def decided(draft: Draft, body: AppealDecided) -> Decision:
    """Tell the buyer what became of an appeal; one that is upheld lifts freezes."""
    account = draft.account
    if account.closed_at is not None:
        return draft.declined(DeclineReason.LINE_CLOSED)
    known = draft.find(Appeal, body.appeal_id)
    if known is not None:
        return draft.repeated(known.fingerprint, draft.cause.fingerprint)
    draft.put(
        Appeal(
            account_id=account.account_id,
            appeal_id=body.appeal_id,
            no=draft.next_no(),
            outcome=body.outcome,
            decided_at=draft.moment.occurred_at,
            fingerprint=draft.cause.fingerprint,
        )
    )
    if body.outcome == UPHELD:
        draft.notify("appeal_upheld", appeal_id=body.appeal_id, opinion=body.opinion)
        _lift(draft)
    else:
        draft.notify("appeal_rejected", appeal_id=body.appeal_id, opinion=body.opinion)
    return draft.applied()


def _lift(draft: Draft) -> None:
    account = draft.account
    lifted = LIFTED.intersection(account.freeze_reasons)
    left = tuple([reason for reason in account.freeze_reasons if reason not in lifted])
    # As after an `.unfrozen`: one of these reasons that is told later goes for a repetition.
    draft.change_account(freeze_reasons=left, lifted_freezes=tuple(sorted({*account.lifted_freezes, *lifted})))
    if OVERDUE in left:
        if overdue.is_overdue(draft):
            draft.change_account(appeal_upheld=True)
        else:
            restore(draft, "appeal")
    elif lifted and not left:
        credit_line.restored(draft, account.available_minor, "appeal")
