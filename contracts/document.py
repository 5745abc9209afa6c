"""The tables of docs/messages.md that follow from the models."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from contracts.catalogue import MESSAGES, UNBUILT_TYPES
from contracts.fields import ID_PATTERN, MAX_AMOUNT_MINOR, URI_PATTERN
from contracts.message import ENVELOPE
from contracts.outputs import OUTPUTS, OutputMessage
from contracts.reasons import MEANINGS
from contracts.schemas import OUTPUT_TOPICS, input_schemas, output_schemas

DOCUMENT = Path(__file__).parent.parent / "docs" / "messages.md"
BEGIN = "<!-- generated from contracts: {} -->\n"
END = "<!-- end -->\n"

_HEAD = "| field | what it is | |\n|---|---|---|\n"


def filled(document: str) -> str:
    """Return the document with each generated part as it should be now.

    Raises:
        ValueError: a part's markers are missing.
    """
    for name, part in {
        "inputs": inputs(),
        "not built yet": not_built_yet(),
        "outputs": outputs(),
        "reasons": reasons(),
    }.items():
        begin = BEGIN.format(name)
        if begin not in document:
            raise ValueError(f"{DOCUMENT.name} has no line {begin.strip()}")
        before, _, rest = document.partition(begin)
        _, _, after = rest.partition(END)
        document = before + begin + "\n" + part + "\n" + END + after
    return document


def inputs() -> str:
    """Each input message with its fields, by topic."""
    schemas = input_schemas()
    parts = []
    for topic, messages in MESSAGES.items():
        parts.append(f"### Topic `{topic}`\n")
        for message in messages:
            kind = message.message_type()
            parts.append(f"#### `{kind}`\n\n{schemas[kind]['description']}\n{_table(schemas[kind], ENVELOPE)}")
    return "\n".join(parts)


def not_built_yet() -> str:
    """Types of the published contract that are refused for now."""
    rows = [f"| `{kind}` | `{topic}` |" for topic, kinds in UNBUILT_TYPES.items() for kind in kinds]
    if not rows:
        return "None at present.\n"
    return "| type | topic |\n|---|---|\n" + "\n".join(rows) + "\n"


def outputs() -> str:
    """Each output message with its fields."""
    schemas = output_schemas()
    common = frozenset(OutputMessage.__annotations__)
    parts = []
    for kind in OUTPUTS:
        about = f"{schemas[kind]['description']} Topic `{OUTPUT_TOPICS[kind]}`."
        parts.append(f"### `{kind}`\n\n{about}\n{_table(schemas[kind], common)}")
    return "\n".join(parts)


def reasons() -> str:
    """Each reason code and what it says."""
    return "| reason | the record |\n|---|---|\n" + "".join(
        f"| `{reason}` | {meaning} |\n" for reason, meaning in MEANINGS.items()
    )


def _table(schema: dict[str, Any], left_out: frozenset[str]) -> str:
    rows = "".join(_rows(schema, schema, left_out | {"type"}, ""))
    return f"\n{_HEAD}{rows}" if rows else ""


def _rows(schema: dict[str, Any], root: dict[str, Any], left_out: frozenset[str], prefix: str) -> Iterator[str]:
    required = schema.get("required", ())
    for name, field in schema["properties"].items():
        if name in left_out:
            continue
        mark = "" if name in required else "?"
        yield f"| `{prefix}{name}`{mark} | {kind_of(field, root)} | {field.get('description', '')} |\n"
        for variant, path in _variants(field, f"{prefix}{name}"):
            yield from _rows(_resolved(variant, root), root, frozenset(), f"{path}.")


def _variants(field: dict[str, Any], path: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Objects that a field, or each entry of a list, may be, and how a reader names them."""
    for each in (field, *field.get("anyOf", ())):
        yield from ((variant, path) for variant in each.get("oneOf", ()))
        yield from ((variant, f"{path}[]") for variant in each.get("items", {}).get("oneOf", ()))


def _resolved(field: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in field:
        found: dict[str, Any] = root["$defs"][field["$ref"].rpartition("/")[2]]
        return found
    return field


def kind_of(field: dict[str, Any], root: dict[str, Any]) -> str:
    """Say in words what values a field takes."""
    field = _resolved(field, root)
    if "anyOf" in field:
        kinds = [kind_of(each, root) for each in field["anyOf"] if each.get("type") != "null"]
        default = field.get("default")
        shown = "" if default in (None, []) else f"; default {str(default).lower()}"
        return " or ".join(kinds) + shown
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    match field.get("type"):
        case "string":
            return _text(field)
        case "integer":
            return _integer(field)
        case "boolean":
            return "true or false"
        case "array":
            most = f", at most {field['maxItems']}" if "maxItems" in field else ""
            return f"list{most}: {kind_of(field['items'], root)}"
        case _:
            return "object"


def _text(field: dict[str, Any]) -> str:
    named = {ID_PATTERN: "id", URI_PATTERN: "URI", "^[A-Z]{3}$": "currency"}
    if field.get("pattern") in named:
        return named[field["pattern"]]
    if "format" in field:
        return {"date-time": "time", "date": "date"}[field["format"]]
    if "maxLength" in field:
        return f"text, {field.get('minLength', 0)} to {field['maxLength']} characters"
    return "text"


def _integer(field: dict[str, Any]) -> str:
    match field.get("minimum"), field.get("maximum"):
        case 1, most if most == MAX_AMOUNT_MINOR:
            return "amount"
        case 0, most if most == MAX_AMOUNT_MINOR:
            return "amount, or 0"
        case None, None:
            return "integer"
        case least, None:
            return f"integer, at least {least}"
        case least, most:
            return f"integer, {least} to {most}"
