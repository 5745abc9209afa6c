"""What a replay finds: one place where the database, or the lane-log, does not say what was decided again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import date
from itertools import zip_longest
from typing import Any

from storage.outcomes import DecisionRow, PostingRow
from storage.recorded import BatchRows
from workers.lanes.deciding import Decided
from workers.lanes.lanelog import BatchLog

LONGEST = 200
"""Characters of a value that are shown."""
NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference, with both sides in words.

    Args:
        where: which row or record.
        column: of it; None: all of it.
        recorded: what the database or the lane-log says.
        decided: what was decided again.
        batch_seq: of the batch in which it was found; None: found in what the lane is in the end.
        note: what else can be said of it.
    """

    where: str
    column: str | None
    recorded: str
    decided: str
    batch_seq: int | None = None
    note: str = ""

    def __str__(self) -> str:
        batch = "at the end" if self.batch_seq is None else f"batch {self.batch_seq}"
        column = "" if self.column is None else f", {self.column}"
        note = f" ({self.note})" if self.note else ""
        return f"{batch}: {self.where}{column}: recorded {self.recorded}; decided again {self.decided}{note}"


def shown(value: Any) -> str:
    """A value in words."""
    if value is None:
        return NOTHING
    if isinstance(value, bytes):
        text = value.hex()
    elif isinstance(value, date):
        text = value.isoformat()
    elif isinstance(value, str):
        text = repr(str(value))
    else:
        text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} characters)"


def of_rows(
    where: str, names: Sequence[str], recorded: Sequence[Any] | None, decided: Sequence[Any] | None
) -> Difference | None:
    """The first column in which two rows differ; None where they are equal. A row that is None is not there."""
    return next(columns_apart(where, names, recorded, decided), None)


def columns_apart(
    where: str, names: Sequence[str], recorded: Sequence[Any] | None, decided: Sequence[Any] | None
) -> Iterator[Difference]:
    """Every column in which two rows differ, or that one of them is not there."""
    if recorded is None or decided is None:
        if recorded is not decided:
            yield Difference(where, None, _row(names, recorded), _row(names, decided))
        return
    for name, one, other in zip(names, recorded, decided, strict=True):
        if one != other:
            yield Difference(where, name, shown(one), shown(other))


def of_batch(rows: BatchRows | None, log: BatchLog, decided: Decided, again: BatchLog) -> Difference | None:
    """The first difference of a batch.

    Args:
        rows: of the database; None: it has no such batch.
        log: what the lane-log says.
        decided: the batch, decided again.
        again: what the lane-log would say of it.
    """
    if rows is None:
        return Difference("its row in table batch", None, NOTHING, f"batch {log.batch_seq}, which the lane-log has")
    return _of_decisions(rows, decided) or _of_batch_row(rows, log, decided) or of_log(log, again)


def _of_decisions(rows: BatchRows, decided: Decided) -> Difference | None:
    again = decided.recorded
    if rows.is_archived or (rows.decisions == again.decisions and rows.postings == again.postings):
        return None  # of what is archived the hash is compared, which is that of its rows
    recorded_decisions, recorded_postings = rows.named()
    if recorded_decisions != again.decisions:
        one, other = _first_apart(recorded_decisions, again.decisions)
        return of_rows(f"decision {_decision(one or other)}", DecisionRow._fields, one, other)
    if recorded_postings != again.postings:
        decisions = {row.seq: row for row in again.decisions}
        recorded, named = ({(row.seq, row.n): row for row in each} for each in (recorded_postings, again.postings))
        for key in sorted({*recorded, *named}):
            seq, n = key
            of = str(seq) if seq not in decisions else _decision(decisions[seq])
            found = of_rows(f"posting {n} of decision {of}", PostingRow._fields, recorded.get(key), named.get(key))
            if found is not None:
                return found
    return None


def _first_apart(
    recorded: Sequence[DecisionRow], decided: Sequence[DecisionRow]
) -> tuple[DecisionRow | None, DecisionRow | None]:
    """The first place where two lists of decisions go apart: a decision on both sides, or one that one side lacks."""
    for one, other in zip_longest(recorded, decided):
        if one == other:
            continue
        if one is None or other is None or _about(one) == _about(other):
            return one, other
        if _about(other) in map(_about, recorded):
            return one, None
        return None, other
    raise ValueError("expected two lists that are not equal")


def _about(row: DecisionRow) -> tuple[Any, ...]:
    """What a decision is about: a record or a timer."""
    return (row.topic, row.partition, row.record_offset, row.timer_id)


def _of_batch_row(rows: BatchRows, log: BatchLog, decided: Decided) -> Difference | None:
    names = ("lane_time", "first_seq", "decisions", "next_offsets", "chain_hash")
    positions = {topic: span.next_offset for topic, span in log.offsets.items()}
    recorded = (rows.lane_time, rows.first_seq, rows.stated, dict(rows.positions), rows.chain_hash)
    before, after = decided.before, decided.recorded
    again = (decided.lane_time, before.next_seq, len(after.decisions), positions, after.chain_hash)
    return of_rows("its row in table batch", names, recorded, again)


def of_log(log: BatchLog, again: BatchLog) -> Difference | None:
    """The first field in which a record of the lane-log is not what it would be now, the rules' version aside."""
    names = [each.name for each in fields(BatchLog)]
    return of_rows(
        "its record in the lane-log",
        names,
        [getattr(log, name) for name in names],
        [getattr(again, name) if name != "rules_version" else log.rules_version for name in names],
    )


def _decision(row: DecisionRow | None) -> str:
    assert row is not None  # or there would be no difference
    if row.timer_id is not None:
        return f"{row.seq} (timer {row.timer_id})"
    return f"{row.seq} ({row.type} {row.event_id}, {row.topic}/{row.partition}/{row.record_offset})"


def _row(names: Sequence[str], row: Sequence[Any] | None) -> str:
    if row is None:
        return NOTHING
    told = ", ".join(f"{name} {shown(value)}" for name, value in zip(names, row, strict=True) if value is not None)
    return told if len(told) <= 3 * LONGEST else told[: 3 * LONGEST] + "…"
