"""Writes a settled batch in the caller's transaction, in a number of round trips that doesn't grow with the batch.

New rows are copied, changed ones updated from arrays, and the lane's row moves last: its update finds the lane where
the batch started from, or nothing of the batch stays.

Source: docs/storage.md, Writing; docs/protocol.md, Input.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from settlement.batch import Settled
from settlement.dead_letter import DeadLetter
from settlement.decision import Outcome
from settlement.entity import Entity
from settlement.ledger import Side, owned_by
from settlement.messages import MerchantActivity
from settlement.outputs import MerchantActivityRecorded, Output
from settlement.party import Party
from settlement.state import PartyState
from settlement.terms import TermsBook
from settlement.timers import Timer
from storage import arrays, chain
from storage import parked as parked_inputs
from storage.arrays import Literal
from storage.database import Connection
from storage.lanes import FencedError, Position
from storage.outcomes import (
    DeadLetterRow,
    DecisionRow,
    PostingRow,
    ReceiptRow,
    dead_letters,
    receipts,
)
from storage.queries import read
from storage.rows import TABLES

__all__ = [
    "DEAD_LETTER_COLUMNS",
    "DECISION_COLUMNS",
    "FINISH",
    "POSTING_COLUMNS",
    "RECEIPT_COLUMNS",
    "UPDATES",
    "Activity",
    "BatchToWrite",
    "activity_totals",
    "platform_balances",
    "write",
]

_SQL = read("write")
UPDATES = read("update")
FINISH = _SQL["finish"]

_NORMAL_SIDES: Mapping[str, Side] = {account.value: account.normal_side for account in owned_by(None)}


@dataclass(frozen=True, slots=True)
class BatchToWrite:
    """A settled batch.

    Args:
        lane: its lane.
        batch_seq: its number, one more than the lane's.
        lane_time: lane time after it.
        first_seq: number of its first decision, the lane's `next_seq`.
        results: everything settled, in order.
        rejected: records that could not be understood or don't belong here.
        states: the states it was settled on, with what it changed.
        positions: where each topic it took records from stands now.
        counts: by topic, how many records it gives their outcome (parked included); not those sent on to another lane.
        activity: what goes to merchant lanes.
        outbox_parts: its encoded outputs, in the order to be sent; at least one, so that the relay finds no hole.
        previous_hash: the lane's chain hash before.
        terms_document: the terms in force after it, if it changed them.
        recorded: what `chain.record` gave for it, if it was asked already.
    """

    lane: int
    batch_seq: int
    lane_time: datetime
    first_seq: int
    results: Sequence[Settled]
    rejected: Sequence[DeadLetter]
    states: Mapping[Party | None, PartyState]
    positions: Mapping[str, Position]
    counts: Mapping[str, int]
    activity: Sequence[Output]
    outbox_parts: Sequence[bytes]
    previous_hash: bytes
    terms_document: dict[str, Any] | None = None
    recorded: chain.Recorded | None = None


async def write(connection: Connection, batch: BatchToWrite) -> bytes:
    """Write a batch; the caller has locked the lane in the same transaction and commits.

    Returns:
        The lane's new chain hash.

    Raises:
        FencedError: the lane is not where the batch started from; roll back.
    """
    recorded = batch.recorded or chain.record(
        batch.previous_hash, batch.batch_seq, batch.lane_time, batch.results, batch.first_seq
    )
    await _write_outcomes(connection, batch, recorded)
    await _write_entities(connection, batch)
    await _write_waiting(connection, batch)
    await _finish(connection, batch, recorded)
    return recorded.chain_hash


async def _copy(connection: Connection, table: str, columns: Sequence[str], rows: list[tuple[Any, ...]]) -> None:
    if rows:
        await connection.copy_records_to_table(table, columns=columns, records=rows)


DECISION_COLUMNS = ("lane", "batch_seq", *DecisionRow._fields)
POSTING_COLUMNS = ("lane", *PostingRow._fields)
RECEIPT_COLUMNS = ("lane", "batch_seq", *ReceiptRow._fields)
DEAD_LETTER_COLUMNS = ("lane", "batch_seq", *DeadLetterRow._fields)


async def _write_outcomes(connection: Connection, batch: BatchToWrite, recorded: chain.Recorded) -> None:
    lane, head = (batch.lane,), (batch.lane, batch.batch_seq)
    if not connection.sends_together:
        await _copy(connection, "decision", DECISION_COLUMNS, [head + row for row in recorded.decisions])
        await _copy(connection, "posting", POSTING_COLUMNS, [lane + row for row in recorded.postings])
    await _copy(
        connection, "receipt", RECEIPT_COLUMNS, [head + row for row in receipts(batch.results, batch.first_seq)]
    )
    dead = dead_letters(batch.results, batch.rejected, batch.first_seq)
    await _copy(connection, "dead_letter", DEAD_LETTER_COLUMNS, [head + row for row in dead])


async def _write_entities(connection: Connection, batch: BatchToWrite) -> None:
    made: dict[type[Entity], list[Entity]] = {kind: [] for kind in TABLES}
    changed: dict[type[Entity], list[Entity]] = {kind: [] for kind in TABLES}
    for state in batch.states.values():
        for kind, ids in state.made.items():
            entities = state.entities[kind]
            made[kind] += [entities[entity_id] for entity_id in ids]
        for kind, ids in state.changed.items():
            entities = state.entities[kind]
            changed[kind] += [entities[entity_id] for entity_id in ids]
    for kind, table in TABLES.items():
        if made[kind] and connection.sends_together:
            await connection.execute(table.insert, batch.lane, *table.all_arrays(made[kind]))
        else:
            rows = [table.row(batch.lane, entity) for entity in made[kind]]
            await _copy(connection, table.name, ("lane", *table.columns), rows)
        if changed[kind]:
            await connection.execute(UPDATES[table.name], batch.lane, *table.arrays(changed[kind]))


_Literals = Sequence[Callable[[Sequence[Any]], Any]]

_PARKED: _Literals = (
    arrays.blobs,
    arrays.plain,
    *[arrays.texts] * 3,
    arrays.plain,
    arrays.plain,
    arrays.texts,
    arrays.blobs,
    arrays.texts,
    arrays.instants,
    list,  # raw input may be large: as it is, not as a literal
    *[arrays.texts] * 2,
    arrays.instants,
)


def _columns(literals: _Literals, rows: Sequence[Sequence[Any]]) -> list[Any]:
    """One array for each column."""
    columns = zip(*rows, strict=True) if rows else [()] * len(literals)
    return [literal(column) for literal, column in zip(literals, columns, strict=True)]


async def _write_waiting(connection: Connection, batch: BatchToWrite) -> None:
    """Parked inputs, and the subjects that were declined."""
    unparked = [hash_ for state in batch.states.values() for hash_ in state.unparked]
    if unparked:
        await connection.execute(_SQL["unpark"], batch.lane, arrays.blobs(unparked))
    parked = list(enumerate(each for state in batch.states.values() for each in state.newly_parked.values()))
    if parked:
        rows = [
            (each.input.event_hash, n, *_party_values(each.input.party), *parked_inputs.values(each))
            for n, each in parked
        ]
        await connection.execute(_SQL["park"], batch.lane, batch.batch_seq, *_columns(_PARKED, rows))
    declined = [
        (*_party_values(party), subject) for party, state in batch.states.items() for subject in state.newly_declined
    ]
    if declined:
        await connection.execute(_SQL["declined_subject"], batch.lane, *map(arrays.texts, zip(*declined, strict=True)))


def _timer_arrays(batch: BatchToWrite) -> tuple[Literal, ...]:
    """Timers set or moved, then those that are gone."""
    gone: list[tuple[str, str, str, str]] = []
    timers: list[Timer] = []
    for party, state in batch.states.items():
        for (kind, subject_id), timer in state.timer_changes.items():
            if timer is None:
                gone.append((*_party_values(party), kind, subject_id))
            else:
                timers.append(timer)
    rows = [(*_party_values(each.party), each.kind, each.subject_id) for each in timers]
    due_at = arrays.instants([each.due_at for each in timers])
    return *_columns([arrays.texts] * 4, rows), due_at, *_columns([arrays.texts] * 4, gone)


_DECISION: _Literals = (
    *(arrays.plain, arrays.texts, arrays.texts, arrays.plain, arrays.plain),
    *[arrays.texts] * 4,
    *(arrays.blobs, arrays.blobs, arrays.texts, arrays.instants, arrays.instants),
    *[arrays.texts] * 4,
    list,  # as of parked inputs
)
_POSTING: _Literals = (arrays.plain, arrays.plain, *[arrays.texts] * 4, arrays.plain)


def platform_balances(postings: Sequence[PostingRow]) -> Mapping[tuple[str, str], int]:
    """What a batch moves on the platform's ledger accounts, signed to their normal side, by account and currency."""
    moved: dict[tuple[str, str], int] = {}
    for posting in postings:
        for account, side in ((posting.debit, Side.DEBIT), (posting.credit, Side.CREDIT)):
            if account in _NORMAL_SIDES:
                signed = posting.amount_minor if side is _NORMAL_SIDES[account] else -posting.amount_minor
                key = (account, posting.currency)
                moved[key] = moved.get(key, 0) + signed
    return moved


class Activity(NamedTuple):
    """What went to merchant lanes and what came from account lanes, in one currency."""

    sent_messages: int = 0
    sent_minor: int = 0
    received_messages: int = 0
    received_minor: int = 0

    def plus(self, *other: int) -> "Activity":
        """Both together."""
        return Activity(*map(sum, zip(self, other, strict=True)))


def activity_totals(sent: Sequence[Output], results: Sequence[Settled]) -> Mapping[str, Activity]:
    """What a batch hands to merchant lanes and takes over from account lanes, by currency."""
    activity: dict[str, Activity] = {}
    for output in sent:
        if isinstance(output.body, MerchantActivityRecorded):
            sums = activity.get(output.body.currency, Activity())
            activity[output.body.currency] = sums.plus(1, output.body.payable_minor, 0, 0)
    for settled in results:
        message = settled.input
        if (
            message is not None
            and isinstance(message.body, MerchantActivity)
            and settled.decision.outcome is Outcome.APPLIED
        ):
            sums = activity.get(message.body.currency, Activity())
            activity[message.body.currency] = sums.plus(0, 0, 1, message.body.payable_minor)
    return activity


def _balances_arrays(moved: Mapping[tuple[str, str], int]) -> tuple[Literal, Literal, Literal]:
    accounts, currencies = [account for account, _ in moved], [currency for _, currency in moved]
    return arrays.texts(accounts), arrays.texts(currencies), arrays.plain(list(moved.values()))


def _activity_arrays(activity: Mapping[str, Activity]) -> tuple[Literal, ...]:
    totals = [arrays.plain([sums[column] for sums in activity.values()]) for column in range(len(Activity._fields))]
    return arrays.texts(list(activity)), *totals


async def _finish(connection: Connection, batch: BatchToWrite, recorded: chain.Recorded) -> None:
    """Terms; last, in one statement, what nearly every batch writes, the batch itself and the lane's row among it."""
    terms_digest = None
    if batch.terms_document is not None:
        terms_digest = TermsBook.parse(batch.terms_document).digest
        document = json.dumps(batch.terms_document, ensure_ascii=False)
        await connection.execute(_SQL["store_terms"], terms_digest, document)
    topics, positions = list(batch.positions), batch.positions.values()
    is_copied = not connection.sends_together
    finished = await connection.fetchval(
        FINISH,
        batch.lane,
        batch.batch_seq,
        recorded.chain_hash,
        batch.lane_time,
        batch.first_seq,
        len(recorded.decisions),
        arrays.texts(topics),
        arrays.plain([position.next_offset for position in positions]),
        terms_digest,
        *_balances_arrays(platform_balances(recorded.postings)),
        *_activity_arrays(activity_totals(batch.activity, batch.results)),
        arrays.blobs([position.last_fingerprint for position in positions]),
        arrays.plain([batch.counts.get(topic, 0) for topic in topics]),
        list(batch.outbox_parts),
        *_timer_arrays(batch),
        *_columns(_DECISION, () if is_copied else recorded.decisions),
        *_columns(_POSTING, () if is_copied else recorded.postings),
    )
    if finished is None:
        raise FencedError(f"lane {batch.lane} is not before batch {batch.batch_seq}: it was settled by another owner")


def _party_values(party: Party | None) -> tuple[str, str]:
    if party is None:
        msg = "the lane itself parks nothing, declines nothing and has no timers"
        raise TypeError(msg)
    return party.kind, party.id
