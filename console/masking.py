"""What those who may not see ids and texts are shown instead.

An allow-list, as in logs: the values of fields that are not named here are masked to their last characters.
"""

from typing import Any

from workers.logs import masked

SHOWN_ENDINGS = ("_minor", "_at", "_on", "_s", "_seq", "_records", "_bytes", "_days", "_until", "_seconds", "_count")
SHOWN = frozenset(
    {
        "action", "alarm", "attempt", "binding", "book", "changed_at", "charts", "check", "clock", "count", "credit",
        "currency", "debit", "direction", "due", "entry", "follows", "freeze_reasons", "kind", "lane", "lane_time",
        "ledger_account", "level", "name", "now", "number", "ok", "offset", "outcome", "owner", "partition", "periods",
        "plan", "programme", "reason_code", "reasons", "ready", "role", "route", "rule", "runbook", "severity", "state",
        "status", "summary", "title", "topic", "total", "type", "unit", "until", "upto", "urgent",
    }
)  # fmt: skip
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
