"""The story of an account."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import NamedTuple

from settlement.dates import business_date
from settlement.entities import Account, AccountPayout, CashOut, Debit, Obligation, Order, Return
from settlement.party import PartyKind
from settlement.quote import payoff_minor
from settlement.statuses import DebitStatus, LineStatus, ObligationStatus, OrderStatus, ReturnStatus
from storage import archive
from storage.database import Connection
from storage.queries import read
from storage.stories.party import HistoryStory, PayoutStory, entities, entity, history, payouts_told
from storage.stories.plan import PlanStory
from storage.stories.story import Story

_SQL = read("stories/account")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedStory(Story):
    """What is owed on a line."""

    principal_minor: int
    fee_minor: int
    penalty_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ObligationStory(Story):
    """One amount with one due date; `paid_minor` is of principal, fee and penalty."""

    obligation_id: str
    due_on: date
    principal_minor: int
    fee_minor: int
    penalty_minor: int
    paid_minor: int
    status: ObligationStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderStory(Story):
    """An order and what is owed for it."""

    order_id: str
    merchant_id: str
    plan: PlanStory
    status: OrderStatus
    amount_minor: int
    returned_minor: int
    credited_minor: int
    placed_at: datetime
    obligations: tuple[ObligationStory, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnStory(Story):
    """A return."""

    return_id: str
    order_id: str
    status: ReturnStatus
    amount_minor: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DebitStory(Story):
    """An automatic debit."""

    debit_id: str
    amount_minor: int
    due_on: date
    attempt: int
    status: DebitStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class CashOutStory(Story):
    """A cash-out and what is owed for it."""

    cash_out_id: str
    amount_minor: int
    obligations: tuple[ObligationStory, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStory(Story):
    """Everything of an account; lists are oldest first, obligations by due date.

    `payoff_minor` is what a payoff takes now, by the lane's time; `charged_off_minor` is what was given up and not
    taken back by a return, recovered or not.

    `other_obligations` are of no order and no cash-out. What was decided up to `archived_until` is in files, and not in
    the history.
    """

    account_id: str
    programme: str
    status: LineStatus
    freeze_reasons: tuple[str, ...]
    currency: str
    score: int | None
    limit_minor: int
    granted_minor: int
    available_minor: int
    held_minor: int
    used_minor: int
    customer_credit_minor: int
    payoff_minor: int
    charged_off_minor: int
    owed: OwedStory
    orders: tuple[OrderStory, ...]
    returns: tuple[ReturnStory, ...]
    debits: tuple[DebitStory, ...]
    payouts: tuple[PayoutStory, ...]
    cash_outs: tuple[CashOutStory, ...]
    other_obligations: tuple[ObligationStory, ...]
    history: tuple[HistoryStory, ...]
    archived_until: datetime | None = None


async def account_story(connection: Connection, account_id: str, *, with_history: bool = True) -> AccountStory | None:
    """Tell everything of an account; None when no credit line was opened for it.

    Without history it is left empty: whoever looks through it page by page has `course`.
    """
    return await archive.in_one_snapshot(
        connection, partial(_account_story, connection, account_id, with_history=with_history)
    )


async def _account_story(connection: Connection, account_id: str, *, with_history: bool) -> AccountStory | None:
    row = await connection.fetchrow(_SQL["account"], account_id)
    if row is None:
        return None
    lane = row["lane"]
    every = partial(entities, connection, _SQL, lane=lane, party_id=account_id)
    orders, cash_outs = await every(Order), await every(CashOut)
    obligations = await every(Obligation)
    returns, debits = await every(Return), await every(Debit)
    payouts = await every(AccountPayout)
    told_history = await history(connection, lane, PartyKind.ACCOUNT, account_id) if with_history else ()
    account = entity(Account, row)
    owed = _owed_for(obligations, cash_outs)
    return AccountStory.of(
        account,
        payoff_minor=payoff_minor(obligations, business_date(row["lane_time"])),
        owed=OwedStory(
            principal_minor=account.receivable_minor,
            fee_minor=account.fee_receivable_minor,
            penalty_minor=account.penalty_receivable_minor,
        ),
        orders=tuple(_order(each, owed.of_orders[each.order_id]) for each in orders),
        returns=tuple(map(ReturnStory.of, returns)),
        debits=tuple(map(DebitStory.of, debits)),
        payouts=payouts_told(payouts),
        cash_outs=tuple(
            CashOutStory.of(each, obligations=_obligations(owed.of_cash_outs[each.cash_out_id])) for each in cash_outs
        ),
        other_obligations=_obligations(owed.others),
        history=told_history,
        archived_until=row["archived_until"],
    )


class _Owed(NamedTuple):
    """Obligations by order, by cash-out, and those of neither, each in the order they were read."""

    of_orders: Mapping[str, list[Obligation]]
    of_cash_outs: Mapping[str, list[Obligation]]
    others: list[Obligation]


def _owed_for(obligations: Iterable[Obligation], cash_outs: Iterable[CashOut]) -> _Owed:
    cashed_out = {obligation_id: each.cash_out_id for each in cash_outs for obligation_id in each.obligation_ids}
    owed = _Owed(defaultdict(list), defaultdict(list), [])
    for each in obligations:
        if each.order_id is not None:
            owed.of_orders[each.order_id].append(each)
        elif each.obligation_id in cashed_out:
            owed.of_cash_outs[cashed_out[each.obligation_id]].append(each)
        else:
            owed.others.append(each)
    return owed


def _order(order: Order, obligations: Iterable[Obligation]) -> OrderStory:
    plan = PlanStory(kind=order.plan_kind, days=order.plan_days, periods=order.plan_periods)
    return OrderStory.of(order, plan=plan, obligations=_obligations(obligations))


def _obligations(obligations: Iterable[Obligation]) -> tuple[ObligationStory, ...]:
    return tuple(
        ObligationStory.of(each, paid_minor=each.paid_principal_minor + each.paid_fee_minor + each.paid_penalty_minor)
        for each in obligations
    )
