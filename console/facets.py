"""The rows of a list in groups, each leading to the list of it alone."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from console.rendering import link
from storage.outcome_search import GROUPED_AT_MOST, Groups, producer_name

SHOWN = 12
"""Groups of each kind, the largest; of days the latest."""


def facets(groups: Groups, path: str, chosen: Mapping[str, str]) -> dict[str, Any]:
    """Groups as pages show them.

    Args:
        groups: of the rows that agree with what is chosen.
        path: of the list.
        chosen: what it is looked through by, as it was given.
    """
    days: Counter[date] = groups.days
    latest = [(str(day), days[day]) for day in sorted(days, reverse=True)]
    producers = [(name, number) for name, number in groups.producers.most_common() if name is not None]

    def rows(name: str, found: Iterable[tuple[str | None, int]]) -> list[dict[str, Any]]:
        listed = [(code, number) for code, number in found if code is not None]
        return [
            {
                "code": producer_name(code) if name == "producer" else code,
                "count": number,
                "is_chosen": chosen.get(name) == code,
                "look": link(path, **{**chosen, name: None if chosen.get(name) == code else code}),
            }
            for code, number in listed[:SHOWN]
        ]

    return {
        "total": groups.total,
        "is_more": groups.total >= GROUPED_AT_MOST,
        "unknown_producer_count": groups.producers[None],
        "groups": [
            {"name": "reason", "rows": rows("reason", groups.reasons.most_common())},
            {"name": "topic", "rows": rows("topic", groups.topics.most_common())},
            {"name": "producer", "rows": rows("producer", producers)},
            {"name": "day", "rows": rows("day", latest)},
        ],
    }
