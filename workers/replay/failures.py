"""What failed by a defect of postpay when it was decided: it fails again, for what came of it is what happened."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

from contracts.headers import MAX_READ
from contracts.records import Rejected
from contracts.topics import Topic
from settlement.dead_letter import DeadLetterReason
from settlement.messages import Input
from storage import branches
from storage.database import Connection, Row
from storage.recorded import SQL
from storage.replacement import unheard
from workers.lanes.taken import REFUSED, Taken
from workers.replay.broker import broker_records, output_extent
from workers.settings.model import Settings

LAST = 2**63 - 1
READ = 1000
"""Offsets that are read at once."""


@dataclass(frozen=True, slots=True)
class Failures:
    """What of a batch failed by a defect of postpay when it was decided, by `DeadLetter.dead_letter_id`.

    They fail again: a later release has mended the defect, but what came of it is what happened.

    Args:
        decoding: records that could not be decoded: the details.
        deciding: inputs and timers that could not be decided: the details.
        refused: records that the database did not take: reasons and details.
    """

    decoding: dict[str, str] = field(default_factory=dict)
    deciding: dict[str, str] = field(default_factory=dict)
    refused: dict[str, tuple[DeadLetterReason, str]] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return any(name in each for each in (self.decoding, self.deciding, self.refused))

    def add(self, name: str, reason: str, detail: str, *, understood: bool) -> None:
        """Add what was recorded of one; `understood` where the record was decoded, or it is a timer."""
        if detail.startswith(REFUSED):
            self.refused[name] = (DeadLetterReason(reason), detail)
        elif understood:
            self.deciding[name] = detail
        else:
            self.decoding[name] = detail

    def again(self, taken: Taken) -> Taken:
        """The record as one that fails, if it did; what fails in deciding is told to the decider."""
        name = taken.decoded.source.name
        if name in self.refused and isinstance(taken.decoded, Input):
            return taken.refused(*self.refused[name])
        if name not in self.decoding:
            return taken
        record, detail = taken.record, self.decoding[name]
        headers = tuple(record.headers[:MAX_READ])
        source, raw = taken.decoded.source, taken.decoded.raw
        reason = DeadLetterReason.INTERNAL_ERROR
        return Taken(record, Rejected(source, reason, detail, record.key, raw, headers=headers))


NO_FAILURES = Failures()


async def failures_of(connection: Connection, lane: int) -> dict[int, Failures]:
    """What the database has of a lane's whole story, by batch. Such rows are few."""
    begins = await branches.begins(connection, lane)
    found = await failures_of(connection, begins.from_lane) if begins.from_lane != lane else {}
    after = begins.batch_seq
    found = {batch_seq: each for batch_seq, each in found.items() if batch_seq <= after}
    for family in await branches.families(connection, lane):
        last = LAST if family.last_batch is None else family.last_batch
        rows = await connection.fetch(SQL["failures"], family.lanes, REFUSED, after, last)
        for batch_seq, of_batch in groupby(sorted(rows, key=_batch_of), key=_batch_of):
            found[batch_seq] = recorded(of_batch)
        after = last
    return found


_batch_of = itemgetter("batch_seq")


def recorded(rows: Iterable[Row]) -> Failures:
    """What rows of dead letters say."""
    found = Failures()
    for row in rows:
        understood = row["event_id"] is not None or row["timer_id"] is not None
        found.add(row["dead_letter_id"], row["reason"], row["detail"], understood=understood)
    return found


async def add_told(found: Failures, settings: Settings, lane: int, on_step: Callable[[], None] = unheard) -> None:
    """Add what a lane's topic of dead letters tells, as far as the brokers have it and it is not known better.

    Called after each step: `on_step`. A timer's failure is told to nobody: that is only in the database.

    Raises:
        HistoryError: a transaction in it does not end, or the broker deleted what was to be read.
        BrokerUnreachableError, KafkaError: the brokers are away.
    """
    topic = Topic.DEAD_LETTER.value
    extent = await output_extent(settings, lane, [topic], on_step)
    async with broker_records(settings, extent) as records:
        for first in range(extent.starts[topic], extent.ends[topic], READ):
            for record in await records.read(topic, first, min(first + READ, extent.ends[topic])):
                _add(found, json.loads(record.value or b""))
            on_step()


def _add(found: Failures, told: Mapping[str, Any]) -> None:
    name = f"{told['topic']}/{told['partition']}/{told['offset']}"
    is_failure = told["reason"] == DeadLetterReason.INTERNAL_ERROR or told["detail"].startswith(REFUSED)
    if is_failure and name not in found:
        found.add(name, told["reason"], told["detail"], understood="input_event_id" in told)
