"""The one door to the rules: an input or a timer and the party's state in, a decision out.

Pure: no I/O, no clock, no randomness.
"""

from datetime import date
from typing import Literal, assert_never

from settlement import (
    appeal,
    bill_instalment,
    cash_out,
    closing,
    credit_line,
    debit,
    deposit,
    deposit_escalation,
    extension,
    lowering,
    merchant,
    overdue,
    payout,
    purchase,
    reminder,
    repayment,
    returns,
    reversal,
    settlement_cycle,
    shop_balance,
    unfreezing,
)
from settlement.decision import Decision, DeclineReason, InvariantBrokenError
from settlement.draft import Cause, Draft, Moment, Rules
from settlement.entities import Account, Debit, Merchant
from settlement.messages import (
    AmountLowered,
    AppealDecided,
    BillInstalmentRequested,
    CardLinked,
    CardUnlinked,
    CaseClosed,
    CaseOpened,
    CashOutRequested,
    ClockTicked,
    CloseRequested,
    CreditLineOpened,
    DebitRequested,
    DebtChargedOff,
    DebtRescheduled,
    DepositPaid,
    DepositRefundRequested,
    DepositRefundReviewed,
    DepositRefundWithdrawn,
    ExtensionRequested,
    IdentityVerified,
    Input,
    LimitChanged,
    LineFrozen,
    LineUnfrozen,
    MerchantActivity,
    MerchantRegistered,
    ParcelInspected,
    PayoutFailed,
    PayoutSucceeded,
    PenaltyWaived,
    PurchaseCancelled,
    PurchaseCredited,
    PurchaseKept,
    PurchasePlaced,
    PurchaseReceived,
    RepaymentFailed,
    RepaymentReceived,
    RepaymentReinstated,
    RepaymentReversed,
    ReturnRequested,
    ReturnReviewed,
    ReturnWithdrawn,
    ScoreChanged,
    SettlementCycleChanged,
    ShopSettingsChanged,
    ShopWithdrawalRequested,
    SuspenseReleased,
    TermsPublished,
    UnfreezeRequested,
)
from settlement.party import Party, PartyKind
from settlement.state import PartyState
from settlement.timers import Timer, TimerKind

CreditLineBody = (
    CreditLineOpened
    | LimitChanged
    | ScoreChanged
    | CardLinked
    | CardUnlinked
    | IdentityVerified
    | LineFrozen
    | LineUnfrozen
)
LineRequestBody = CashOutRequested | BillInstalmentRequested | UnfreezeRequested | AppealDecided | CloseRequested
PurchaseBody = PurchasePlaced | PurchaseReceived | PurchaseKept | AmountLowered | PurchaseCancelled | ExtensionRequested
ReturnBody = ReturnRequested | ReturnReviewed | ReturnWithdrawn | ParcelInspected
UnruledBody = (
    DebitRequested
    | PenaltyWaived
    | DebtRescheduled
    | DebtChargedOff
    | RepaymentReinstated
    | SuspenseReleased
    | PurchaseCredited
)
"""Understood, but without a rule yet: declined, so that the same may be sent again once there is one."""
AccountBody = (
    CreditLineBody
    | LineRequestBody
    | PurchaseBody
    | ReturnBody
    | RepaymentReceived
    | RepaymentFailed
    | RepaymentReversed
    | UnruledBody
)
DepositBody = DepositPaid | DepositRefundRequested | DepositRefundReviewed | DepositRefundWithdrawn
MerchantBody = (
    MerchantRegistered
    | SettlementCycleChanged
    | DepositBody
    | CaseOpened
    | CaseClosed
    | ShopWithdrawalRequested
    | MerchantActivity
)
PayoutBody = PayoutSucceeded | PayoutFailed

LANE_BODIES = (ClockTicked, TermsPublished, ShopSettingsChanged)
MERCHANT_BODIES = (
    MerchantRegistered,
    SettlementCycleChanged,
    DepositPaid,
    CaseOpened,
    CaseClosed,
    DepositRefundRequested,
    DepositRefundReviewed,
    DepositRefundWithdrawn,
    ShopWithdrawalRequested,
    MerchantActivity,
)


def decide(state: PartyState, message: Input, moment: Moment, rules: Rules) -> Decision:
    """Decide an input of a party. Repeated event ids are recognised by the caller (`batch`)."""
    party = message.party
    body = message.body
    if party is None or isinstance(body, LANE_BODIES):
        raise InvariantBrokenError(f"{message.type} concerns a lane, not a party")
    draft = Draft(state, party, moment, rules, _cause(message, party))
    if isinstance(body, PayoutBody):
        return _decide_payout(draft, body)
    if isinstance(body, MERCHANT_BODIES):
        return _decide_merchant(draft, body)
    return _decide_account(draft, body)


def _cause(message: Input, party: Party) -> Cause:
    """What outputs of a message are derived from. NUL stands in no id, so no two inputs have one key."""
    # An account and a merchant may bear one id, and both get results of payouts by one topic.
    owner = f"{party.kind}\0{party.id}" if isinstance(message.body, PayoutBody) else party.id
    return Cause(f"{message.source.topic}\0{owner}\0{message.event_id}", message.event_id, message.fingerprint)


def _decide_account(draft: Draft, body: AccountBody) -> Decision:
    """Decide what concerns a buyer's account; the most frequent messages come first."""
    if draft.find(Account, draft.party.id) is None and not isinstance(body, CreditLineOpened):
        return draft.missing(Account, draft.party.id)
    if isinstance(body, PurchaseBody):
        return _decide_purchase(draft, body)
    if isinstance(body, RepaymentReceived):
        return repayment.received(draft, body)
    if isinstance(body, ReturnBody):
        return _decide_return(draft, body)
    if isinstance(body, RepaymentFailed):
        return repayment.failed(draft, body)
    if isinstance(body, RepaymentReversed):
        return reversal.reversed_(draft, body)
    if isinstance(body, LineRequestBody):
        return _decide_line_request(draft, body)
    if isinstance(body, UnruledBody):
        return draft.declined(DeclineReason.NOT_SUPPORTED)
    return _decide_credit_line(draft, body)


def _decide_purchase(draft: Draft, body: PurchaseBody) -> Decision:
    match body:
        case PurchasePlaced():
            return purchase.placed(draft, body)
        case PurchaseReceived():
            return purchase.received(draft, body)
        case PurchaseKept():
            return purchase.kept(draft, body)
        case PurchaseCancelled():
            return purchase.cancelled(draft, body)
        case AmountLowered():
            return lowering.lowered(draft, body)
        case ExtensionRequested():
            return extension.requested(draft, body)
        case _:
            assert_never(body)


def _decide_return(draft: Draft, body: ReturnBody) -> Decision:
    match body:
        case ReturnRequested():
            return returns.requested(draft, body)
        case ParcelInspected():
            return returns.parcel_inspected(draft, body)
        case ReturnReviewed():
            return returns.reviewed(draft, body)
        case ReturnWithdrawn():
            return returns.withdrawn(draft, body)
        case _:
            assert_never(body)


def _decide_credit_line(draft: Draft, body: CreditLineBody) -> Decision:
    match body:
        case CreditLineOpened():
            return credit_line.opened(draft, body)
        case LimitChanged():
            return credit_line.limit_changed(draft, body)
        case ScoreChanged():
            return credit_line.score_changed(draft, body)
        case CardLinked():
            return credit_line.card_linked(draft)
        case CardUnlinked():
            return credit_line.card_unlinked(draft)
        case IdentityVerified():
            return credit_line.identity_verified(draft)
        case LineFrozen():
            return credit_line.frozen(draft, body)
        case LineUnfrozen():
            return credit_line.unfrozen(draft, body)
        case _:
            assert_never(body)


def _decide_line_request(draft: Draft, body: LineRequestBody) -> Decision:
    match body:
        case CashOutRequested():
            return cash_out.requested(draft, body)
        case BillInstalmentRequested():
            return bill_instalment.requested(draft, body)
        case UnfreezeRequested():
            return unfreezing.requested(draft)
        case AppealDecided():
            return appeal.decided(draft, body)
        case CloseRequested():
            return closing.requested(draft)
        case _:
            assert_never(body)


def _decide_merchant(draft: Draft, body: MerchantBody) -> Decision:
    """Decide what concerns a merchant; all but activity and its registration wait for that."""
    match body:
        case MerchantActivity():
            return merchant.activity(draft, body)
        case MerchantRegistered():
            return merchant.registered(draft, body)
    if not merchant.is_known(draft.find(Merchant, draft.party.id)):
        return draft.missing(Merchant, draft.party.id)
    match body:
        case SettlementCycleChanged():
            return settlement_cycle.changed(draft, body)
        case CaseOpened():
            return merchant.case_opened(draft, body)
        case CaseClosed():
            return merchant.case_closed(draft, body)
        case ShopWithdrawalRequested():
            return shop_balance.withdrawal_requested(draft, body)
        case _:
            return _decide_deposit(draft, body)


def _decide_deposit(draft: Draft, body: DepositBody) -> Decision:
    match body:
        case DepositRefundRequested():
            return deposit.refund_requested(draft, body)
        case DepositRefundReviewed():
            return deposit.refund_reviewed(draft, body)
        case DepositRefundWithdrawn():
            return deposit.refund_withdrawn(draft, body)
        case DepositPaid():
            return deposit.paid(draft, body)
        case _:
            assert_never(body)


def _decide_payout(draft: Draft, body: PayoutBody) -> Decision:
    """Decide what became of a payout, of either kind of party; one that nobody knows yet is waited for."""
    party = draft.party
    if party.kind is PartyKind.ACCOUNT:
        if draft.find(Account, party.id) is None:
            return draft.missing(Account, party.id)
    elif not merchant.is_known(draft.find(Merchant, party.id)):
        return draft.missing(Merchant, party.id)
    match body:
        case PayoutSucceeded():
            return payout.succeeded(draft, body)
        case PayoutFailed():
            return payout.failed(draft, body)
        case _:
            assert_never(body)


def fire(state: PartyState, timer: Timer, rules: Rules) -> Decision:
    """Decide a due timer as of its due time."""
    timer_id = timer.timer_id
    draft = Draft(state, timer.party, Moment(timer.due_at, timer.due_at), rules, Cause(timer_id, timer_id))
    match timer.kind:
        case TimerKind.AUTOMATIC_RECEIPT:
            purchase.receipt_due(draft, timer.subject_id)
        case TimerKind.PARCEL_EXPIRY:
            returns.parcel_expired(draft, timer.subject_id)
        case TimerKind.TRIAL_END:
            purchase.trial_ended(draft, timer.subject_id)
        case TimerKind.TRIAL_REMINDER:
            reminder.trial_ends_soon(draft, timer.subject_id)
        case TimerKind.REMINDER | TimerKind.DUE_DAY | TimerKind.OVERDUE:
            _fire_of_date(draft, timer.kind, date.fromisoformat(timer.subject_id))
        case TimerKind.PENALTY | TimerKind.RESTORE:
            _fire_of_account(draft, timer.kind)
        case TimerKind.DEBIT_RETRY:
            debit.retry(draft, draft.get(Debit, timer.subject_id))
        case (
            TimerKind.DEPOSIT_PAYMENT
            | TimerKind.DEPOSIT_REVIEW_LATE
            | TimerKind.DEPOSIT_UNPAID
            | TimerKind.MERCHANT_PAYOUT
        ):
            _fire_of_merchant(draft, timer.kind, timer.subject_id)
        case TimerKind.PARKING_EXPIRY:
            raise InvariantBrokenError(f"{timer_id} ends the wait of an input: no rule decides it")
        case _:
            assert_never(timer.kind)
    return draft.applied()


def _fire_of_date(
    draft: Draft, kind: Literal[TimerKind.REMINDER, TimerKind.DUE_DAY, TimerKind.OVERDUE], day: date
) -> None:
    match kind:
        case TimerKind.REMINDER:
            reminder.due_soon(draft, day)
        case TimerKind.DUE_DAY:
            debit.due_day(draft, day)
        case TimerKind.OVERDUE:
            overdue.due_day_passed(draft, day)
        case _:
            assert_never(kind)


def _fire_of_account(draft: Draft, kind: Literal[TimerKind.PENALTY, TimerKind.RESTORE]) -> None:
    match kind:
        case TimerKind.PENALTY:
            overdue.charge_penalties(draft)
        case TimerKind.RESTORE:
            overdue.wait_over(draft)
        case _:
            assert_never(kind)


def _fire_of_merchant(
    draft: Draft,
    kind: Literal[
        TimerKind.DEPOSIT_PAYMENT,
        TimerKind.DEPOSIT_REVIEW_LATE,
        TimerKind.DEPOSIT_UNPAID,
        TimerKind.MERCHANT_PAYOUT,
    ],
    subject_id: str,
) -> None:
    match kind:
        case TimerKind.DEPOSIT_PAYMENT:
            deposit.payment_due(draft, subject_id)
        case TimerKind.DEPOSIT_REVIEW_LATE:
            deposit_escalation.review_late(draft, subject_id)
        case TimerKind.DEPOSIT_UNPAID:
            deposit_escalation.unpaid(draft, subject_id)
        case TimerKind.MERCHANT_PAYOUT:
            settlement_cycle.payout_due(draft)
        case _:
            assert_never(kind)
