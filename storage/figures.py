"""Figures that operators watch: of each lane, of the ledger, of outcomes, and the terms in force."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from settlement.ledger import LedgerAccount
from storage.database import Connection
from storage.queries import read

_SQL = read("figures")

COUNTED_AT_MOST = 100_000
"""Figures are read every few seconds, so they don't count further than this."""


@dataclass(frozen=True, slots=True)
class LaneFigures:
    """One lane as operators watch it.

    `timers_due` are due at the lane's time, not the clock's; counts end at COUNTED_AT_MOST. `relayed_batch_seq` is
    the relay's last word; `unrelayed_since` is when the oldest batch after it was committed. `positions` are next
    offsets by topic. `platform` is what the platform's own ledger accounts hold, in minor units on their normal sides
    by (account, currency); `oldest_overdue_at` is when the freeze of the account began that is overdue longest.
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
    open_debits: int
    oldest_open_debit_at: datetime | None
    positions: dict[str, int]
    overdue_accounts: int = 0
    oldest_overdue_at: datetime | None = None
    platform: dict[tuple[str, str], int] = field(default_factory=dict)


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
            open_debits=row["open_debits"],
            oldest_open_debit_at=row["oldest_open_debit_at"],
            positions=dict(zip(row["topics"], row["next_offsets"], strict=True)),
            overdue_accounts=row["overdue_accounts"],
            oldest_overdue_at=row["oldest_overdue_at"],
            platform={
                (account, currency): minor
                for account, currency, minor in zip(
                    row["ledger_accounts"], row["currencies"], row["balances_minor"], strict=True
                )
            },
        )
        for row in await connection.fetch(_SQL["operations"], COUNTED_AT_MOST)
    ]


async def terms_in_force(connection: Connection) -> list[TermsInForce]:
    """The terms documents that lanes settle by; more than one only while a new one reaches them."""
    rows = await connection.fetch(_SQL["terms_in_force"])
    return [TermsInForce(row["digest"], tuple(row["lanes"]), json.loads(row["document"])) for row in rows]


@dataclass(frozen=True, slots=True)
class StoredTerms:
    """A terms document that some lane has had, and when the first of them came to it."""

    digest: bytes
    document: dict[str, Any]
    stored_at: datetime


async def stored_terms(connection: Connection) -> list[StoredTerms]:
    """Every terms document there was, the newest first."""
    rows = await connection.fetch(_SQL["stored_terms"])
    return [StoredTerms(row["digest"], json.loads(row["document"]), row["stored_at"]) for row in rows]


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The last batch of a lane and its hash, which covers all before it."""

    lane: int
    batch_seq: int
    chain_hash: bytes
    lane_time: datetime | None


async def chain_heads(connection: Connection) -> list[ChainHead]:
    """The heads of the lanes' chains."""
    return [ChainHead(**dict(row)) for row in await connection.fetch(_SQL["chain_heads"])]
