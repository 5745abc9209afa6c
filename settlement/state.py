"""What is loaded of one party while a batch is settled, and what the batch changed of it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import cast

from settlement.decision import Decision
from settlement.entity import Entity, EntityT
from settlement.messages import Input
from settlement.party import Party
from settlement.timers import Timer, TimerKind

ALL_OPEN = "*"
"""Asked for as an obligation's id: all open obligations of the account are needed, not only the earliest."""


PAST_SINCE = "paid since "
"""With an instant asked for as an obligation's id: all on which something counts as paid at it or later are needed, and
all that were ever overdue."""


def past_since(instant: datetime) -> str:
    """The id to ask for all that `Draft.past_since` gives."""
    return f"{PAST_SINCE}{instant.astimezone(UTC).isoformat()}"


def instant_of(asked: str) -> datetime:
    """The instant that such an id names."""
    return datetime.fromisoformat(asked.removeprefix(PAST_SINCE))


def subject_key(kind: type[Entity], entity_id: str) -> str:
    """Name a thing within its party, as `Decision.waits_for` and `PartyState.declined` do."""
    return f"{kind.subject}:{entity_id}"


class NotLoadedError(Exception):
    """A rule needs something that was not loaded. The batch is loaded again with it; nothing was written yet."""

    def __init__(self, party: Party | None, kind: type[Entity], entity_id: str) -> None:
        super().__init__(f"{kind.subject} {entity_id} of {party} is needed but was not loaded")
        self.party = party
        self.kind = kind
        self.entity_id = entity_id


@dataclass(frozen=True, slots=True)
class Parked:
    """An input that waits for `waits_for` (a subject key) until it expires."""

    input: Input
    waits_for: str
    parked_at: datetime


@dataclass(slots=True)
class PartyState:
    """Everything loaded of one party (None: the lane itself, for `clock` and `terms`).

    Args:
        whole: nothing of the party is in storage beyond what is here (true of a party that is new).
        all_open_loaded: every open obligation is here; otherwise only the earliest, and others that were named, are.
        open_loaded_until: where not all are loaded, (due_on, no) of the last open obligation before which none is
            missing; None: any may be missing.
        past_since: the earliest instant for which all that `past_since` asks for is here; None: for none.
        absent: subject keys that were looked for in storage and are not there.
        seen: event hash → fingerprint of inputs decided or parked before, or found duplicates by their content
            (`Settled.is_repeat`), of those the batch names.
        declined: subject keys whose creating message was declined, of those the batch names.
        parked: all parked inputs of the party, in arrival order.
        timers: the party's timers due within the batch.
    """

    party: Party | None
    whole: bool = False
    all_open_loaded: bool = True
    open_loaded_until: tuple[date, int] | None = None
    past_since: datetime | None = None
    entities: dict[type[Entity], dict[str, Entity]] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    seen: dict[bytes, bytes] = field(default_factory=dict)
    declined: set[str] = field(default_factory=set)
    parked: list[Parked] = field(default_factory=list)
    timers: dict[tuple[TimerKind, str], Timer] = field(default_factory=dict)

    made: dict[type[Entity], set[str]] = field(default_factory=dict)
    """Ids of entities the batch made: rows to insert."""
    changed: dict[type[Entity], set[str]] = field(default_factory=dict)
    """Ids of entities the batch changed: rows to update."""
    newly_declined: set[str] = field(default_factory=set)
    newly_parked: dict[bytes, Parked] = field(default_factory=dict)
    """By event hash: rows to insert or, when it waits for something else now, to update."""
    unparked: set[bytes] = field(default_factory=set)
    """Event hashes of parked rows to delete."""
    timer_changes: dict[tuple[TimerKind, str], Timer | None] = field(default_factory=dict)
    """Timers to write; None deletes."""

    def find(self, kind: type[EntityT], entity_id: str) -> EntityT | None:
        """Return the entity, or None when it does not exist.

        Raises:
            NotLoadedError: storage was not asked for it.
        """
        loaded = self.entities.get(kind)
        found = loaded.get(entity_id) if loaded else None
        if found is None and not self.whole and subject_key(kind, entity_id) not in self.absent:
            raise NotLoadedError(self.party, kind, entity_id)
        return found  # type: ignore[return-value]  # keyed by its own type

    def each(self, kind: type[EntityT]) -> Iterator[EntityT]:
        """All loaded entities of a kind, in no particular order."""
        return cast("Iterator[EntityT]", iter(self.entities.get(kind, {}).values()))

    def apply(self, decision: Decision) -> None:
        """Take over what a decision changes."""
        for entity in decision.entities:
            kind, entity_id = type(entity), entity.entity_id
            loaded = self.entities.get(kind)
            if loaded is None:
                loaded = self.entities[kind] = {}
            if entity_id not in loaded:
                self.made.setdefault(kind, set()).add(entity_id)
            elif entity_id not in self.made.get(kind, ()):
                self.changed.setdefault(kind, set()).add(entity_id)
            loaded[entity_id] = entity
        for key in decision.cancelled:
            self.timers.pop(key, None)
            self.timer_changes[key] = None
        for timer in decision.timers:
            key = (timer.kind, timer.subject_id)
            self.timers[key] = timer
            self.timer_changes[key] = timer
        if decision.declined_subject is not None and decision.declined_subject not in self.declined:
            self.declined.add(decision.declined_subject)
            self.newly_declined.add(decision.declined_subject)
