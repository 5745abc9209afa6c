"""What a simulation found, as one document: terminal, JSON and page tell the same numbers."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from settlement.terms import TermsBook
from workers.replay.merge import FIXED_RULE
from workers.replay.simulation.comparison import MOST_STEPS, OTHER, RECORDED
from workers.replay.simulation.deciding import LaneResult

HOW_TO_READ = (
    (
        "Both stories are decided here from the same messages, by the rules of this release: the recorded one by"
        " the terms that were in force, the simulated one by the other terms. Nothing is written or sent."
    ),
    (
        "What people did is taken as it was: who bought what, when goods were received or sent back, what was"
        " repaid by hand. Other terms might have made them do otherwise; no simulation can know that."
    ),
    (
        "A debit or payout that both stories ask for has the same id in both, and keeps its recorded answer. A"
        " debit that succeeded for all that was asked does so for what the simulated story asks for."
    ),
    (
        "An answer to what the simulated story never asked for, or has called off, goes to what only that story"
        " has asked of the same account or merchant without an answer, the oldest first, as soon as there is such"
        " a thing. Without one it is left out: no money comes that nobody asked for."
    ),
    (
        "Debits that only the simulated story asks for, and for which no answer was left, stay unanswered: what"
        " is owed and overdue includes them."
    ),
    (
        "What was declined in the simulated story has no consequences there: later messages about it are declined"
        " too (subject_declined). An order that only the simulated story accepted counts as received when nobody"
        " says so."
    ),
)


@dataclass(frozen=True, slots=True)
class SimulationReport:
    """Two stories of a history.

    Args:
        result: of all lanes.
        terms: of the simulated story at its beginning.
        from_date: from which the other terms count; None: always.
        lanes: how many.
        account: the account whose steps are told.
        seconds: how long it took.
    """

    result: LaneResult
    terms: TermsBook
    from_date: date | None
    lanes: int
    account: str | None
    seconds: float

    @property
    def equal(self) -> bool:
        """Whether nobody's story differs."""
        return not self.result.parties_apart

    @property
    def rate_per_s(self) -> float:
        """Messages a second, each decided in both stories."""
        return self.result.messages / max(self.seconds, 0.001)

    def notes(self) -> list[str]:
        """What a reader must know of this run besides HOW_TO_READ."""
        result, notes = self.result, []
        if result.unlogged:
            notes.append(f"Of {result.unlogged} of {self.lanes} lanes {FIXED_RULE}.")
        for lane, batch_seq in sorted(result.unlike.items()):
            notes.append(
                f"Lane {lane}: from batch {batch_seq} on the recorded story comes out differently here than it was"
                " recorded, by other rules or because something was changed; postpay replay verify tells which."
            )
        if self.account is not None and not any(result.steps):
            notes.append(f"Nothing about account {self.account!r} was decided in either story.")
        if any(len(story) == MOST_STEPS for story in result.steps):
            notes.append(f"Of account {self.account!r} the first {MOST_STEPS:,} steps are told.")
        if self.equal:
            notes.append("The terms make no difference: every decision is the same in both stories.")
        for kind, number in sorted(result.left_out.items()):
            amount = result.left_out_minor[kind]
            money = f" of {amount:,} minor units" if amount else ""
            notes.append(f"{number:,} {kind}{money} were left out: what they answer never came to be.")
        for kind, number in sorted(result.moved.items()):
            notes.append(f"{number:,} {kind} answer what only the simulated story asked for.")
        if result.adjusted:
            notes.append(f"{result.adjusted:,} successful debits have the amount that the simulated story asked for.")
        if result.unanswered:
            notes.append(
                f"{result.unanswered:,} debits of {result.unanswered_minor:,} minor units were asked for in the"
                " simulated story only, and nobody answered."
            )
        return notes

    def document(self) -> dict[str, Any]:
        """All of it, for programs."""
        result = self.result
        return {
            "equal": self.equal,
            "terms": {"digest": self.terms.digest.hex(), "from_date": self.from_date},
            "lanes": self.lanes,
            "batches": result.batches,
            "messages": result.messages,
            "seconds": round(self.seconds, 3),
            "per_s": round(self.rate_per_s),
            "lanes_without_log": result.unlogged,
            "lanes_unlike_recorded": result.unlike,
            "outcomes": [
                {"type": key[0], "outcome": key[1], "reason": key[2] or None, "recorded": was, "simulated": would}
                for key, was, would in _both(result.recorded.outcomes, result.other.outcomes)
            ],
            "counts": [
                {"measure": key, "recorded": was, "simulated": would}
                for key, was, would in _both(result.recorded.counts, result.other.counts)
            ],
            "amounts": [
                {"measure": key[0], "currency": key[1], "recorded_minor": was, "simulated_minor": would}
                for key, was, would in _both(result.recorded.amounts, result.other.amounts)
            ],
            "days": [
                {"date": key[0], "measure": key[1], "currency": key[2], "recorded_minor": was, "simulated_minor": would}
                for key, was, would in _both(result.recorded.days, result.other.days)
            ],
            "parties_apart": result.parties_apart,
            "most_apart": result.most_apart,
            "answers": {
                "left_out": result.left_out,
                "left_out_minor": result.left_out_minor,
                "moved": result.moved,
                "adjusted": result.adjusted,
                "debits_unanswered": result.unanswered,
                "debits_unanswered_minor": result.unanswered_minor,
            },
            "account": None if self.account is None else {"id": self.account, "steps": [*self.steps()]},
            "notes": self.notes(),
            "how_to_read": list(HOW_TO_READ),
        }

    def steps(self) -> Iterator[dict[str, Any]]:
        """The account's two stories, by time; what is of one input or timer stands side by side."""
        stories = [{(step.name, step.outcome == "parked"): step for step in story} for story in self.result.steps]
        keys = {**stories[RECORDED], **stories[OTHER]}  # each in its order, which a lane time for many must not undo
        for key, step in sorted(keys.items(), key=lambda each: each[1].at):
            was, would = stories[RECORDED].get(key), stories[OTHER].get(key)
            yield {
                "what": step.what,
                "name": step.name,
                "equal": was == would,
                "recorded": None if was is None else _said(asdict(was)),
                "simulated": None if would is None else _said(asdict(would)),
            }


def _said(step: dict[str, Any]) -> dict[str, Any]:
    return {name: step[name] for name in ("at", "outcome", "reason", "postings", "outputs")}


def _both(recorded: Counter[Any], other: Counter[Any]) -> Iterator[tuple[Any, int, int]]:
    """Every key of either, in order, with both numbers; what is 0 in both is left out."""
    for key in sorted({*recorded, *other}):
        if recorded[key] or other[key]:
            yield key, recorded[key], other[key]
