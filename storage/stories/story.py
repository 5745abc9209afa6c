"""What all stories and their parts are: a value whose fields are its public document, in this order."""

from dataclasses import dataclass, fields
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A story, or a part of one. Instants, dates and bytes are left for whoever writes the document down."""

    @classmethod
    def of(cls, source: object, **others: Any) -> Self:
        """Take the fields of `source` that have the same names; `others` are those it has not, or not in this form."""
        names = [each.name for each in fields(cls) if each.name not in others]
        return cls(**{name: getattr(source, name) for name in names}, **others)

    def document(self) -> dict[str, Any]:
        """Every field by its name; one that is None unless something is to be told is left out then."""
        return {
            each.name: _plain(value)
            for each in fields(self)
            if (value := getattr(self, each.name)) is not None or each.default is not None
        }


def _plain(value: Any) -> Any:
    if isinstance(value, Story):
        return value.document()
    return [_plain(each) for each in value] if isinstance(value, tuple) else value
