"""The buyer's card: whether one is linked. Source: docs/rules.md, Credit line and Debits."""

from settlement.decision import Decision, DeclineReason
from settlement.draft import Draft
from settlement.rules import due_day


def linked(draft: Draft) -> Decision:
    """Note that a card is linked, also a further one: what a series has asked for in vain is asked for again.

    Credit that could not be paid out is sent there when nothing is owed.
    """
    account = draft.account
    if account.closed_at is not None:
        return draft.declined(DeclineReason.LINE_CLOSED)
    if not due_day.ask_again(draft) and account.card_linked:
        return draft.duplicate()
    draft.change_account(card_linked=True)
    due_day.settle_credit(draft)
    return draft.applied()


def unlinked(draft: Draft) -> Decision:
    """Note that no card is linked any more; requested debits stay, and later ones are requested all the same."""
    if draft.account.closed_at is not None:
        return draft.declined(DeclineReason.LINE_CLOSED)
    if not draft.account.card_linked:
        return draft.duplicate()
    draft.change_account(card_linked=False)
    return draft.applied()
