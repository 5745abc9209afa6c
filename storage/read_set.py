"""What a batch wants to have loaded, and what it gets. Source: docs/storage.md, Loading."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from settlement.entity import Entity
from settlement.party import Party
from settlement.state import PartyState

Reference = tuple[type[Entity], str]


@dataclass(slots=True)
class ReadSet:
    """What a batch names, and so reads; grows when a rule asks for more (`NotLoadedError`).

    Args:
        parties: whose states are wanted.
        event_hashes: of the inputs, by party (None: the lane's own).
        entities: what the inputs name, by party (None: the lane's own); the obligation `*` stands for all open ones.
        timers_until: load the parties' timers due at or before this lane time; None loads none.
        timer_limit: how many of one party at most; `Loaded.more_timers` tells whose were more.
    """

    parties: set[Party] = field(default_factory=set)
    event_hashes: dict[Party | None, set[bytes]] = field(default_factory=dict)
    entities: dict[Party | None, set[Reference]] = field(default_factory=dict)
    timers_until: datetime | None = None
    timer_limit: int = 1000

    def name(self, party: Party | None, references: Iterable[Reference]) -> None:
        """Ask for things that an input of a party names; of the lane's own, whoever names them."""
        for kind, entity_id in references:
            owner = None if kind.party_kind is None else party
            self.entities.setdefault(owner, set()).add((kind, entity_id))


@dataclass(frozen=True, slots=True)
class Loaded:
    """The states, one for every party wanted and one for None; `known` are parties with a row on the lane.

    `more_timers`: parties that have more due timers than were loaded; the earliest are there, in the order they fire.
    """

    states: dict[Party | None, PartyState]
    known: set[Party]
    more_timers: set[Party]
