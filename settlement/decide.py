"""The one door to the rules: an input or a timer and the party's state in, a decision out.

Pure: no I/O, no clock, no randomness.
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from settlement import messages
from settlement.decision import AppliedReason, Decision, InvariantBrokenError, Outcome
from settlement.draft import Cause, Draft, Moment, Rules
from settlement.entities import Account, Merchant
from settlement.messages import Input
from settlement.party import Party, PartyKind
from settlement.rules import (
    appeal,
    bill_instalment,
    card,
    cash_out,
    charge_off,
    closing,
    credit_line,
    debit,
    deposit,
    deposit_escalation,
    discount,
    due_day,
    extension,
    lowering,
    merchant,
    overdue,
    payout,
    purchase,
    reminder,
    repayment,
    rescheduling,
    returns,
    reversal,
    settlement_cycle,
    shop_balance,
    suspense,
    unfreezing,
    waiver,
)
from settlement.state import PartyState
from settlement.timers import Timer, TimerKind

Unknown = Callable[[Draft], Decision | None]
"""What is decided while something must still become known; None once it is."""

Rule = Callable[[Draft, Any], Decision]
"""Decides a message by its body."""

TimerRule = Callable[[Draft, str], None]
"""Does what is due, for a timer's subject."""


def _nothing(_: Draft) -> Decision | None:
    """The message makes its party known, or may come before that."""
    return None


def _account(draft: Draft) -> Decision | None:
    """The account has a line."""
    if draft.find(Account, draft.party.id) is not None:
        return None
    return draft.missing(Account, draft.party.id)


def _merchant(draft: Draft) -> Decision | None:
    """The merchant registered."""
    if merchant.is_known(draft.find(Merchant, draft.party.id)):
        return None
    return draft.missing(Merchant, draft.party.id)


def _unless(suspended: Callable[[Draft, Any], Decision | None], rule: Rule) -> Rule:
    """A rule about money of a known account; of an unknown one it is decided otherwise."""
    return lambda draft, body: suspended(draft, body) or rule(draft, body)


def _either(draft: Draft) -> Decision | None:
    """The message's topic is about parties of both kinds, and this one is known."""
    return _account(draft) if draft.party.kind is PartyKind.ACCOUNT else _merchant(draft)


def _of_party(rule: Callable[[Draft], Any]) -> Callable[[Draft, Any], Any]:
    """A rule about the party as a whole, for which nothing more must be said."""
    return lambda draft, _: rule(draft)


def _of_date(rule: Callable[[Draft, date], None]) -> TimerRule:
    """A rule about what is due on a date."""
    return lambda draft, day: rule(draft, date.fromisoformat(day))


RULES: Mapping[type[messages.Body], tuple[Unknown, Rule]] = {
    messages.CreditLineOpened: (_nothing, credit_line.opened),
    messages.LimitChanged: (_account, credit_line.limit_changed),
    messages.ScoreChanged: (_account, credit_line.score_changed),
    messages.CardLinked: (_account, _of_party(card.linked)),
    messages.CardUnlinked: (_account, _of_party(card.unlinked)),
    messages.IdentityVerified: (_account, _of_party(credit_line.identity_verified)),
    messages.LineFrozen: (_account, credit_line.frozen),
    messages.LineUnfrozen: (_account, credit_line.unfrozen),
    messages.UnfreezeRequested: (_account, _of_party(unfreezing.requested)),
    messages.AppealDecided: (_account, appeal.decided),
    messages.CashOutRequested: (_account, cash_out.requested),
    messages.BillInstalmentRequested: (_account, bill_instalment.requested),
    messages.CloseRequested: (_account, _of_party(closing.requested)),
    messages.PurchasePlaced: (_account, purchase.placed),
    messages.PurchaseReceived: (_account, purchase.received),
    messages.PurchaseKept: (_account, purchase.kept),
    messages.AmountLowered: (_account, lowering.lowered),
    messages.PurchaseCancelled: (_account, purchase.cancelled),
    messages.ExtensionRequested: (_account, extension.requested),
    messages.ReturnRequested: (_account, returns.requested),
    messages.ReturnReviewed: (_account, returns.reviewed),
    messages.ReturnWithdrawn: (_account, returns.withdrawn),
    messages.ParcelInspected: (_account, returns.parcel_inspected),
    messages.RepaymentReceived: (_nothing, _unless(suspense.received, repayment.received)),
    messages.RepaymentFailed: (_account, repayment.failed),
    messages.RepaymentReversed: (_nothing, _unless(suspense.reversed_, reversal.reversed_)),
    messages.DebitRequested: (_account, _of_party(due_day.debit_requested)),
    messages.PenaltyWaived: (_account, waiver.waived),
    messages.DebtRescheduled: (_account, rescheduling.rescheduled),
    messages.DebtChargedOff: (_account, charge_off.charged_off),
    messages.RepaymentReinstated: (_account, repayment.reinstated),
    messages.SuspenseReleased: (_nothing, suspense.released),
    messages.PurchaseCredited: (_account, discount.credited),
    messages.MerchantRegistered: (_nothing, merchant.registered),
    messages.SettlementCycleChanged: (_merchant, settlement_cycle.changed),
    messages.DepositPaid: (_merchant, deposit.paid),
    messages.CaseOpened: (_merchant, merchant.case_opened),
    messages.CaseClosed: (_merchant, merchant.case_closed),
    messages.DepositRefundRequested: (_merchant, deposit.refund_requested),
    messages.DepositRefundReviewed: (_merchant, deposit.refund_reviewed),
    messages.DepositRefundWithdrawn: (_merchant, deposit.refund_withdrawn),
    messages.ShopWithdrawalRequested: (_merchant, shop_balance.withdrawal_requested),
    messages.MerchantActivity: (_nothing, merchant.activity),
    messages.PayoutSucceeded: (_either, payout.succeeded),
    messages.PayoutFailed: (_either, payout.failed),
}
"""Every message of a party: what must be known before it, and its rule."""

WAITED_IN_VAIN: Mapping[type[messages.Body], Rule] = {
    messages.RepaymentReceived: _unless(suspense.kept, repayment.unmatched)
}
"""Messages that are decided all the same when what they name does not become known in time."""

LANE_BODIES = (messages.ClockTicked, messages.TermsPublished, messages.ShopSettingsChanged)
"""Messages of no party: the batch deals with them itself."""

TIMER_RULES: Mapping[TimerKind, TimerRule] = {
    TimerKind.AUTOMATIC_RECEIPT: purchase.receipt_due,
    TimerKind.PARCEL_EXPIRY: returns.parcel_expired,
    TimerKind.TRIAL_END: purchase.trial_ended,
    TimerKind.DEBIT_UNANSWERED: debit.not_answered,
    TimerKind.DUE_DAY: _of_date(due_day.due_day),
    TimerKind.DEBIT: _of_party(due_day.debit_due),
    TimerKind.OVERDUE: _of_date(overdue.due_day_passed),
    TimerKind.PENALTY: _of_party(overdue.charge_penalties),
    TimerKind.DEBIT_RETRY: debit.retry_due,
    TimerKind.RESTORE: _of_party(overdue.wait_over),
    TimerKind.DEPOSIT_PAYMENT: deposit.payment_due,
    TimerKind.DEPOSIT_REVIEW_LATE: deposit_escalation.review_late,
    TimerKind.DEPOSIT_UNPAID: deposit_escalation.unpaid,
    TimerKind.MERCHANT_PAYOUT: _of_party(settlement_cycle.payout_due),
    TimerKind.REMINDER: _of_date(reminder.due_soon),
    TimerKind.TRIAL_REMINDER: reminder.trial_ends_soon,
}
"""Every kind of timer and its rule, but for `PARKING_EXPIRY`: the batch ends the wait of an input itself."""


def decide(state: PartyState, message: Input, moment: Moment, rules: Rules, lane: PartyState) -> Decision:
    """Decide an input of a party. Repeated event ids are recognised by the caller (`batch`)."""
    party = message.party
    if party is None or isinstance(message.body, LANE_BODIES):
        raise InvariantBrokenError(f"{message.type} concerns a lane, not a party")
    unknown, rule = RULES[type(message.body)]
    draft = Draft(state, party, moment, rules, _cause(message, party, of_either=unknown is _either), lane)
    waiting = unknown(draft)
    return _closed(draft, rule(draft, message.body)) if waiting is None else waiting


def expire(state: PartyState, message: Input, moment: Moment, rules: Rules, lane: PartyState) -> Decision | None:
    """Decide an input whose wait is over; None: it has waited in vain."""
    party, rule = message.party, WAITED_IN_VAIN.get(type(message.body))
    if party is None or rule is None:
        return None
    draft = Draft(state, party, moment, rules, _cause(message, party, of_either=False), lane)
    return _closed(draft, rule(draft, message.body))


def _closed(draft: Draft, decision: Decision) -> Decision:
    """See after what takes effect that no credit rests and nothing due stays unasked."""
    if decision.outcome is not Outcome.APPLIED or not _goes_on(draft):
        return decision
    return draft.applied(AppliedReason(decision.reason) if decision.reason is not None else None)


def _goes_on(draft: Draft) -> bool:
    """What every decision about an account brings about besides; tells whether that was anything."""
    if draft.party.kind is not PartyKind.ACCOUNT or draft.find(Account, draft.party.id) is None:
        return False
    is_called_in = rescheduling.call_in(draft)
    is_any = due_day.close(draft) or is_called_in
    if not overdue.fall_again(draft):
        return is_any
    rescheduling.call_in(draft)
    return True


def _cause(message: Input, party: Party, *, of_either: bool) -> Cause:
    """What outputs of a message are derived from. NUL stands in no id, so no two inputs have one key."""
    # An account and a merchant may bear one id, so where a topic is about both, the kind tells them apart.
    owner = f"{party.kind}\0{party.id}" if of_either else party.id
    return Cause(f"{message.source.topic}\0{owner}\0{message.event_id}", message.event_id, message.fingerprint)


def fire(state: PartyState, timer: Timer, rules: Rules, lane: PartyState) -> Decision:
    """Decide a due timer as of its due time."""
    timer_id = timer.timer_id
    if timer.kind is TimerKind.PARKING_EXPIRY:
        raise InvariantBrokenError(f"{timer_id} ends the wait of an input: no rule decides it")
    moment = Moment(timer.due_at, timer.due_at, timer.kind.rank)
    draft = Draft(state, timer.party, moment, rules, Cause(timer_id, timer_id), lane)
    TIMER_RULES[timer.kind](draft, timer.subject_id)
    _goes_on(draft)
    return draft.applied()
