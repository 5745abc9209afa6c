"""Value classes must behave like frozen dataclasses of the standard library."""

import copy
import dataclasses
import pickle
from typing import Any

import pytest

from settlement.values import dataclass, revised


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 2

    @property
    def sum(self) -> int:
        return self.x + self.y


@dataclass(frozen=True, slots=True, order=True)
class Ranked:
    rank: int


def test_a_value_is_made_by_place_name_and_default() -> None:
    assert Point(1, 2) == Point(x=1) == Point(1, y=2)
    assert (Point(1).x, Point(1).y, Point(1).sum) == (1, 2, 3)


@pytest.mark.parametrize("wrong", [{}, {"x": 1, "z": 1}])
def test_fields_must_be_given_and_known(wrong: dict[str, int]) -> None:
    with pytest.raises(TypeError):
        Point(**wrong)


def test_a_value_cannot_be_changed() -> None:
    point = Point(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.x = 2  # type: ignore[misc]  # what is tested
    with pytest.raises(dataclasses.FrozenInstanceError):
        del point.x
    with pytest.raises((AttributeError, TypeError)):
        point.z = 3  # type: ignore[attr-defined]  # what is tested
    assert point == Point(1)


def test_equal_values_are_one_key_and_others_are_not() -> None:
    assert {Point(1): "one"}[Point(1, 2)] == "one"
    assert Point(1) != Point(2)
    assert Point(1) != Ranked(1)


def test_a_value_is_of_its_class_and_says_so() -> None:
    assert type(Point(1)) is Point
    assert repr(Point(1)) == "Point(x=1, y=2)"


def test_values_can_be_replaced_copied_and_pickled() -> None:
    assert dataclasses.replace(Point(1), y=5) == Point(1, 5)
    assert copy.deepcopy(Point(1)) == Point(1)
    assert pickle.loads(pickle.dumps(Point(1))) == Point(1)


def test_a_revised_value_is_another_one_with_the_fields_that_were_given() -> None:
    point = Point(1, 2)
    assert revised(point, y=5) == Point(1, 5)
    assert type(revised(point)) is Point
    assert point == Point(1, 2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        revised(point, y=5).x = 2


@pytest.mark.parametrize("name", ["made", "new", "twin", "value", "defaults", "cls", "self", "name", "changes"])
def test_a_field_may_have_any_name(name: str) -> None:
    kind: Any = dataclass(frozen=True, slots=True)(type("Kind", (), {"__annotations__": {name: int}}))
    assert getattr(kind(1), name) == 1
    assert getattr(revised(kind(1), **{name: 2}), name) == 2


def test_only_fields_that_exist_can_be_revised() -> None:
    with pytest.raises(AttributeError, match="z"):
        revised(Point(1), z=3)


def test_ordered_values_compare() -> None:
    assert sorted([Ranked(2), Ranked(1)]) == [Ranked(1), Ranked(2)]


def test_only_frozen_slotted_classes_are_values() -> None:
    with pytest.raises(TypeError, match=r"dataclasses\.dataclass"):
        dataclass(frozen=False, slots=True)
