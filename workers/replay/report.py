"""What a verification found, of each lane and of all together."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from workers.replay.difference import Difference
from workers.replay.lane_replay import Gap


@dataclass(slots=True)
class VersionReport:
    """Batches that were decided under one version of the rules.

    `differing` of them came out differently here, which is no corruption: their rows are those that were hashed when
    they were settled. `first` is the first difference.
    """

    rules_version: int
    batches: int = 0
    differing: int = 0
    first: Difference | None = None


@dataclass(slots=True)
class LaneReport:
    """What was found of one lane.

    Args:
        lane: its number.
        from_batch: the first batch that was decided again.
        to_batch: the last one that was found as recorded.
        messages: records of these batches.
        decisions: rows that were compared, likewise the others.
        archived_batches: batches whose rows are in files, so that of them only the hashes were compared.
        outputs: messages on the output topics that were compared.
        outputs_gone: messages that the brokers have deleted, so that they could not be.
        state_rows: rows of what the lane is in the end; None: these were not compared, and `unfinished` says why.
        state_by_rules: differences of these rows that batches under other versions of the rules explain, or migrations
            that came with a later one; none in a balance. `first_by_rules` is one.
        difference: the first; None where there is none.
        versions: by version of the rules.
        gaps: offsets that an operator had passed over.
        seconds: how long it took.
    """

    lane: int
    from_batch: int = 1
    to_batch: int = 0
    messages: int = 0
    decisions: int = 0
    postings: int = 0
    outputs: int = 0
    outputs_gone: int = 0
    archived_batches: int = 0
    state_rows: int | None = None
    state_by_rules: int = 0
    first_by_rules: Difference | None = None
    difference: Difference | None = None
    unfinished: str = ""
    versions: dict[int, VersionReport] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def batches(self) -> int:
        """How many were decided again and found as recorded, or told apart by their version."""
        return self.to_batch - self.from_batch + 1

    @property
    def diverged(self) -> VersionReport | None:
        """The version of the rules by which the lane first came out differently."""
        return next((each for each in self.versions.values() if each.differing), None)

    def version(self, rules_version: int) -> VersionReport:
        """The report of one version."""
        return self.versions.setdefault(rules_version, VersionReport(rules_version))


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """What was found of all lanes; `findings` are those of no lane."""

    lanes: Sequence[LaneReport]
    findings: Sequence[Difference]
    rules_version: int
    seconds: float

    @property
    def equal(self) -> bool:
        """Whether everything is as it was decided, but for what other versions of the rules decided differently."""
        return not self.findings and not any(each.difference for each in self.lanes)

    @property
    def complete(self) -> bool:
        """Whether all of it was compared."""
        return all(each.state_rows is not None for each in self.lanes)

    def total(self, figure: str) -> int:
        """A figure of all lanes together."""
        return sum(getattr(each, figure) or 0 for each in self.lanes)

    @property
    def rate_per_s(self) -> float:
        """Messages a second, all processes together."""
        return self.total("messages") / self.seconds if self.seconds else 0.0

    def document(self) -> Mapping[str, Any]:
        """As `--json` gives it."""
        return {
            "equal": self.equal,
            "complete": self.complete,
            "rules_version": self.rules_version,
            "batches": self.total("batches"),
            "messages": self.total("messages"),
            "decisions": self.total("decisions"),
            "postings": self.total("postings"),
            "outputs": self.total("outputs"),
            "archived_batches": self.total("archived_batches"),
            "state_rows": self.total("state_rows"),
            "seconds": round(self.seconds, 3),
            "per_s": round(self.rate_per_s, 1),
            "findings": [asdict(each) for each in self.findings],
            "lanes": [_lane(each) for each in self.lanes],
        }


def _lane(report: LaneReport) -> dict[str, Any]:
    document = asdict(report)
    document["equal"] = report.difference is None
    document["batches"] = report.batches
    document["seconds"] = round(report.seconds, 3)
    document["versions"] = [asdict(each) for each in report.versions.values()]
    return document
