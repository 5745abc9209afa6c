"""What of a party is moved out of memory: packed into bytes, and read again.

msgpack and not pickle, for what is packed may lie in a folder until it is read another day: reading it can make nothing
but values. Instants come back in UTC.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, cast

import msgpack

from contracts.decode import restore
from settlement.entities import Obligation
from settlement.entity import Entity
from settlement.messages import Source
from settlement.party import Party
from settlement.state import Parked
from settlement.statuses import ObligationStatus
from settlement.timers import Timer, TimerKind
from storage.rows import TABLES

_DATE = 1
_UNPAID = frozenset({ObligationStatus.OPEN, ObligationStatus.OVERDUE})


@dataclass(slots=True)
class PartyTables:
    """What the database would hold of one party.

    Args:
        entities: by class and id.
        owed: its open and overdue obligations, which are among the entities.
        declined: subject keys.
        parked: in the order in which they came, by event hash.
        timers: by kind and subject.
        due: what the lane's index of timers has of it, None: nothing.
        size: how many rows of the database these are, about: made and never counted again.
    """

    entities: dict[type[Entity], dict[str, Entity]] = field(default_factory=dict)
    owed: dict[str, Obligation] = field(default_factory=dict)
    declined: set[str] = field(default_factory=set)
    parked: dict[bytes, Parked] = field(default_factory=dict)
    timers: dict[tuple[TimerKind, str], Timer] = field(default_factory=dict)
    due: bytes | None = None
    size: int = 1

    def put(self, kind: type[Entity], ids: Iterable[str], entities: Mapping[str, Entity]) -> None:
        """Keep entities of a class, new or changed: those with these ids."""
        kept = self.entities.get(kind)
        if kept is None:
            kept = self.entities[kind] = {}
        for entity_id in ids:
            kept[entity_id] = entities[entity_id]
        if kind is Obligation:
            for entity_id in ids:
                self._owe(cast("Obligation", entities[entity_id]))

    def _owe(self, obligation: Obligation) -> None:
        if obligation.status in _UNPAID:
            self.owed[obligation.obligation_id] = obligation
        else:
            self.owed.pop(obligation.obligation_id, None)


def packed(tables: PartyTables) -> bytes:
    """Pack all of a party."""
    return pack(
        [
            {TABLES[kind].name: _values(kind, rows.values()) for kind, rows in tables.entities.items()},
            sorted(tables.declined),
            [_parked_row(each) for each in tables.parked.values()],
            [(timer.kind, timer.subject_id, timer.due_at) for timer in tables.timers.values()],
            tables.due,
        ]
    )


def unpacked(party: Party | None, content: bytes) -> PartyTables:
    """Read a party again, or what the lane itself has, which parks nothing and has no timers."""
    entities, declined, parked, timers, due = unpack(content)
    tables = PartyTables(declined=set(declined), due=due)
    for name, rows in entities.items():
        table = _BY_NAME[name]
        made = {entity.entity_id: entity for entity in table.of_values(rows)}
        tables.put(table.kind, made, made)
    if party is None:
        return tables
    for row in parked:
        each = _parked(party, *row)
        tables.parked[each.input.event_hash] = each
    for kind, subject_id, due_at in timers:
        timer = Timer(party, TimerKind(kind), subject_id, due_at)
        tables.timers[timer.kind, subject_id] = timer
    tables.size = 1 + sum(map(len, tables.entities.values())) + len(declined) + len(parked)
    return tables


def _values(kind: type[Entity], entities: Iterable[Entity]) -> list[Sequence[Any]]:
    return [TABLES[kind].values(each) for each in entities]


def _parked_row(parked: Parked) -> Sequence[Any]:
    message, source = parked.input, parked.input.source
    where = (source.topic, source.partition, source.offset)
    return (*where, message.raw, message.traceparent, parked.waits_for, parked.parked_at)


def _parked(
    party: Party, topic: str, partition: int, offset: int, raw: bytes, trace: str | None, waits_for: str, parked_at: Any
) -> Parked:
    return Parked(restore(Source(topic, partition, offset), party.id.encode(), raw, trace), waits_for, parked_at)


def pack(content: Any) -> bytes:
    """Pack plain values, instants, dates and lists of them; equal values give equal bytes."""
    packed_content: bytes = _pack(content)
    return packed_content


def unpack(content: bytes) -> Any:
    """Read what `pack` gave; lists come back as tuples."""
    return msgpack.unpackb(content, use_list=False, timestamp=3, ext_hook=_read_date, strict_map_key=False)


def _write_date(value: Any) -> msgpack.ExtType:
    if isinstance(value, date):
        return msgpack.ExtType(_DATE, value.isoformat().encode())
    raise TypeError(f"cannot pack {type(value).__name__}")


def _read_date(code: int, content: bytes) -> date:
    if code != _DATE:
        raise ValueError(f"unknown kind of value: {code}")
    return date.fromisoformat(content.decode())


_pack = msgpack.Packer(datetime=True, default=_write_date).pack
_BY_NAME = {table.name: table for table in TABLES.values()}
