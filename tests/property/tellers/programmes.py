"""Terms to publish: the ones a lane begins with and a further programme, and some that can't be used."""

from typing import Any

from settlement.terms import TermsBook

Document = dict[str, Any]
BUILTIN: Document = TermsBook.builtin().document
NEWEST: Document = BUILTIN["versions"][-1]
NIPPON: Document = {
    "currency": "CNY",
    "captured_on": "receipt",
    "return_window": "first_due_date",
    "uninspected_returns": ["other"],
    "plans": {"deferred": {"days": [14, 45]}},
    "overdue": {"reclaim_unused_limit": True},
    "restore": {"when": "days_after_clearing", "days": 1},
}


def with_programmes(**further: Document) -> Document:
    """The terms there are, and a version with further or other programmes, in force before any history begins."""
    version = NEWEST | {"effective_from": "2026-01-01", "programmes": NEWEST["programmes"] | further}
    return {"versions": [*BUILTIN["versions"], version]}


WITH_NIPPON = with_programmes(nippon=NIPPON)
UNUSABLE = (
    {"versions": []},
    with_programmes(tmall=NEWEST["programmes"]["tmall"] | {"currency": "USD"}),
    {"versions": [NEWEST | {"programmes": {"nippon": NIPPON}}]},
)
"""No terms; another currency for a programme that is there; programmes that are there left out."""
