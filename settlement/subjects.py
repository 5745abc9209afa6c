"""What an input names, so that it can be loaded before it is decided."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import get_args

import settlement.shop  # noqa: F401  its class is one of ENTITIES
from settlement.concession import Concession, ConcessionKind, concession_key
from settlement.entities import MerchantBalance, MerchantCase, Repayment, case_key
from settlement.entity import ENTITIES, Entity
from settlement.messages import (
    Body,
    CaseClosed,
    CaseOpened,
    DebtChargedOff,
    DebtRescheduled,
    DepositPaid,
    DepositRefundRequested,
    Input,
    MerchantActivity,
    MerchantRegistered,
    PenaltyWaived,
    PurchaseCredited,
    ShopWithdrawalRequested,
)
from settlement.suspense import SuspenseEntry

Reference = tuple[type[Entity], str]

_CONCEDED: Mapping[type[Body], tuple[ConcessionKind, str]] = {
    PurchaseCredited: (ConcessionKind.CREDIT, "credit_id"),
    PenaltyWaived: (ConcessionKind.WAIVER, "waiver_id"),
    DebtRescheduled: (ConcessionKind.PLAN, "plan_id"),
    DebtChargedOff: (ConcessionKind.CHARGE_OFF, "charge_off_id"),
}
"""What kind of concession a message makes, and the field with its id."""

_ABOUT_A_BALANCE = (
    DepositPaid,
    DepositRefundRequested,
    MerchantActivity,
    MerchantRegistered,
    ShopWithdrawalRequested,
)
"""Messages whose currency names a balance of the merchant; in all others it is only checked."""


def references(message: Input) -> Iterable[Reference]:
    """Things of the input's party, or of the lane itself, that it names or makes; the party's own row is loaded anyhow.

    A hint: what a rule needs beyond it costs a second loading (`settlement.state.NotLoadedError`). A bill to be paid in
    instalments, and what is overdue, are among the earliest of what is owed, which is loaded with the party. A payout
    is of an account or a merchant; the party has but one of the two.
    """
    body = message.body
    if isinstance(body, CaseOpened | CaseClosed):
        return ((MerchantCase, case_key(body.kind, body.case_id)),)
    named = [(kind, getattr(body, field)) for kind, field in _NAMED[type(body)]]
    conceded = _CONCEDED.get(type(body))
    if conceded is not None:
        concession_kind, field = conceded
        named.append((Concession, concession_key(concession_kind, getattr(body, field))))
    return [(kind, entity_id) for kind, entity_id in named if entity_id is not None]


def _named_by(body: type[Body]) -> Iterator[tuple[type[Entity], str]]:
    """Classes of things that a class of messages names, each with the field: the one that tells the things apart."""
    for field in fields(body):
        for kind in ENTITIES:
            of_party_itself = kind.id_field == f"{kind.party_kind}_id"
            only_checked = kind is MerchantBalance and body not in _ABOUT_A_BALANCE
            if kind.id_field == field.name and not of_party_itself and not only_checked:
                yield kind, field.name
        if field.name == Repayment.id_field:
            yield SuspenseEntry, field.name


_NAMED = {body: tuple(_named_by(body)) for body in get_args(Body)}
