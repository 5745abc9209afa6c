"""Entities and their tables."""

from settlement.entity import ENTITIES
from storage.rows import TABLES


def test_every_class_of_entities_has_its_table():
    without = {kind.__name__ for kind in ENTITIES} - {kind.__name__ for kind in TABLES}
    assert not without, f"TABLES of storage/rows.py has no table for {without}"
