"""What one version of the terms says otherwise than another, field by field."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any

from settlement.terms import TermsBook, TermsVersion

ELSEWHERE = frozenset({"effective_from", "deposits", "programmes"})
"""Fields of a version that are no numbers of its own."""


@dataclass(frozen=True, slots=True)
class TermsChange:
    """One field, of a programme or of all; `field` is its name in docs/terms.md, None is "not given"."""

    programme: str | None
    field: str
    before: Any
    after: Any
    currency: str | None
    """Of the programme, for amounts."""


@dataclass(frozen=True, slots=True)
class VersionPlace:
    """A version of a terms document: by its place there."""

    book: TermsBook
    place: int

    @property
    def version(self) -> TermsVersion:
        """What it says."""
        return self.book.versions[self.place]

    @property
    def document(self) -> dict[str, Any]:
        """The same as it is written."""
        written: dict[str, Any] = self.book.document["versions"][self.place]
        return written


def changes(before: VersionPlace, after: VersionPlace) -> list[TermsChange]:
    """In which fields two versions differ; what may be left out and is has its default."""
    one, other = dict(_numbers(before)), dict(_numbers(after))
    named = [*one, *(name for name in other if name not in one)]
    return [
        TermsChange(
            programme, name, one.get((programme, name)), other.get((programme, name)), _currency(after, programme)
        )
        for programme, name in named
        if one.get((programme, name)) != other.get((programme, name))
    ]


def added(present: TermsBook | None, proposed: TermsBook) -> Iterator[tuple[TermsVersion, list[TermsChange]]]:
    """Versions that a document adds to another, each with what it says otherwise than the one before it."""
    known = set() if present is None else {each.effective_from for each in present.versions}
    for before, after in pairwise(range(len(proposed.versions))):
        version = proposed.versions[after]
        if version.effective_from not in known:
            yield version, changes(VersionPlace(proposed, before), VersionPlace(proposed, after))


def _numbers(place: VersionPlace) -> Iterator[tuple[tuple[str | None, str], Any]]:
    version = place.version
    for each in fields(version):
        if each.name not in ELSEWHERE:
            yield (None, each.name), _plain(getattr(version, each.name))
    for name, value in asdict(version.deposits).items():
        yield (None, f"deposits.{name}"), value
    for programme, document in place.document["programmes"].items():
        for name, value in _flat(document):
            yield (programme, name), value


def _flat(document: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _currency(place: VersionPlace, programme: str | None) -> str | None:
    if programme is None or programme not in place.version.programmes:
        return None
    return place.version.programmes[programme].currency


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))
