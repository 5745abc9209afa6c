"""From what was settled to the rows that record it: decisions and postings, receipts, dead letters.

Pure; `chain` hashes the same rows that `write` stores. Members of the core's string enums are written as the strings
they are: asking them for `.value` took a tenth of this module's time.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgpack

from settlement.batch import Settled
from settlement.dead_letter import DeadLetter, spelled_out
from settlement.decision import Decision, Outcome
from settlement.messages import Input
from settlement.timers import Timer


class DecisionRow(NamedTuple):
    """A row of `decision` without lane and batch_seq; the order of the fields is that of the chain hash."""

    seq: int
    kind: str
    topic: str | None
    partition: int | None
    record_offset: int | None
    party_kind: str | None
    party_id: str | None
    event_id: str | None
    timer_id: str | None
    event_hash: bytes | None
    fingerprint: bytes | None
    type: str
    occurred_at: datetime
    decided_at: datetime
    outcome: str
    reason: str | None
    reasons: str
    outputs: str
    raw: bytes | None


class PostingRow(NamedTuple):
    """A row of `posting` without lane; the order of the fields is that of the chain hash."""

    seq: int
    n: int
    party_id: str
    debit: str
    credit: str
    currency: str
    amount_minor: int


class ReceiptRow(NamedTuple):
    """A row of `receipt` without lane and batch_seq."""

    topic: str
    partition: int
    record_offset: int
    party_kind: str | None
    party_id: str | None
    event_id: str
    event_hash: bytes
    fingerprint: bytes
    type: str
    occurred_at: datetime
    decided_at: datetime
    outcome: str
    holds_event_id: bool
    raw: bytes | None
    next_seq: int
    n: int


class DeadLetterRow(NamedTuple):
    """A row of `dead_letter` without lane and batch_seq."""

    dead_letter_id: str
    topic: str | None
    partition: int | None
    record_offset: int | None
    key: bytes | None
    event_id: str | None
    timer_id: str | None
    type: str | None
    occurred_at: datetime | None
    decided_at: datetime
    reason: str
    detail: str
    raw: bytes | None
    headers: bytes | None
    next_seq: int | None
    n: int


def recorded(results: Sequence[Settled], first_seq: int) -> tuple[list[DecisionRow], list[PostingRow]]:
    """Rows of what was applied or declined, numbered from `first_seq` in the order of deciding."""
    decisions: list[DecisionRow] = []
    postings: list[PostingRow] = []
    seq = first_seq
    for settled in results:
        decision = settled.decision
        if not _is_decision(settled):
            continue
        if settled.input is not None:
            decisions.append(_of_input(seq, settled.input, settled))
            party = settled.input.party
        else:
            timer = _timer_of(settled)
            decisions.append(_of_timer(seq, timer, settled))
            party = timer.party
        if decision.postings:
            party_id = party.id if party is not None else ""
            postings.extend(
                PostingRow(seq, n, party_id, each.debit, each.credit, each.currency, each.amount_minor)
                for n, each in enumerate(decision.postings)
            )
        seq += 1
    return decisions, postings


def receipts(results: Sequence[Settled], first_seq: int) -> list[ReceiptRow]:
    """Rows of repeated inputs. A conflict's content is kept, for operators."""
    return [
        _receipt(settled.input, settled, next_seq, n)
        for n, (next_seq, settled) in enumerate(_undecided(results, first_seq))
        if settled.input is not None and settled.decision.outcome in {Outcome.DUPLICATE, Outcome.CONFLICT}
    ]


def dead_letters(results: Iterable[Settled], rejected: Iterable[DeadLetter], first_seq: int) -> list[DeadLetterRow]:
    """Rows of what could not be understood, matched or decided."""
    rows = [
        _dead_letter(letter, next_seq, n)
        for n, (next_seq, settled) in enumerate(_undecided(results, first_seq))
        if (letter := settled.dead_letter) is not None
    ]
    return [*(_dead_letter(letter, None, n) for n, letter in enumerate(rejected)), *rows]


def _undecided(results: Iterable[Settled], first_seq: int) -> Iterator[tuple[int, Settled]]:
    """What has no number, each with that of the decision that follows it."""
    seq = first_seq
    for settled in results:
        if _is_decision(settled):
            seq += 1
        else:
            yield seq, settled


def _is_decision(settled: Settled) -> bool:
    outcome = settled.decision.outcome
    return outcome is Outcome.APPLIED or outcome is Outcome.DECLINED


def _output_names(decision: Decision) -> str:
    if not decision.outputs:
        return ""
    return "\n".join([f"{output.body.type} {output.event_id}" for output in decision.outputs])


def _of_input(seq: int, message: Input, settled: Settled) -> DecisionRow:
    decision, source, party = settled.decision, message.source, message.party
    return DecisionRow(
        seq,
        "input",
        source.topic,
        source.partition,
        source.offset,
        party.kind if party is not None else None,
        party.id if party is not None else None,
        message.event_id,
        None,
        message.event_hash,
        message.fingerprint,
        message.type,
        message.occurred_at,
        settled.decided_at,
        decision.outcome,
        decision.reason,
        " ".join(decision.reasons),
        _output_names(decision),
        message.raw,
    )


def _of_timer(seq: int, timer: Timer, settled: Settled) -> DecisionRow:
    decision = settled.decision
    return DecisionRow(
        seq,
        "timer",
        None,
        None,
        None,
        timer.party.kind,
        timer.party.id,
        None,
        timer.timer_id,
        None,
        None,
        timer.kind,
        timer.due_at,
        settled.decided_at,
        decision.outcome,
        decision.reason,
        " ".join(decision.reasons),
        _output_names(decision),
        None,
    )


def _receipt(message: Input, settled: Settled, next_seq: int, n: int) -> ReceiptRow:
    party, outcome = message.party, settled.decision.outcome
    return ReceiptRow(
        message.source.topic,
        message.source.partition,
        message.source.offset,
        party.kind if party is not None else None,
        party.id if party is not None else None,
        message.event_id,
        message.event_hash,
        message.fingerprint,
        message.type,
        message.occurred_at,
        settled.decided_at,
        outcome,
        outcome is Outcome.DUPLICATE and not settled.is_repeat,
        message.raw if outcome is Outcome.CONFLICT else None,
        next_seq,
        n,
    )


def _dead_letter(letter: DeadLetter, next_seq: int | None, n: int) -> DeadLetterRow:
    source = letter.source
    return DeadLetterRow(
        letter.dead_letter_id,
        None if source is None else source.topic,
        None if source is None else source.partition,
        None if source is None else source.offset,
        letter.key,
        None if letter.event_id is None else spelled_out(letter.event_id),
        letter.timer_id,
        None if letter.type is None else spelled_out(letter.type),
        _storable_instant(letter.occurred_at),
        letter.decided_at,
        letter.reason,
        letter.detail,
        letter.raw,
        _headers(letter.headers),
        next_seq,
        n,
    )


def _headers(headers: Sequence[tuple[str, bytes]]) -> bytes | None:
    if not headers:
        return None
    packed: bytes = msgpack.packb([[name.encode(errors="replace"), value] for name, value in headers])
    return packed


def _storable_instant(instant: datetime | None) -> datetime | None:
    """Return the instant in UTC, or None where that lies outside the years 1 to 9999."""
    if instant is None:
        return None
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        return None


def _timer_of(settled: Settled) -> Timer:
    if settled.timer is None:
        msg = f"something settled is neither an input nor a timer: {settled}"
        raise TypeError(msg)
    return settled.timer
