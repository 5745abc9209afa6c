"""What those who may not see ids and texts are shown instead.

An allow-list, as in logs: the values of fields that are not named here are masked to their last characters. Of what a
producer wrote nothing is shown, whatever it calls its fields: names and figures are its own choice there.
"""

from typing import Any

from contracts.catalogue import MESSAGES, UNBUILT_TYPES
from contracts.schemas import OUTPUT_TOPICS
from settlement.timers import TimerKind
from words.document import json_text
from workers.logs import masked

SHOWN_ENDINGS = ("_minor", "_at", "_on", "_s", "_seq", "_records", "_bytes", "_days", "_until", "_seconds", "_count")
# fmt: off
SHOWN = frozenset({
    "action", "alarm", "at", "attempt", "attempts", "becomes", "book", "changed_at", "charts", "check", "code",
    "count", "credit", "currency", "days", "debit", "digest", "due", "entry", "first_version", "follows",
    "freeze_reasons", "hash", "is_own", "kind", "lane", "lane_time", "lanes", "ledger_account", "level", "look",
    "look_newest", "look_older", "markdown", "minute", "name", "now", "number", "offset", "ok", "older_place",
    "outcome", "owner", "partition", "party_kind", "periods", "plan", "programme", "ready", "reason_code", "reasons",
    "refund_to", "role", "route", "rule", "runbook", "second_version", "severity", "shown", "state", "status",
    "title", "topic", "topics", "total", "until", "urgent", "was", "what_code",
})
# fmt: on
"""Names of fields whose values say nothing of anybody: codes of postpay's own, figures, instants."""

TYPES = frozenset(
    {message.message_type() for messages in MESSAGES.values() for message in messages}
    | {kind for kinds in UNBUILT_TYPES.values() for kind in kinds}
    | {*OUTPUT_TOPICS, *TimerKind}
)
"""What a `type` may be; of a dead letter it is whatever its producer wrote there."""

ASKED = frozenset({"given", "q"})
"""Names of fields with what the asker has typed, which stands in the page's forms again."""

BODY = "value"
"""A message's body as JSON has it, or the value of a header."""
OF_MESSAGES = frozenset({BODY, "differences", "headers"})
"""Names of fields with parts of messages."""


def mask(value: Any, name: str = "", *, of_message: bool = False) -> Any:
    """A value in JSON's form with ids and texts masked; numbers, true and false stay, but for those of messages.

    Args:
        value: what to mask.
        name: of the field whose value it is.
        of_message: it is a part of what a producer wrote.
    """
    if name in ASKED and not of_message:
        return value
    of_message = of_message or name in OF_MESSAGES
    if name == BODY and isinstance(value, dict | list):
        return masked(json_text(value))
    if isinstance(value, dict):
        return {key: mask(each, key, of_message=of_message) for key, each in value.items()}
    if isinstance(value, list):
        return [mask(each, name, of_message=of_message) for each in value]
    if of_message:
        return None if value is None else masked(value)
    if not isinstance(value, str) or name in SHOWN or name.endswith(SHOWN_ENDINGS):
        return value
    return value if name == "type" and value in TYPES else masked(value)
