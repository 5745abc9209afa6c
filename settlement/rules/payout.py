"""Payouts: money asked to leave the platform, and what becomes of it. Source: docs/rules.md, Payouts."""

from settlement import timeline
from settlement.asks import open_parts
from settlement.changes import Change, ChangeKind
from settlement.dates import business_date
from settlement.decision import Decision, DeclineReason, InvariantBrokenError
from settlement.draft import Draft
from settlement.entities import AccountPayout, CashOut, Deposit, DepositRefund, MerchantPayout, Obligation, Payout
from settlement.ledger import LedgerAccount
from settlement.lifecycles import DEPOSIT_REFUND, PAYOUT
from settlement.messages import PayoutFailed, PayoutSucceeded
from settlement.party import PartyKind
from settlement.rules import credit_line, debit, difference, due_day, penalty, settlement_cycle
from settlement.rules.payout_request import kind_of
from settlement.statuses import PayoutStatus
from settlement.values import revised

PAYOUT_FAILED = "payout_failed"
"""Why a deposit refund that was paid is declined after all."""


def succeeded(draft: Draft, body: PayoutSucceeded) -> Decision:
    """The money has left."""
    payout = _find(draft, body.payout_id)
    if payout is None:
        return draft.missing(kind_of(draft.party), body.payout_id)
    if payout.status is PayoutStatus.SUCCEEDED:
        return draft.duplicate()
    if payout.status is not PayoutStatus.REQUESTED:
        return draft.declined(DeclineReason.WRONG_STATE)
    _answer(draft, payout, "succeeded")
    draft.post(LedgerAccount.PAYOUT_CLEARING, LedgerAccount.GATEWAY_CLEARING, payout.amount_minor, payout.currency)
    return draft.applied()


def failed(draft: Draft, body: PayoutFailed) -> Decision:
    """The money could not leave, and goes back to where it came from.

    Nothing is paid out anew by this itself, but no buyer owes what is due while we have its money.
    """
    payout = _find(draft, body.payout_id)
    if payout is None:
        return draft.missing(kind_of(draft.party), body.payout_id)
    if payout.status is PayoutStatus.FAILED:
        return draft.duplicate()
    if payout.status is not PayoutStatus.REQUESTED:
        return draft.declined(DeclineReason.WRONG_STATE)
    _answer(draft, payout, "failed")
    undone = _give_back(draft, payout)
    if draft.party.kind is PartyKind.ACCOUNT:
        paid = due_day.spend(draft)
        difference.conclude(draft, [*undone, *paid])
        # Only now: what the credit paid as well needs no debit in between.
        debit.lowered(draft, undone, "cash_out_failed")
        debit.lowered(draft, paid, "customer_credit")
    draft.notify(
        "payout_failed",
        payout_id=payout.payout_id,
        amount_minor=payout.amount_minor,
        currency=payout.currency,
        reason=payout.reason,
    )
    return draft.applied()


def _find(draft: Draft, payout_id: str) -> Payout | None:
    if draft.party.kind is PartyKind.ACCOUNT:
        return draft.find(AccountPayout, payout_id)
    return draft.find(MerchantPayout, payout_id)


def _answer(draft: Draft, payout: Payout, step: str) -> None:
    draft.put(revised(payout, status=PAYOUT.after(payout.status, step), answered_at=draft.moment.occurred_at))


def _give_back(draft: Draft, payout: Payout) -> list[Obligation]:
    """Return the money to where it came from; returns the obligations that this undid, as they were before."""
    match payout.reason:
        case "order_refund" | "overpayment":
            _return_to(draft, payout, LedgerAccount.CUSTOMER_CREDIT)
        case "cash_out":
            return _undo_cash_out(draft, draft.get(CashOut, _source_of(payout)))
        case "merchant_settlement":
            before_minor = draft.balance(payout.currency).payable_minor
            _return_to(draft, payout, LedgerAccount.MERCHANT_PAYABLE)
            settlement_cycle.payable_moved(draft, payout.currency, before_minor)
        case "deposit_refund":
            _return_to(draft, payout, LedgerAccount.DEPOSIT)
            _undo_deposit_refund(draft, draft.get(DepositRefund, _source_of(payout)))
        case "shop_withdrawal":
            _return_to(draft, payout, LedgerAccount.SHOP_BALANCE)
        case _:
            raise InvariantBrokenError(f"payout {payout.payout_id} of {draft.party} was for {payout.reason}")
    return []


def _return_to(draft: Draft, payout: Payout, ledger_account: LedgerAccount) -> None:
    draft.post(LedgerAccount.PAYOUT_CLEARING, ledger_account, payout.amount_minor, payout.currency)


def _source_of(payout: Payout) -> str:
    assert payout.source_id is not None
    return payout.source_id


def _undo_deposit_refund(draft: Draft, request: DepositRefund) -> None:
    """The deposit is there again; the request has ended, and another one may name another way."""
    deposit = draft.get(Deposit, request.deposit_id)
    draft.put(revised(deposit, left_minor=deposit.left_minor + request.amount_minor))
    status = DEPOSIT_REFUND.after(request.status, "payout failed")
    draft.put(revised(request, status=status, reasons=(PAYOUT_FAILED,)))


def _undo_cash_out(draft: Draft, cash_out: CashOut) -> list[Obligation]:
    """Owe nothing for it; what was repaid of it, penalties included, is the buyer's credit.

    Returns:
        Its obligations as they were before. Debits still ask for them.
    """
    before = [draft.get(Obligation, obligation_id) for obligation_id in cash_out.obligation_ids]
    unpaid_minor = sum(each.open_principal_minor for each in before)
    for obligation in before:
        difference.take_over(
            draft,
            obligation,
            _undone(draft, obligation),
            money=LedgerAccount.CUSTOMER_CREDIT,
            principal=LedgerAccount.PAYOUT_CLEARING,
            ended="taken back",
        )
    _give_back_day(draft, cash_out)
    credit_line.released(draft, {None: unpaid_minor}, "cancelled")
    return before


def _undone(draft: Draft, obligation: Obligation) -> Obligation:
    place = draft.place_at(draft.moment.occurred_at)
    given_up = Change(
        ChangeKind.CHARGED_OFF,
        place,
        -obligation.charged_off_penalty_minor,
        -obligation.charged_off_fee_minor,
        -obligation.charged_off_principal_minor,
    )
    obligation = timeline.put_in(obligation, given_up)
    open_ones = open_parts(obligation)
    less = Change(ChangeKind.LESS, place, open_ones.penalty_minor, open_ones.fee_minor, open_ones.principal_minor)
    obligation = timeline.put_in(obligation, less)
    paid = Change(
        ChangeKind.REFUNDED, place, obligation.penalty_minor, obligation.fee_minor, obligation.principal_minor
    )
    return penalty.derived(draft, timeline.put_in(obligation, paid), place)  # it may have fallen overdue since


def _give_back_day(draft: Draft, cash_out: CashOut) -> None:
    """What was not paid out does not count towards its day's cap, if that day's sum is still the one kept."""
    account = draft.account
    if account.cash_out_on == business_date(cash_out.requested_at):
        draft.change_account(cash_out_day_minor=account.cash_out_day_minor - cash_out.amount_minor)
