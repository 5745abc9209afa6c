"""*Decision*: one message or timer, what became of it, why, and what followed."""

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from console.routes import Asked, AskedWronglyError, Page
from console.rules import rule_of
from storage.stories.decision import DecisionStory, decision_at, decision_story, raw_message

LONGEST_TEXT = 64 * 1024


async def read(asked: Asked) -> Mapping[str, Any] | None:
    """The event `event_id` of `topic`, of `key` where several have it; or number `seq` of `lane`. None: never seen."""
    story = await _story(asked)
    if story is None:
        return None
    raw = await raw_message(asked.connection, story)
    return {
        **{each.name: getattr(story, each.name) for each in fields(story)},
        "message_text": None if raw is None else _text(raw),
        "rule": rule_of(story.type),
        "caused_by": _cause(raw),
    }


async def _story(asked: Asked) -> DecisionStory | None:
    query = asked.query
    if "seq" not in query:
        return await decision_story(
            asked.connection, query.get("topic", ""), query.get("event_id", ""), query.get("key")
        )
    try:
        lane, seq = int(query.get("lane", "")), int(query["seq"])
    except ValueError as error:
        raise AskedWronglyError("expected a lane and a number, each a whole number") from error
    story = await decision_at(asked.connection, lane, seq)
    if story is None or story.topic is None or story.event_id is None:
        return story
    return await decision_story(asked.connection, story.topic, story.event_id, story.party_id)


def _text(raw: bytes) -> str:
    """A message for people: JSON indented, anything else as it is."""
    try:
        return json.dumps(json.loads(raw), ensure_ascii=False, indent=2)[:LONGEST_TEXT]
    except (ValueError, RecursionError):
        return raw[:LONGEST_TEXT].decode(errors="backslashreplace")


def _cause(raw: bytes | None) -> str | None:
    """What the message itself says it was caused by."""
    try:
        document = json.loads(raw or b"")
    except (ValueError, RecursionError):
        return None
    cause = document.get("causation_id") if isinstance(document, dict) else None
    return cause if isinstance(cause, str) else None


PAGE = Page("decision", "/decision", read)
