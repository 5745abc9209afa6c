"""What an entity is called, whose it is and by what it is told apart is said once."""

from collections import Counter
from dataclasses import fields

import pytest

from settlement import entities
from settlement.entity import ENTITIES, Entity


def test_every_class_of_entities_says_what_they_are_called():
    classes = {kind for kind in vars(entities).values() if isinstance(kind, type) and issubclass(kind, Entity)}
    without = {kind.__name__ for kind in classes - set(ENTITIES) - {Entity}}
    assert not without, f"these classes of settlement/entities.py lack the decorator `entity`: {without}"


def test_no_two_kinds_of_one_party_are_called_the_same():
    called = Counter((kind.party_kind, kind.subject) for kind in ENTITIES)
    assert not [names for names, times in called.items() if times > 1]


@pytest.mark.parametrize("kind", ENTITIES, ids=lambda kind: kind.__name__)
def test_an_entity_is_told_apart_by_its_field_and_belongs_to_its_party(kind):
    names = [field.name for field in fields(kind)]
    made = kind(**dict.fromkeys(names, "other") | {kind.id_field: "this"})
    assert made.entity_id == "this"
    assert kind.party_kind is None or names[0] == f"{kind.party_kind}_id"
