"""Fills the tables of one lane that are empty: COPY in large pieces, no update of anything.

What a batch makes goes in as it is decided; what the lane has in the end goes in at the end. Rows are those of `write`.

Source: docs/replay.md, Rebuilding.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from settlement.entity import Entity
from settlement.party import Party
from settlement.state import Parked
from settlement.timers import Timer
from storage import parked as parked_inputs
from storage.chain import Recorded
from storage.database import Connection
from storage.lanes import Position
from storage.outcomes import DecisionRow, PostingRow
from storage.rows import TABLES
from storage.write import DEAD_LETTER_COLUMNS, DECISION_COLUMNS, POSTING_COLUMNS, RECEIPT_COLUMNS, Activity

ROWS_AT_ONCE = 5_000
"""Of one table; some 5 MB of decisions."""

_COLUMNS: Mapping[str, Sequence[str]] = {
    "decision": DECISION_COLUMNS,
    "posting": POSTING_COLUMNS,
    "receipt": RECEIPT_COLUMNS,
    "dead_letter": DEAD_LETTER_COLUMNS,
    "batch": (
        *("lane", "batch_seq", "chain_hash", "lane_time", "first_seq", "decisions", "topics", "next_offsets"),
        "committed_at",
    ),
    "parked": (
        *("lane", "event_hash", "batch_seq", "n", "party_kind", "party_id"),
        *parked_inputs.COLUMNS,
    ),
    "timer": ("lane", "party_kind", "party_id", "kind", "subject_id", "due_at"),
    "declined_subject": ("lane", "party_kind", "party_id", "subject"),
    "platform_balance": ("lane", "ledger_account", "currency", "balance_minor"),
    "activity_total": ("lane", "currency", *Activity._fields),
    "lane_offset": ("lane", "topic", "next_offset", "last_fingerprint", "settled_records"),
    **{table.name: ("lane", *table.columns) for table in TABLES.values()},
}


class LaneCopy:
    """Copies the rows of one lane.

    Args:
        connection: outside a transaction; its tables are those to be filled.
        lane: its number.
    """

    def __init__(self, connection: Connection, lane: int) -> None:
        self._connection = connection
        self._lane = lane
        self._held: dict[str, list[tuple[Any, ...]]] = defaultdict(list)

    async def _add(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        held = self._held[table]
        held.extend((self._lane, *row) for row in rows)
        if len(held) >= ROWS_AT_ONCE:
            await self._flush(table)

    async def _flush(self, table: str) -> None:
        rows = self._held.pop(table, [])
        if rows:
            await self._connection.copy_records_to_table(table, columns=_COLUMNS[table], records=rows)

    async def decided(self, batch_seq: int, decisions: Iterable[DecisionRow], postings: Iterable[PostingRow]) -> None:
        """Decisions of a batch and their postings, those that are on this lane now."""
        await self._add("decision", ((batch_seq, *row) for row in decisions))
        await self._add("posting", postings)

    async def batch(
        self,
        batch_seq: int,
        lane_time: datetime,
        first_seq: int,
        recorded: Recorded,
        next_offsets: Mapping[str, int],
        committed_at: datetime,
    ) -> None:
        """A batch that this lane has settled itself."""
        positions = (list(next_offsets), list(next_offsets.values()))
        row = (batch_seq, recorded.chain_hash, lane_time, first_seq, len(recorded.decisions), *positions, committed_at)
        await self._add("batch", [row])

    async def outcomes(self, table: str, rows: Iterable[Sequence[Any]]) -> None:
        """Rows of `receipt` or `dead_letter`, led by the batch."""
        for row in rows:
            await self._add(table, [tuple(row)])

    async def entities(self, kind: type[Entity], entities: Iterable[Entity]) -> None:
        """Entities of one class as they are in the end."""
        table = TABLES[kind]
        await self._add(table.name, (table.row(self._lane, entity)[1:] for entity in entities))

    async def waiting(
        self, party: Party, parked: Iterable[tuple[int, int, Parked]], timers: Iterable[Timer], declined: Iterable[str]
    ) -> None:
        """What waits of a party, and the subjects that were declined.

        Args:
            party: whose.
            parked: inputs, led by the batch that parked them and their place in it.
            timers: of the party.
            declined: subject keys.
        """
        whose = (party.kind.value, party.id)
        await self._add("parked", (_parked_row(*whose, batch_seq, n, each) for batch_seq, n, each in parked))
        await self._add("timer", ((*whose, each.kind.value, each.subject_id, each.due_at) for each in timers))
        await self._add("declined_subject", ((*whose, subject) for subject in declined))

    async def totals(
        self,
        platform: Mapping[tuple[str, str], int],
        activity: Mapping[str, Activity],
        positions: Mapping[str, Position],
        settled: Mapping[str, int],
    ) -> None:
        """What the lane keeps one row of."""
        await self._add("platform_balance", ((*key, amount) for key, amount in platform.items()))
        await self._add("activity_total", ((currency, *sums) for currency, sums in activity.items()))
        offsets = [
            (topic, each.next_offset, each.last_fingerprint, settled.get(topic, 0)) for topic, each in positions.items()
        ]
        await self._add("lane_offset", offsets)

    async def flush(self) -> None:
        """Copy what is still held."""
        for table in list(self._held):
            await self._flush(table)


def _parked_row(kind: str, party_id: str, batch_seq: int, n: int, parked: Parked) -> tuple[Any, ...]:
    return (parked.input.event_hash, batch_seq, n, kind, party_id, *parked_inputs.values(parked))
