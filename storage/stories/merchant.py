"""The story of a merchant."""

from dataclasses import dataclass
from datetime import date, datetime
from functools import partial

from settlement.entities import (
    CaseKind,
    Deposit,
    DepositRefund,
    Merchant,
    MerchantBalance,
    MerchantCase,
    MerchantPayout,
    ShopWithdrawal,
)
from settlement.party import PartyKind
from settlement.shop import ShopSettings, plan_of
from settlement.statuses import DepositRefundStatus
from storage import archive
from storage.database import Connection
from storage.queries import read
from storage.stories.party import HistoryStory, PayoutStory, entities, entity, history, payouts_told
from storage.stories.plan import PlanStory
from storage.stories.story import Story

_SQL = read("stories/merchant")


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceStory(Story):
    """A merchant's balances in one currency."""

    currency: str
    payable_minor: int
    shop_balance_minor: int
    deposit_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositStory(Story):
    """A deposit and what is left of it."""

    deposit_id: str
    route: str
    amount_minor: int
    left_minor: int
    paid_at: datetime
    frozen_until: date


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositRefundStory(Story):
    """A request to have a deposit back; `reasons` are those it was declined for, `opinion` the reviewer's."""

    request_id: str
    deposit_id: str
    amount_minor: int
    refund_to: str
    status: DepositRefundStatus
    reasons: tuple[str, ...]
    urgent: bool
    urgency: str | None
    reason: str
    contact: str
    requested_at: datetime
    review_due_on: date | None
    opinion: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopWithdrawalStory(Story):
    """Money that a merchant took out of its shop balance."""

    withdrawal_id: str
    amount_minor: int
    currency: str
    requested_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStory(Story):
    """How many cases of each kind are open."""

    promotions: int
    disputes: int
    after_sales: int
    violations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseStory(Story):
    """An open case."""

    kind: CaseKind
    case_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsStory(Story):
    """What a shop has set for itself; a plan without days and periods is all of its kind."""

    enabled: bool
    plans: tuple[PlanStory, ...]
    max_order_minor: int | None
    currency: str
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MerchantStory(Story):
    """Everything of a merchant.

    `payable_minor` and `shop_balance_minor` are in the currency it registered with; `balances` has all.
    `next_payout_at` is None while nothing is payable. `open_cases` has no returns: there may be thousands. `settings`
    is None of a shop that has told none. What was decided up to `archived_until` is in files, and not in the history.
    """

    merchant_id: str
    currency: str | None
    registered_on: date | None
    settlement_cycle_days: int | None
    next_payout_at: datetime | None
    payable_minor: int
    shop_balance_minor: int
    balances: tuple[BalanceStory, ...]
    deposits: tuple[DepositStory, ...]
    deposit_refunds: tuple[DepositRefundStory, ...]
    shop_withdrawals: tuple[ShopWithdrawalStory, ...]
    payouts: tuple[PayoutStory, ...]
    open: OpenStory
    open_cases: tuple[CaseStory, ...]
    settings: SettingsStory | None
    history: tuple[HistoryStory, ...]
    archived_until: datetime | None = None


async def merchant_story(
    connection: Connection, merchant_id: str, *, with_history: bool = True
) -> MerchantStory | None:
    """Tell everything of a merchant; None when neither it nor any order of its was heard of.

    Without history it is left empty: whoever looks through it page by page has `course`.
    """
    return await archive.in_one_snapshot(
        connection, partial(_merchant_story, connection, merchant_id, with_history=with_history)
    )


async def _merchant_story(connection: Connection, merchant_id: str, *, with_history: bool) -> MerchantStory | None:
    row = await connection.fetchrow(_SQL["merchant"], merchant_id)
    if row is None:
        return None
    lane = row["lane"]
    every = partial(entities, connection, _SQL, lane=lane, party_id=merchant_id)
    next_payout_at = await connection.fetchval(_SQL["next_payout"], lane, merchant_id)
    balances = await every(MerchantBalance)
    cases = await every(MerchantCase)
    deposits, refunds = await every(Deposit), await every(DepositRefund)
    payouts, withdrawals = await every(MerchantPayout), await every(ShopWithdrawal)
    settings = await every(ShopSettings)
    told_history = await history(connection, lane, PartyKind.MERCHANT, merchant_id) if with_history else ()
    merchant = entity(Merchant, row)
    own = next((each for each in balances if each.currency == merchant.currency), None)
    return MerchantStory.of(
        merchant,
        next_payout_at=next_payout_at,
        payable_minor=own.payable_minor if own else 0,
        shop_balance_minor=own.shop_balance_minor if own else 0,
        balances=tuple(map(BalanceStory.of, balances)),
        deposits=tuple(map(DepositStory.of, deposits)),
        deposit_refunds=tuple(map(DepositRefundStory.of, refunds)),
        shop_withdrawals=tuple(map(ShopWithdrawalStory.of, withdrawals)),
        payouts=payouts_told(payouts),
        open=OpenStory(
            promotions=merchant.open_promotions,
            disputes=merchant.open_disputes,
            after_sales=merchant.open_after_sales,
            violations=merchant.open_violations,
        ),
        open_cases=tuple(map(CaseStory.of, cases)),
        settings=next(map(_settings, settings), None),
        history=told_history,
        archived_until=row["archived_until"],
    )


def _settings(settings: ShopSettings) -> SettingsStory:
    return SettingsStory.of(settings, plans=tuple(PlanStory.of(plan_of(plan)) for plan in settings.plans))
