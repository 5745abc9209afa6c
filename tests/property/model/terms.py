"""What published terms make of programmes, in the model's words. docs/terms.md names the fields of the document."""

from datetime import timedelta

from settlement.terms import TermsBook
from tests.property.model.facts import PROGRAMMES, Facts, Verdict
from tests.property.model.obligations import ObligationRules

CAPTURED = {"receipt": "receipt", "placing": "placing", "trial_end": "trial end"}
RESTORED = {"cleared": "cleared", "days_after_clearing": "waits", "on_request": "on request"}
TERMS_INVALID: Verdict = ("dead_lettered", "terms_invalid")


class TermsRules(ObligationRules):
    """Everything that comes by `terms` of programmes. What an account was opened under, it keeps."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.programmes = dict(PROGRAMMES)
        self.versions = TermsBook.builtin().document["versions"]

    def on_terms_published(self, body) -> Verdict:
        """New programmes can be opened from now on; one that is there keeps its currency."""
        versions = body.terms.get("versions")
        if not versions or any(version not in versions for version in self.versions):
            return TERMS_INVALID
        named = {name: terms for version in versions for name, terms in version["programmes"].items()}
        if not self.programmes.keys() <= versions[-1]["programmes"].keys():
            return TERMS_INVALID
        if any(named[name]["currency"] != known["currency"] for name, known in self.programmes.items()):
            return TERMS_INVALID
        self.versions = versions
        for name in named.keys() - self.programmes.keys():
            self.fired["programme made known by published terms"] += 1
            self.programmes[name] = programme_of(named[name])
        return ("applied", None)


def programme_of(document: Facts) -> Facts:
    """A programme of the document, as `facts.PROGRAMMES` has it."""
    plans, needs, restore = document["plans"], document.get("needs", {}), document["restore"]
    facts: Facts = {
        "currency": document["currency"],
        "plans": {(kind, days, None) for kind in ("deferred", "trial") for days in plans.get(kind, {}).get("days", ())}
        | {("instalment", None, periods) for periods in plans.get("instalment", {}).get("periods", ())}
        | {("statement", None, None) for _ in plans.keys() & {"statement"}},
        "captured": CAPTURED[document["captured_on"]],
        "uninspected": set(document.get("uninspected_returns", ())),
        "needs": {need.partition("_")[0] for need, needed in needs.items() if needed is True},
        "least_score": needs.get("score_at_least", 0),
        "extension": document.get("extension", {}).get("days_at_most"),
        "reclaims": document.get("overdue", {}).get("reclaim_unused_limit", False),
        "restore": RESTORED[restore["when"]],
        "wait": timedelta(days=restore.get("days", 0)),
        "bill_periods": tuple(document.get("bill_instalment", {}).get("periods", ())) or None,
    }
    for kind in plans.keys() & {"statement", "instalment"}:
        facts["due_day"] = plans[kind]["due_day"]
    if "cash_out" in document:
        facts["cash_out"] = document["cash_out"]["daily_cap_minor"]
        facts["no_overdue_for"] = timedelta(days=document["cash_out"]["days_without_overdue"])
    return facts
