"""JSON Schemas of every message, as files for other teams: contracts/schemas/{in,out}/<type>.json."""

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from contracts.catalogue import MESSAGES
from contracts.dead_letter_messages import KIND as DEAD_LETTER_KIND
from contracts.encode import WRITERS
from contracts.outputs import OUTPUTS
from contracts.topics import Topic

FOLDER = Path(__file__).with_name("schemas")
DIALECT = "https://json-schema.org/draft/2020-12/schema"

OUTPUT_TOPICS = {body.type: topic for body, (topic, _) in WRITERS.items()} | {DEAD_LETTER_KIND: Topic.DEAD_LETTER.value}
"""Which topic carries each output type."""


def input_schemas() -> dict[str, dict[str, Any]]:
    """Schema of each input message by type, in the order of topics."""
    return {
        message.message_type(): _published(message.model_json_schema(), "in", message.message_type(), topic)
        for topic, messages in MESSAGES.items()
        for message in messages
    }


def output_schemas() -> dict[str, dict[str, Any]]:
    """Schema of each output message by type."""
    return {
        kind: _published(TypeAdapter(message).json_schema(), "out", kind, OUTPUT_TOPICS[kind])
        for kind, message in OUTPUTS.items()
    }


def schema_files() -> dict[Path, str]:
    """Every schema file and its content."""
    files = {FOLDER / "in" / f"{kind}.json": schema for kind, schema in input_schemas().items()}
    files |= {FOLDER / "out" / f"{kind}.json": schema for kind, schema in output_schemas().items()}
    return {path: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for path, schema in files.items()}


def _published(schema: dict[str, Any], direction: str, kind: str, topic: str) -> dict[str, Any]:
    if direction == "out":
        schema["properties"]["type"] = {"const": kind, "description": "The message's type."}
    return {
        "$schema": DIALECT,
        "$id": f"urn:postpay:{direction}:{kind}:1",
        "title": kind,
        "x-postpay-topic": topic,
        **_without_titles({name: value for name, value in schema.items() if name != "title"}),
    }


def _without_titles(node: Any) -> Any:
    """Drop the titles pydantic makes of field names: they say nothing."""
    match node:
        case dict():
            return {
                name: _without_titles(value)
                for name, value in node.items()
                if not (name == "title" and isinstance(value, str))
            }
        case list():
            return [_without_titles(value) for value in node]
        case _:
            return node
