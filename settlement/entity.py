"""What every class of things that postpay remembers has in common: what it is called, whose it is, and its id."""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, dataclass_transform

from settlement.party import PartyKind
from settlement.values import dataclass


class Entity:
    """One thing that postpay remembers of a party."""

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Any]]

    subject: ClassVar[str]
    """What its kind is called where it is waited for (`subject_key`); unique within a kind of party."""
    party_kind: ClassVar[PartyKind | None]
    """Of whose things it is one; None: the lane's own."""
    id_field: ClassVar[str]
    """The field that names it within its party, under which messages name it as well."""
    entity_id: str
    """What stands in that field."""


EntityT = TypeVar("EntityT", bound=Entity)

ENTITIES: list[type[Entity]] = []
"""Every class of entities."""


@dataclass_transform(frozen_default=True)
def entity(subject: str, party_kind: PartyKind | None, id_field: str) -> Callable[[type[EntityT]], type[EntityT]]:
    """Make a class of values, and say what they are called, whose they are, and which field tells them apart."""

    def called(kind: type[EntityT]) -> type[EntityT]:
        kind = dataclass(frozen=True, slots=True)(kind)
        kind.subject, kind.party_kind, kind.id_field = subject, party_kind, id_field
        kind.entity_id = getattr(kind, id_field)  # the slot itself under a second name: as fast to read as the field
        ENTITIES.append(kind)
        return kind

    return called
