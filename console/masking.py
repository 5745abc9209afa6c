"""What those who may not see ids and texts are shown instead.

An allow-list, as in logs: the values of fields that are not named here are masked to their last characters.
"""

from typing import Any

from workers.logs import masked

SHOWN_ENDINGS = ("_minor", "_at", "_on", "_s", "_seq", "_records", "_bytes", "_days", "_until", "_seconds", "_count")
# fmt: off
SHOWN = frozenset({
    "action", "alarm", "anchor", "at", "attempt", "attempts", "becomes", "binding", "book", "changed_at",
    "charts", "check", "clock", "code", "count", "credit", "currency", "days", "debit", "detail_code", "digest",
    "direction", "due", "entry", "finding", "first", "follows", "freeze_reasons", "hash", "is_own", "kind",
    "lane", "lane_time", "lanes", "ledger_account", "level", "look", "look_newest", "look_older", "markdown",
    "minute", "name", "now", "number", "offset", "ok", "older_place", "outcome", "owner", "partition",
    "party_kind", "periods", "plan", "programme", "q_kind", "ready", "reason_code", "reasons", "refund_to",
    "role", "route", "rule", "runbook", "second", "section", "severity", "shown", "size", "state", "status",
    "summary", "title", "topic", "topics", "total", "type", "unit", "until", "upto", "urgent", "was",
    "what_code",
})
# fmt: on
"""Names of fields whose values say nothing of anybody: codes of postpay's own, figures, instants."""


def mask(value: Any, name: str = "") -> Any:
    """A value in JSON's form with ids and texts masked; numbers, true and false stay."""
    if isinstance(value, dict):
        return {key: mask(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [mask(each, name) for each in value]
    if not isinstance(value, str) or name in SHOWN or name.endswith(SHOWN_ENDINGS):
        return value
    return masked(value)
