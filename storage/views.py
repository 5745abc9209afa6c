"""What operators and people are shown: stories of accounts, merchants and decisions, dead letters, totals, figures.

Stories are documents shaped as docs/messages.md and the commands' documentation say; instants, dates and bytes are left
for the caller to write. All functions read, outside a transaction of the caller's where they read more than one table.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import msgpack

from settlement.entities import (
    Account,
    AccountPayout,
    CashOut,
    Debit,
    Deposit,
    DepositRefund,
    EntityT,
    Merchant,
    MerchantBalance,
    MerchantCase,
    MerchantPayout,
    Obligation,
    Order,
    Payout,
    Return,
    ShopWithdrawal,
)
from settlement.ledger import LedgerAccount
from settlement.party import PartyKind
from storage.database import Connection, Row
from storage.queries import read
from storage.rows import TABLES

_SQL = read("views")

COUNTED_AT_MOST = 100_000
"""Figures are read every few seconds, so they don't count further than this."""

Story = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LaneFigures:
    """One lane as operators watch it.

    `timers_due` are due at the lane's time, not the clock's; counts end at COUNTED_AT_MOST. `outbox_backlog` is in
    batches, by the relay's last word; `unrelayed_since` is when the oldest of them was committed. `positions` are next
    offsets by topic.
    """

    lane: int
    epoch: int
    owner: str | None
    batch_seq: int
    lane_time: datetime | None
    relayed_batch_seq: int
    unrelayed_since: datetime | None
    timers_due: int
    parked: int
    dead_letters: int
    open_payouts: int
    oldest_open_payout_at: datetime | None
    positions: dict[str, int]

    @property
    def outbox_backlog(self) -> int:
        """Batches settled and not relayed."""
        return self.batch_seq - self.relayed_batch_seq


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter. `topic`, `partition` and `offset` are None for a timer that failed; `timer_id` names it then."""

    dead_letter_id: str
    lane: int
    topic: str | None
    partition: int | None
    offset: int | None
    key: bytes | None
    event_id: str | None
    timer_id: str | None
    type: str | None
    occurred_at: datetime | None
    decided_at: datetime
    reason: str
    detail: str
    raw: bytes | None
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class LedgerTotal:
    """A ledger account's balance in one currency over all lanes and parties, on its normal side."""

    ledger_account: LedgerAccount
    book: str
    currency: str
    balance_minor: int


@dataclass(frozen=True, slots=True)
class TermsInForce:
    """A terms document and the lanes that settle by it."""

    digest: bytes
    lanes: tuple[int, ...]
    document: dict[str, Any]


async def account_story(connection: Connection, account_id: str) -> Story | None:
    """Tell everything of an account; None when no credit line was opened for it."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        row = await connection.fetchrow(_SQL["account"], account_id)
        if row is None:
            return None
        lane = row["lane"]
        account = _entity(Account, row)
        orders = await _all(connection, Order, lane, account_id)
        obligations = await _all(connection, Obligation, lane, account_id)
        returns = await _all(connection, Return, lane, account_id)
        debits = await _all(connection, Debit, lane, account_id)
        payouts = await _all(connection, AccountPayout, lane, account_id)
        cash_outs = await _all(connection, CashOut, lane, account_id)
        history = await _history(connection, lane, PartyKind.ACCOUNT, account_id)
    of_orders, of_cash_outs, others = _owed_for(obligations, cash_outs)
    return {
        "account_id": account.account_id,
        "programme": account.programme,
        "status": account.status.value,
        "freeze_reasons": list(account.freeze_reasons),
        "currency": account.currency,
        "score": account.score,
        "limit_minor": account.limit_minor,
        "granted_minor": account.granted_minor,
        "available_minor": account.available_minor,
        "held_minor": account.held_minor,
        "used_minor": account.used_minor,
        "customer_credit_minor": account.customer_credit_minor,
        "owed": {
            "principal_minor": account.receivable_minor,
            "fee_minor": account.fee_receivable_minor,
            "penalty_minor": account.penalty_receivable_minor,
        },
        "orders": [_order(order, of_orders[order.order_id]) for order in orders],
        "returns": [
            {
                "return_id": each.return_id,
                "order_id": each.order_id,
                "status": each.status.value,
                "amount_minor": each.amount_minor,
                "reason": each.reason,
            }
            for each in returns
        ],
        "debits": [
            {
                "debit_id": debit.debit_id,
                "amount_minor": debit.amount_minor,
                "due_on": debit.due_on,
                "attempt": debit.attempt,
                "status": debit.status.value,
            }
            for debit in debits
        ],
        "payouts": [_payout(each) for each in payouts],
        "cash_outs": [
            {
                "cash_out_id": each.cash_out_id,
                "amount_minor": each.amount_minor,
                "obligations": [_obligation(part) for part in of_cash_outs[each.cash_out_id]],
            }
            for each in cash_outs
        ],
        "other_obligations": [_obligation(each) for each in others],
        "history": history,
    }


async def merchant_story(connection: Connection, merchant_id: str) -> Story | None:
    """Tell everything of a merchant; None when neither it nor any order of its was heard of.

    `payable_minor` and `shop_balance_minor` are in the currency it registered with; `balances` has all.
    `next_payout_at` is None while nothing is payable. `open_cases` has no returns: there may be thousands.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        row = await connection.fetchrow(_SQL["merchant"], merchant_id)
        if row is None:
            return None
        lane = row["lane"]
        merchant = _entity(Merchant, row)
        next_payout_at = await connection.fetchval(_SQL["next_payout"], lane, merchant_id)
        balances = await _all(connection, MerchantBalance, lane, merchant_id)
        cases = await _all(connection, MerchantCase, lane, merchant_id)
        deposits = await _all(connection, Deposit, lane, merchant_id)
        refunds = await _all(connection, DepositRefund, lane, merchant_id)
        payouts = await _all(connection, MerchantPayout, lane, merchant_id)
        withdrawals = await _all(connection, ShopWithdrawal, lane, merchant_id)
        history = await _history(connection, lane, PartyKind.MERCHANT, merchant_id)
    own = next((each for each in balances if each.currency == merchant.currency), None)
    return {
        "merchant_id": merchant.merchant_id,
        "currency": merchant.currency,
        "registered_on": merchant.registered_on,
        "settlement_cycle_days": merchant.settlement_cycle_days,
        "next_payout_at": next_payout_at,
        "payable_minor": own.payable_minor if own else 0,
        "shop_balance_minor": own.shop_balance_minor if own else 0,
        "balances": [
            {
                "currency": each.currency,
                "payable_minor": each.payable_minor,
                "shop_balance_minor": each.shop_balance_minor,
                "deposit_minor": each.deposit_minor,
            }
            for each in balances
        ],
        "deposits": [
            {
                "deposit_id": each.deposit_id,
                "route": each.route,
                "amount_minor": each.amount_minor,
                "left_minor": each.left_minor,
                "paid_at": each.paid_at,
                "frozen_until": each.frozen_until,
            }
            for each in deposits
        ],
        "deposit_refunds": [
            {
                "request_id": each.request_id,
                "deposit_id": each.deposit_id,
                "amount_minor": each.amount_minor,
                "refund_to": each.refund_to,
                "status": each.status.value,
                "reasons": list(each.reasons),
                "urgent": each.urgent,
                "urgency": each.urgency,
                "reason": each.reason,
                "contact": each.contact,
                "requested_at": each.requested_at,
                "review_due_on": each.review_due_on,
                "opinion": each.opinion,
            }
            for each in refunds
        ],
        "shop_withdrawals": [
            {
                "withdrawal_id": each.withdrawal_id,
                "amount_minor": each.amount_minor,
                "currency": each.currency,
                "requested_at": each.requested_at,
            }
            for each in withdrawals
        ],
        "payouts": [_payout(each) for each in payouts],
        "open": {
            "promotions": merchant.open_promotions,
            "disputes": merchant.open_disputes,
            "after_sales": merchant.open_after_sales,
            "violations": merchant.open_violations,
        },
        "open_cases": [{"kind": each.kind.value, "case_id": each.case_id} for each in cases],
        "history": history,
    }


async def decision_story(
    connection: Connection, topic: str, event_id: str, party_id: str | None = None
) -> Story | None:
    """Tell what became of an event, and what followed from it; None when it was never seen.

    An event_id counts within its topic and key. Where several parties have it, `keys` names all, and the one told of is
    the first decided, or that of `party_id`. Of outputs type and event_id are known here, the rest is in their topic.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        stories = [
            *[await _decided(connection, row) for row in await _of_event(connection, "decisions", topic, event_id)],
            *map(_parked, await _of_event(connection, "parked", topic, event_id)),
            *map(_dead, await _of_event(connection, "dead_letters", topic, event_id)),
        ]
        receipts = await _of_event(connection, "receipts", topic, event_id)
    # What repeats another event, or contradicts it, has a receipt only.
    known = {story["party_id"] for story in stories}
    first = {row["party_id"]: row for row in reversed(receipts) if row["party_id"] not in known}
    stories += map(_repeated, reversed(first.values()))
    repeats = [row for row in receipts if row not in first.values()]
    keys = list(dict.fromkeys(story["party_id"] for story in stories))
    told = next((story for story in stories if party_id is None or story["party_id"] == party_id), None)
    if told is None:
        return None
    told["repeats"] = [
        {
            "outcome": row["outcome"],
            "decided_at": row["decided_at"],
            "partition": row["partition"],
            "offset": row["record_offset"],
        }
        for row in repeats
        if row["party_id"] == told["party_id"]
    ]
    told["keys"] = keys
    return told


async def dead_letters(connection: Connection, *, reason: str | None = None, limit: int = 1000) -> list[DeadLetter]:
    """List dead letters, the newest first, of one reason or of all."""
    return [_dead_letter(row) for row in await connection.fetch(_SQL["dead_letters"], reason, limit)]


async def dead_letter(connection: Connection, dead_letter_id: str) -> DeadLetter | None:
    """Return one dead letter by its id, `topic/partition/offset` or a timer's; None when there is none."""
    row = await connection.fetchrow(_SQL["dead_letter"], dead_letter_id)
    return None if row is None else _dead_letter(row)


async def ledger_totals(connection: Connection) -> list[LedgerTotal]:
    """Balances of every ledger account that has one, by currency."""
    totals = []
    for row in await connection.fetch(_SQL["ledger_totals"]):
        account = LedgerAccount(row["ledger_account"])
        totals.append(LedgerTotal(account, account.book.value, row["currency"], row["balance_minor"]))
    return totals


async def outcome_counts(connection: Connection) -> dict[str, int]:
    """Input records by outcome, those that wait among them as `parked`; reads every outcome, so it takes its time."""
    return {row["outcome"]: row["records"] for row in await connection.fetch(_SQL["outcome_counts"])}


async def operations(connection: Connection) -> list[LaneFigures]:
    """Figures of every lane, for metrics; cheap enough to be asked every few seconds."""
    return [
        LaneFigures(
            lane=row["lane"],
            epoch=row["epoch"],
            owner=row["owner"],
            batch_seq=row["batch_seq"],
            lane_time=row["lane_time"],
            relayed_batch_seq=row["relayed_batch_seq"],
            unrelayed_since=row["unrelayed_since"],
            timers_due=row["timers_due"],
            parked=row["parked"],
            dead_letters=row["dead_letters"],
            open_payouts=row["open_payouts"],
            oldest_open_payout_at=row["oldest_open_payout_at"],
            positions=dict(zip(row["topics"], row["next_offsets"], strict=True)),
        )
        for row in await connection.fetch(_SQL["operations"], COUNTED_AT_MOST)
    ]


async def terms_in_force(connection: Connection) -> list[TermsInForce]:
    """The terms documents that lanes settle by; more than one only while a new one reaches them."""
    rows = await connection.fetch(_SQL["terms_in_force"])
    return [TermsInForce(row["digest"], tuple(row["lanes"]), json.loads(row["document"])) for row in rows]


def _entity(kind: type[EntityT], row: Row) -> EntityT:
    return cast("EntityT", TABLES[kind].entity(row))


async def _all(connection: Connection, kind: type[EntityT], lane: int, party_id: str) -> list[EntityT]:
    rows = await connection.fetch(_SQL[TABLES[kind].name], lane, party_id)
    return cast("list[EntityT]", TABLES[kind].entities(rows))


async def _history(connection: Connection, lane: int, kind: PartyKind, party_id: str) -> list[Story]:
    return [dict(row) for row in await connection.fetch(_SQL["history"], lane, kind.value, party_id)]


async def _of_event(connection: Connection, outcome: str, topic: str, event_id: str) -> Sequence[Row]:
    rows: Sequence[Row] = await connection.fetch(_SQL[f"{outcome}_of_event"], topic, event_id)
    return rows


def _payout(payout: Payout) -> Story:
    return {
        "payout_id": payout.payout_id,
        "amount_minor": payout.amount_minor,
        "currency": payout.currency,
        "route": payout.route,
        "reason": payout.reason,
        "source_id": payout.source_id,
        "status": payout.status.value,
        "requested_at": payout.requested_at,
        "answered_at": payout.answered_at,
    }


def _order(order: Order, obligations: Iterable[Obligation]) -> Story:
    plan: Story = {"kind": order.plan_kind.value}
    if order.plan_days is not None:
        plan["days"] = order.plan_days
    if order.plan_periods is not None:
        plan["periods"] = order.plan_periods
    return {
        "order_id": order.order_id,
        "merchant_id": order.merchant_id,
        "plan": plan,
        "status": order.status.value,
        "amount_minor": order.amount_minor,
        "returned_minor": order.returned_minor,
        "placed_at": order.placed_at,
        "obligations": [_obligation(each) for each in obligations],
    }


def _owed_for(
    obligations: Iterable[Obligation], cash_outs: Iterable[CashOut]
) -> tuple[Mapping[str, list[Obligation]], Mapping[str, list[Obligation]], list[Obligation]]:
    """Obligations by order, by cash-out, and those of neither, each in the order given."""
    cashed_out = {obligation_id: each.cash_out_id for each in cash_outs for obligation_id in each.obligation_ids}
    of_orders: dict[str, list[Obligation]] = defaultdict(list)
    of_cash_outs: dict[str, list[Obligation]] = defaultdict(list)
    others = []
    for each in obligations:
        if each.order_id is not None:
            of_orders[each.order_id].append(each)
        elif each.obligation_id in cashed_out:
            of_cash_outs[cashed_out[each.obligation_id]].append(each)
        else:
            others.append(each)
    return of_orders, of_cash_outs, others


def _obligation(obligation: Obligation) -> Story:
    return {
        "obligation_id": obligation.obligation_id,
        "due_on": obligation.due_on,
        "principal_minor": obligation.principal_minor,
        "fee_minor": obligation.fee_minor,
        "penalty_minor": obligation.penalty_minor,
        "paid_minor": obligation.paid_principal_minor + obligation.paid_fee_minor + obligation.paid_penalty_minor,
        "status": obligation.status.value,
    }


async def _decided(connection: Connection, row: Row) -> Story:
    postings = await connection.fetch(_SQL["postings"], row["lane"], row["seq"])
    story = _common(row, row["party_id"], row["decided_at"])
    story["outcome"] = row["outcome"]
    story["reason"] = row["reason"]
    story["reasons"] = row["reasons"].split()
    story["seq"] = row["seq"]
    story["postings"] = [dict(posting) for posting in postings]
    for output in row["outputs"].splitlines():
        kind, _, output_id = output.partition(" ")
        story["outputs"].append({"type": kind, "event_id": output_id})
    return story


def _parked(row: Row) -> Story:
    story = _common(row, row["party_id"], row["parked_at"])
    story["outcome"] = "parked"
    story["waits_for"] = row["waits_for"]
    return story


def _repeated(row: Row) -> Story:
    story = _common(row, row["party_id"], row["decided_at"])
    story["outcome"] = row["outcome"]
    return story


def _dead(row: Row) -> Story:
    story = _common(row, row["key"].decode(errors="replace") if row["key"] is not None else None, row["decided_at"])
    story["outcome"] = "dead_lettered"
    story["reason"] = row["reason"]
    story["detail"] = row["detail"]
    story["dead_letter_id"] = row["dead_letter_id"]
    return story


def _common(row: Row, party_id: str | None, decided_at: datetime) -> Story:
    return {
        "topic": row["topic"],
        "partition": row["partition"],
        "offset": row["record_offset"],
        "lane": row["lane"],
        "party_id": party_id,
        "event_id": row["event_id"],
        "type": row["type"],
        "occurred_at": row["occurred_at"],
        "decided_at": decided_at,
        "outcome": None,
        "reason": None,
        "reasons": [],
        "postings": [],
        "outputs": [],
    }


def _dead_letter(row: Row) -> DeadLetter:
    headers = msgpack.unpackb(row["headers"]) if row["headers"] is not None else []
    return DeadLetter(
        dead_letter_id=row["dead_letter_id"],
        lane=row["lane"],
        topic=row["topic"],
        partition=row["partition"],
        offset=row["record_offset"],
        key=row["key"],
        event_id=row["event_id"],
        timer_id=row["timer_id"],
        type=row["type"],
        occurred_at=row["occurred_at"],
        decided_at=row["decided_at"],
        reason=row["reason"],
        detail=row["detail"],
        raw=row["raw"],
        headers=tuple((name.decode(errors="replace"), value) for name, value in headers),
    )
