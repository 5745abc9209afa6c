"""Debt that is given up. Source: docs/rules.md, Hardship."""

from collections.abc import Iterable

from settlement import timeline
from settlement.asks import open_parts
from settlement.changes import Change, ChangeKind
from settlement.concession import Concession, ConcessionKind, concession_key
from settlement.decision import Decision, DeclineReason
from settlement.draft import Draft
from settlement.entities import Obligation
from settlement.ledger import LedgerAccount
from settlement.messages import DebtChargedOff
from settlement.rules import closing, conceding, debit, difference, due_day, overdue
from settlement.rules.payout_request import pay_out_credit
from settlement.rules.restoring import lift


def charged_off(draft: Draft, body: DebtChargedOff) -> Decision:
    """Give up all that is owed, due or not, beyond what the customer credit pays; the line is closed."""
    key = concession_key(ConcessionKind.CHARGE_OFF, body.charge_off_id)
    known = draft.find(Concession, key)
    if known is not None:
        return draft.repeated(known.fingerprint, draft.cause.fingerprint)
    owed = list(draft.open_obligations())
    if not owed:
        return draft.declined(DeclineReason.NOTHING_DUE, subject=(Concession, key))
    debit.leave_out(draft, owed, "charged_off")
    due_day.spend_on_all(draft)
    left = list(draft.open_obligations())
    amount_minor = sum(each.open_minor for each in left)
    conceding.record(draft, key, amount_minor, body.reason, approved_by=body.approved_by)
    give_up(draft, left)
    draft.change_account(charged_off_at=draft.moment.now, charged_off_no=draft.next_no())
    overdue.forget(draft)
    lift(draft)
    difference.conclude(draft, owed)
    if draft.account.closed_at is None:
        closing.close(draft)
    pay_out_credit(draft)
    draft.notify("debt_charged_off", amount_minor=amount_minor, currency=draft.currency)
    return draft.applied()


def give_up(draft: Draft, obligations: Iterable[Obligation]) -> None:
    """Charge off what is open of obligations; orders are the caller's."""
    for obligation in obligations:
        parts = open_parts(obligation)
        change = Change(
            ChangeKind.CHARGED_OFF, draft.place, parts.penalty_minor, parts.fee_minor, parts.principal_minor
        )
        after = timeline.put_in(obligation, change)
        difference.take_over(draft, obligation, after, money=LedgerAccount.CUSTOMER_CREDIT)
