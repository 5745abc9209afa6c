"""What a dead letter's message is changed to before it is sent again. The dead letter itself stays as it came."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from operating.refusal import ActionRefusedError
from settlement.dead_letter import DeadLetter
from settlement.ids import derived_id

EVENT_ID = "event_id"


@dataclass(frozen=True, slots=True)
class Edit:
    """What is to be changed: `body` is the whole message instead of the one that came, `changes` are fields by path.

    A path names fields from the outside in, `plan.days`; a number is a place in a list. `key` is the record's.
    """

    changes: Sequence[tuple[str, Any]] = ()
    body: bytes | None = None
    key: str | None = None


def redrive_event_id(dead_letter_id: str) -> str:
    """The event_id of whatever is made of a dead letter: one for all its edits, so that at most one takes effect."""
    return derived_id(f"redrive/{dead_letter_id}", 0)


def edited_body(letter: DeadLetter, edit: Edit) -> bytes:
    """The message after the edit, under an event_id of its own.

    Raises:
        ActionRefusedError: what came is no JSON object that could be changed, or a path leads nowhere.
    """
    document = _document(letter, edit.body)
    for path, value in edit.changes:
        if path == EVENT_ID:
            raise ActionRefusedError("expected no event_id among the changes: an edited message gets one of its own")
        _set(document, path.split("."), path, value)
    document[EVENT_ID] = redrive_event_id(letter.dead_letter_id)
    try:
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # a lone surrogate; it is refused as what it is
        return json.dumps(document, separators=(",", ":")).encode()


def parse_change(text: str) -> tuple[str, Any]:
    """Read `path=value`; a value that is no JSON is the text it is.

    Raises:
        ActionRefusedError: there is no path.
    """
    path, equals, value = text.partition("=")
    if not (path and equals):
        raise ActionRefusedError(f"expected path=value, such as plan.days=30, got {text!r}")
    try:
        return path, json.loads(value)
    except (ValueError, RecursionError):
        return path, value


def _document(letter: DeadLetter, body: bytes | None) -> dict[str, Any]:
    raw = letter.raw if body is None else body
    try:
        document = json.loads(raw or b"")
    except (ValueError, RecursionError) as error:
        raise ActionRefusedError(_unreadable(body, str(error))) from error
    if not isinstance(document, dict):
        raise ActionRefusedError(_unreadable(body, f"got {type(document).__name__}"))
    return document


def _unreadable(body: bytes | None, found: str) -> str:
    if body is not None:
        return f"expected a JSON object, got something else ({found})"
    return f"expected a message that is a JSON object to change fields of ({found}); give the whole of it by --file"


def _set(document: Any, names: Sequence[str], path: str, value: Any) -> None:
    holder = document
    for name in names[:-1]:
        holder = _inside(holder, name, path)
    last = names[-1]
    if isinstance(holder, dict):
        holder[last] = value
    elif isinstance(holder, list) and last.isdecimal() and int(last) < len(holder):
        holder[int(last)] = value
    else:
        raise ActionRefusedError(f"expected a path to a field of the message, got {path!r}: nothing there has {last!r}")


def _inside(holder: Any, name: str, path: str) -> Any:
    if isinstance(holder, dict) and name in holder:
        return holder[name]
    if isinstance(holder, list) and name.isdecimal() and int(name) < len(holder):
        return holder[int(name)]
    raise ActionRefusedError(f"expected a path to a field of the message, got {path!r}: there is no {name!r}")
