"""What an input names, so that it can be loaded before it is decided."""

from collections.abc import Callable, Iterable
from typing import Any

from settlement import messages
from settlement.entities import (
    AccountPayout,
    Appeal,
    CashOut,
    Debit,
    Deposit,
    DepositRefund,
    Entity,
    MerchantBalance,
    MerchantCase,
    MerchantPayout,
    Order,
    Repayment,
    Return,
    ShopWithdrawal,
)

Reference = tuple[type[Entity], str]


def references(message: messages.Input) -> Iterable[Reference]:
    """Things of the input's party that it names or makes; the party's own row is loaded anyhow.

    A hint: what a rule needs beyond it costs a second loading (`settlement.state.NotLoadedError`). A bill to be paid in
    instalments, and what is overdue, are among the earliest of what is owed, which is loaded with the party.
    """
    named = _NAMED.get(type(message.body))
    return () if named is None else named(message.body)


def _order(
    body: messages.PurchasePlaced | messages.AmountLowered | messages.ExtensionRequested | messages.PurchaseCredited,
) -> tuple[Reference, ...]:
    return ((Order, body.order_id),)


def _return_requested(body: messages.ReturnRequested) -> tuple[Reference, ...]:
    return ((Return, body.return_id), (Order, body.order_id))


def _return(
    body: messages.ParcelInspected | messages.ReturnReviewed | messages.ReturnWithdrawn,
) -> tuple[Reference, ...]:
    return ((Return, body.return_id),)


def _repayment(body: messages.RepaymentReceived) -> tuple[Reference, ...]:
    found: list[Reference] = [(Repayment, body.repayment_id)]
    if body.order_id is not None:
        found.append((Order, body.order_id))
    if body.debit_id is not None:
        found.append((Debit, body.debit_id))
    return tuple(found)


def _reversed(body: messages.RepaymentReversed | messages.RepaymentReinstated) -> tuple[Reference, ...]:
    return ((Repayment, body.repayment_id),)


def _debit(body: messages.RepaymentFailed) -> tuple[Reference, ...]:
    return ((Debit, body.debit_id),)


def _appeal(body: messages.AppealDecided) -> tuple[Reference, ...]:
    return ((Appeal, body.appeal_id),)


def _cash_out(body: messages.CashOutRequested) -> tuple[Reference, ...]:
    return ((CashOut, body.cash_out_id),)


def _deposit(body: messages.DepositPaid) -> tuple[Reference, ...]:
    return ((Deposit, body.deposit_id), (MerchantBalance, body.currency))


def _case(body: messages.CaseOpened | messages.CaseClosed) -> tuple[Reference, ...]:
    return ((MerchantCase, f"{body.kind}:{body.case_id}"),)


def _refund_requested(body: messages.DepositRefundRequested) -> tuple[Reference, ...]:
    return ((DepositRefund, body.request_id), (Deposit, body.deposit_id), (MerchantBalance, body.currency))


def _refund(body: messages.DepositRefundReviewed | messages.DepositRefundWithdrawn) -> tuple[Reference, ...]:
    return ((DepositRefund, body.request_id),)


def _shop_withdrawal(body: messages.ShopWithdrawalRequested) -> tuple[Reference, ...]:
    return ((ShopWithdrawal, body.withdrawal_id), (MerchantBalance, body.currency))


def _payout(body: messages.PayoutSucceeded | messages.PayoutFailed) -> tuple[Reference, ...]:
    """Of an account or a merchant; the party has but one of the two."""
    return ((AccountPayout, body.payout_id), (MerchantPayout, body.payout_id))


def _balance(body: messages.MerchantActivity | messages.MerchantRegistered) -> tuple[Reference, ...]:
    return ((MerchantBalance, body.currency),)


_NAMED: dict[type[messages.Body], Callable[[Any], tuple[Reference, ...]]] = {
    messages.PurchasePlaced: _order,
    messages.PurchaseReceived: _order,
    messages.PurchaseKept: _order,
    messages.PurchaseCancelled: _order,
    messages.AmountLowered: _order,
    messages.ExtensionRequested: _order,
    messages.PurchaseCredited: _order,
    messages.ReturnRequested: _return_requested,
    messages.ReturnReviewed: _return,
    messages.ReturnWithdrawn: _return,
    messages.ParcelInspected: _return,
    messages.RepaymentReceived: _repayment,
    messages.RepaymentFailed: _debit,
    messages.RepaymentReversed: _reversed,
    messages.RepaymentReinstated: _reversed,
    messages.AppealDecided: _appeal,
    messages.CashOutRequested: _cash_out,
    messages.DepositPaid: _deposit,
    messages.CaseOpened: _case,
    messages.CaseClosed: _case,
    messages.DepositRefundRequested: _refund_requested,
    messages.DepositRefundReviewed: _refund,
    messages.DepositRefundWithdrawn: _refund,
    messages.ShopWithdrawalRequested: _shop_withdrawal,
    messages.PayoutSucceeded: _payout,
    messages.PayoutFailed: _payout,
    messages.MerchantActivity: _balance,
    messages.MerchantRegistered: _balance,
}
