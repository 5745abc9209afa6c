"""What one thing says of others that must be there with it: which debits, repayments and obligations it names."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from settlement import timeline
from settlement.changes import ChangeKind
from settlement.entities import (
    AccountPayout,
    CashOut,
    Debit,
    Deposit,
    DepositRefund,
    MerchantPayout,
    Obligation,
    Order,
    Payout,
    Repayment,
    Return,
)
from settlement.entity import Entity
from settlement.statuses import PayoutStatus

Hanging = Iterable[tuple[type[Entity], Iterable[str]]]
"""Classes, and of each the ids of what is wanted."""


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


def hangs_on(entity: Entity) -> Hanging:
    """What has to be loaded with an entity, of the same party."""
    hanging = _HANGS_ON.get(type(entity))
    return () if hanging is None else hanging(entity)


def brought_by(entity: Entity) -> Hanging:
    """What has to be loaded besides with one that the batch, a timer or a parked input names, and so may change.

    What is loaded only because it hangs on something does not bring it, or an account would bring all it ever had.
    """
    if isinstance(entity, Debit):
        return ((Obligation, entity.obligation_ids),)
    if isinstance(entity, Repayment) and entity.reversed_at is None:
        return ((Obligation, paid_by(entity)),)
    return ()


_HANGS_ON: Mapping[type[Entity], Callable[[Any], Hanging]] = {
    Obligation: lambda each: ((Order, _if_any(each.order_id)), (Debit, asking_for(each))),
    Order: lambda each: ((Obligation, each.obligation_ids), (Return, each.open_return_ids)),
    Return: lambda each: ((Order, (each.order_id,)),),
    Repayment: lambda each: ((Debit, _if_any(each.debit_id)), (Order, _if_any(each.order_id))),
    CashOut: lambda each: ((Obligation, each.obligation_ids),),
    AccountPayout: lambda each: ((CashOut, _source(each, "cash_out")),),
    MerchantPayout: lambda each: ((DepositRefund, _source(each, "deposit_refund")),),
    DepositRefund: lambda each: ((Deposit, (each.deposit_id,)),),
    Deposit: lambda each: ((DepositRefund, _if_any(each.open_request_id)),),
}


def _source(payout: Payout, reason: str) -> tuple[str, ...]:
    return _if_any(payout.source_id) if may_come_back(payout, reason) else ()


def _if_any(entity_id: str | None) -> tuple[str, ...]:
    return () if entity_id is None else (entity_id,)
