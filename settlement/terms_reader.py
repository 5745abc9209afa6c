"""Reads a terms document field by field and says exactly which field is wrong. Source: docs/terms.md."""

import re
from collections.abc import Iterable, Iterator
from datetime import date
from enum import StrEnum
from typing import Any, NoReturn, TypeVar

ChoiceT = TypeVar("ChoiceT", bound=StrEnum)

LARGEST = 10**15
"""The largest whole number in a terms document, as for amounts."""

PROGRAMME_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


class TermsError(ValueError):
    """A terms document is wrong; the message names the field, what was expected and what came."""


class Reader:
    """One table of the document; remembers what was read, so that `finish` can refuse the rest."""

    def __init__(self, path: str, value: object) -> None:
        if not isinstance(value, dict):
            raise TermsError(f"{path or 'terms'}: expected a table, got {_shown(value)}")
        self._path = path
        self._value: dict[str, Any] = value
        self._read: set[str] = set()

    def fail(self, name: str, expected: str, came: str) -> NoReturn:
        """Refuse a field.

        Raises:
            TermsError: always.
        """
        raise TermsError(f"{self._name(name)}: expected {expected}, got {came}")

    def finish(self) -> None:
        """Refuse fields that nothing has read.

        Raises:
            TermsError: naming the first of them.
        """
        unknown = sorted(str(name) for name in self._value.keys() - self._read)
        if unknown:
            known = ", ".join(sorted(self._read)) or "nothing"
            raise TermsError(f"{self._name(unknown[0])}: expected no such field (known here: {known}), got one")

    def has(self, name: str) -> bool:
        """Tell whether a field is there."""
        return name in self._value

    def whole(self, name: str, at_least: int = 1, at_most: int = LARGEST, *, default: int | None = None) -> int:
        """A whole number within bounds; one with a default may be missing."""
        if default is not None and not self.has(name):
            self._read.add(name)
            return default
        value = self._take(name)
        if type(value) is not int or not at_least <= value <= at_most:
            self.fail(name, f"a whole number from {at_least} to {at_most}", _shown(value))
        return value

    def rising(self, name: str, *, may_be_empty: bool = False) -> tuple[int, ...]:
        """A list of whole numbers of at least 1, each larger than the one before."""
        value = self._take(name)
        expected = "a list of whole numbers of at least 1, each larger than the one before"
        if not isinstance(value, list) or not (value or may_be_empty):
            self.fail(name, expected, _shown(value))
        numbers: list[int] = []
        for each in value:
            if type(each) is not int or not (numbers[-1] if numbers else 0) < each <= LARGEST:
                self.fail(name, expected, _shown(value))
            numbers.append(each)
        return tuple(numbers)

    def flag(self, name: str) -> bool:
        """True or false; a flag that is not there is false."""
        if not self.has(name):
            self._read.add(name)
            return False
        value = self._take(name)
        if not isinstance(value, bool):
            self.fail(name, "true or false", _shown(value))
        return value

    def text(self, name: str) -> str:
        """A text that is not empty."""
        value = self._take(name)
        if not isinstance(value, str) or not value:
            self.fail(name, "a text", _shown(value))
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; one that is not there is empty."""
        if not self.has(name):
            self._read.add(name)
            return ()
        value = self._take(name)
        if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
            self.fail(name, "a list of texts", _shown(value))
        return tuple(value)

    def choice(self, name: str, choices: type[ChoiceT]) -> ChoiceT:
        """One of the values of an enum."""
        value = self._take(name)
        if not isinstance(value, str) or value not in {each.value for each in choices}:
            self.fail(name, " or ".join(each.value for each in choices), _shown(value))
        return choices(value)

    def day(self, name: str) -> date:
        """A date written as text, because JSON has no dates."""
        value = self._take(name)
        expected = 'a date as text, like "2026-01-31"'
        if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
            self.fail(name, expected, _shown(value))
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(name, expected, _shown(value))

    def table(self, name: str, *, required: bool = True) -> "Reader":
        """A table below this one; one that is not there and not required is empty."""
        if not required and not self.has(name):
            self._read.add(name)
            return Reader(self._name(name), {})
        return Reader(self._name(name), self._take(name))

    def tables(self, name: str) -> Iterator["Reader"]:
        """A list of at least one table."""
        value = self._take(name)
        if not isinstance(value, list) or not value:
            self.fail(name, "a list of at least one table", _shown(value))
        for number, each in enumerate(value):
            yield Reader(f"{self._name(name)}[{number}]", each)

    def children(self, names: Iterable[str] | None = None) -> Iterator[tuple[str, "Reader"]]:
        """All tables below this one by their names, at least one; `names` are those that may be there."""
        known = None if names is None else {str(each) for each in names}
        if not self._value:
            raise TermsError(f"{self._path}: expected at least one table below it, got none")
        for name, value in self._value.items():
            if known is not None and name not in known:
                self.fail(name, f"one of {', '.join(sorted(known))}", "that name")
            if known is None and not PROGRAMME_NAME.fullmatch(name):
                self.fail(name, "a name of small letters, digits and _", _shown(name))
            yield name, Reader(self._name(name), value)

    def _take(self, name: str) -> Any:
        if name not in self._value:
            raise TermsError(f"{self._name(name)}: expected this field, got nothing")
        self._read.add(name)
        return self._value[name]

    def _name(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name


def _shown(value: object) -> str:
    """A value as it is shown in a message: never long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004 - one line of a terminal
