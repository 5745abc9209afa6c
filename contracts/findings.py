"""From what pydantic found to a reason code and a detail a producing team can act on.

Off the hot path: the text is parsed again where that makes the answer clearer.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from contracts.catalogue import MESSAGES, UNBUILT_TYPES
from contracts.envelope import MAX_DEPTH, read_strictly
from contracts.fields import CURRENCIES, EXPECTED, PRIVATE
from contracts.records import RefusalError
from contracts.topics import Topic
from settlement.dead_letter import DeadLetterReason

MAX_ERRORS = 5
"""A detail names at most this many fields."""

MAX_SHOWN = 60
"""Characters of a value that a detail quotes."""

_TYPES = {topic: {message.message_type() for message in messages} for topic, messages in MESSAGES.items()}

_EXPECTED = {
    "string_type": "a text",
    "int_type": "an integer",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "string_too_short": "at least {min_length} character",
    "string_too_long": "at most {max_length} characters",
    "too_long": "at most {max_length} entries",
    "union_tag_invalid": "one of {expected_tags}",
}


_TAGS: dict[str | int, int] = {"plan": 1, "plans": 2}
"""Where pydantic lists the `kind` it went by in the path of such a field: behind `plan`, or `plans` and a number."""


@dataclass(frozen=True, slots=True)
class _Finding:
    """One field that is wrong; findings are told in the order of their rank."""

    rank: int
    reason: DeadLetterReason
    detail: str


def refusal_of(error: ValidationError, value: bytes, topic: Topic) -> RefusalError:
    """Say why a value was refused.

    Raises:
        RefusalError: the text itself is at fault, whatever its fields say.
    """
    errors = error.errors(include_url=False)
    if errors[0]["type"] == "json_invalid":
        return _not_json(value, str(errors[0]["ctx"]["error"]))
    body = read_strictly(value)
    if not isinstance(body, dict):
        return RefusalError(DeadLetterReason.WRONG_SHAPE, f"expected a JSON object, got {shown(body)}")
    kind = body.get("type")
    return (
        _type_refusal(kind, given="type" in body, topic=topic)
        or _version_refusal(body.get("version"))
        or _field_refusal(str(kind), errors)
    )


def _not_json(value: bytes, problem: str) -> RefusalError:
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        return RefusalError(
            DeadLetterReason.BAD_UTF8,
            f"expected UTF-8, got {value[error.start]:#04x} at byte {error.start}: {error.reason}",
        )
    if "recursion" in problem:
        return RefusalError(DeadLetterReason.TOO_DEEP, f"expected at most {MAX_DEPTH} levels of nesting: {problem}")
    try:
        # Python's parser takes half a character, and NaN; what else it refuses is no JSON.
        json.dumps(json.loads(text), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return RefusalError(
            DeadLetterReason.LONE_SURROGATE, f"expected whole characters, got an escape of half a one: {problem}"
        )
    except (ValueError, RecursionError):
        pass
    return RefusalError(DeadLetterReason.NOT_JSON, f"expected a JSON object: {problem}")


def _type_refusal(kind: Any, *, given: bool, topic: Topic) -> RefusalError | None:
    if not given:
        return RefusalError(DeadLetterReason.MISSING_FIELD, "type: expected a text, but it is missing")
    if not isinstance(kind, str):
        return RefusalError(DeadLetterReason.WRONG_FIELD, f"type: expected a text, got {shown(kind)}")
    if kind in _TYPES[topic]:
        return None
    if kind in UNBUILT_TYPES.get(topic, ()):
        return RefusalError(DeadLetterReason.UNKNOWN_TYPE, f"type: not built yet: {kind}")
    elsewhere = next((other for other, kinds in _TYPES.items() if kind in kinds), None)
    hint = f", which belongs on topic {elsewhere}" if elsewhere else ""
    return RefusalError(
        DeadLetterReason.UNKNOWN_TYPE,
        f"type: expected one of {', '.join(sorted(_TYPES[topic]))} on topic {topic}, got {shown(kind)}{hint}",
    )


def _version_refusal(version: Any) -> RefusalError | None:
    if version is None or (type(version) is int and version == 1):
        return None
    return RefusalError(DeadLetterReason.BAD_VERSION, f"version: expected 1, got {shown(version)}")


def _field_refusal(kind: str, errors: Iterable[ErrorDetails]) -> RefusalError:
    findings = sorted((_finding(kind, error) for error in errors), key=lambda finding: finding.rank)
    details = [finding.detail for finding in findings[:MAX_ERRORS]]
    if len(findings) > MAX_ERRORS:
        details.append(f"and {len(findings) - MAX_ERRORS} more")
    return RefusalError(findings[0].reason, "; ".join(details))


def _finding(kind: str, error: ErrorDetails) -> _Finding:
    """Missing fields come first, wrong ones next."""
    path = _path(kind, error["loc"])
    if error["type"] in {"missing", "union_tag_not_found"}:
        path += ".kind" if error["type"] == "union_tag_not_found" else ""
        return _Finding(0, DeadLetterReason.MISSING_FIELD, f"{path}: expected a value, but it is missing")
    came = error["input"]
    if error["type"] == "union_tag_invalid":
        path += ".kind"
        came = came["kind"]
    private = path.partition("[")[0] in PRIVATE
    return _Finding(
        1, DeadLetterReason.WRONG_FIELD, f"{path}: expected {_expected(error)}, got {shown(came, private=private)}"
    )


def _path(kind: str, location: tuple[int | str, ...]) -> str:
    """Name a field as a reader would; pydantic also lists the tags of the unions it went through."""
    names = list(location[1:] if location[:1] == (kind,) else location)
    tag = _TAGS.get(names[0]) if names else None
    if tag is not None and len(names) > tag + 1:
        del names[tag]
    path = ""
    for name in names:
        path += f"[{name}]" if isinstance(name, int) else f".{name}" if path else name
    return path


def _expected(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    match error["type"]:
        case "string_pattern_mismatch":
            return EXPECTED[context["pattern"]]
        case "literal_error":
            expected = str(context["expected"])
            return "an ISO 4217 code that has minor units, such as CNY" if CURRENCIES[-1] in expected else expected
        case other if other in _EXPECTED:
            return _EXPECTED[other].format_map(context)
        case _:
            return error["msg"]


def shown(value: Any, *, private: bool = False) -> str:
    """Quote a value, shortened; of a private one and of containers only what kind it is."""
    match value:
        case str() if private:
            return f"a text of {len(value)} characters"
        case str():
            cut = value[:MAX_SHOWN]
            return json.dumps(cut, ensure_ascii=not cut.isprintable()) + ("…" if len(value) > MAX_SHOWN else "")
        case list() | tuple():
            return f"a list of {len(value)}"
        case dict():
            return "an object"
        case bool() | None:
            return json.dumps(value)
        case _:
            text = str(value)
            return text[:MAX_SHOWN] + ("…" if len(text) > MAX_SHOWN else "")
