"""What the demo found in the system when the quarter was over, and whether it is what it must be."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, RenderableType

from cli.audit import document
from contracts.topics import Topic
from demo.afterwards import Afterwards
from demo.reader import SHOPS, Delivered
from demo.story import Told
from storage.audit import Check
from storage.dead_letters import KeptLetter
from storage.figures import LedgerTotal
from words.phrases import counted, money
from words.tables import table
from workers.replay.report import VerificationReport as Verification

ACTIVITY = "merchant_activity.recorded"
INTERNAL = frozenset({ACTIVITY, Topic.REROUTED.value})
SHOWN_AT_MOST = 5


@dataclass(frozen=True, slots=True)
class Report:
    """Everything the demo prints, each figure read from the system.

    Args:
        sent: records the broker has acknowledged.
        outcomes: of all input records by the database, merchant activity included.
        delivered: by a read_committed reader of all topics that postpay writes.
        totals: per ledger account.
        checks: of the audit.
        verified: what deciding all of it again came to.
        defects: dead letters that are nobody's fault but postpay's, a few of them.
        workers: processes that were started, the killed one included.
        account, merchant: two stories; None in a history too short for one.
        afterwards: what was done then: other terms were tried, and the database was dropped and made anew.
        seconds: from the start of the stack to the end of all of it.
    """

    sent: int
    outcomes: Mapping[str, int]
    delivered: Delivered
    totals: Sequence[LedgerTotal]
    checks: list[Check]
    verified: Verification
    defects: Sequence[KeptLetter]
    workers: int
    account: Told | None
    merchant: Told | None
    afterwards: Afterwards | None = None
    seconds: float = 0.0

    @property
    def inputs(self) -> dict[str, int]:
        """Outcomes of what the other services sent; activity between lanes, which is always applied, is left out."""
        counts = dict(self.outcomes)
        counts["applied"] = counts.get("applied", 0) - self.delivered.by_type[ACTIVITY]
        return dict(sorted(counts.items(), key=lambda item: -item[1]))

    @property
    def outputs(self) -> dict[str, int]:
        """Messages for other services by type."""
        return {kind: n for kind, n in self.delivered.by_type.most_common() if kind not in INTERNAL}

    def summary(self) -> dict[str, Any]:
        """As `--json` writes it."""
        return {
            "inputs": self.inputs,
            "outputs": self.outputs,
            "audit": document(self.checks),
            "workers": self.workers,
            "messages": self.sent,
            "seconds": round(self.seconds, 1),
            "replay": {"equal": self.verified.equal, "messages": self.verified.total("messages")},
            **({} if self.afterwards is None else self.afterwards.summary()),
        }

    def wrong(self) -> Iterator[str]:
        """Every invariant that does not hold, one line each."""
        for check in self.checks:
            if not check.ok:
                yield f"audit: {check.name}: {check.detail}"
        for finding in self.verified.findings:
            yield f"replay: {finding}"
        for lane in self.verified.lanes:
            if lane.difference is not None or lane.unfinished:
                yield f"replay: lane {lane.lane}, {lane.difference or lane.unfinished}"
        if self.afterwards is not None:
            yield from self.afterwards.wrong()
        for defect in (kept.letter for kept in self.defects):
            yield f"internal error: {defect.dead_letter_id}: {defect.detail.strip().splitlines()[-1]}"
        settled = sum(self.inputs.values())
        if settled != self.sent:
            yield f"{counted(self.sent, 'record')} were sent, yet {settled:,} have an outcome"
        for identity in self.delivered.twice[:SHOWN_AT_MOST]:
            yield f"delivered twice: {identity}"

    def show(self, console: Console) -> None:
        """Print all of it for people."""
        for part in self._parts():
            console.print(part, markup=False)

    def _parts(self) -> Iterator[RenderableType]:
        yield ""
        yield table("What became of the messages", ("outcome", "#messages"), _counts(self.inputs))
        yield table("What was sent to other services", ("type", "#messages"), _counts(self.outputs))
        yield self._notices()
        yield (
            f"Between the lanes: {counted(self.delivered.by_type[ACTIVITY], 'message')} about merchants,"
            f" {counted(self.delivered.by_type[Topic.REROUTED.value], 'record')} taken to their home lane."
        )
        yield ""
        yield table(
            "The books",
            ("ledger account", "book", "#balance"),
            [(each.ledger_account.value, each.book, money(each.balance_minor, each.currency)) for each in self.totals],
        )
        yield table("Audit", ("", "check"), [("ok" if check.ok else "WRONG", _checked(check)) for check in self.checks])
        total = self.verified.total
        yield (
            f"Decided again from the topics: {counted(total('batches'), 'batch', 'batches')}, with"
            f" {counted(total('decisions'), 'decision')}, {counted(total('postings'), 'posting')},"
            f" {counted(total('outputs'), 'output')} and {counted(total('state_rows'), 'row')} of what there is now,"
            f" {'all of it the same' if self.verified.equal else 'NOT all of it the same'}."
        )
        yield (
            f"A read_committed reader found {counted(self.delivered.records, 'record')} of ours,"
            f" {'none' if not self.delivered.twice else len(self.delivered.twice)} of them twice."
        )
        for title, story in (("One buyer's quarter", self.account), ("One merchant's quarter", self.merchant)):
            if story is not None:
                yield ""
                yield title
                yield from story.lines
        yield ""
        if self.afterwards is not None:
            yield from self.afterwards.parts()

    def _notices(self) -> RenderableType:
        """By template and programme: what one platform has and another has not."""
        notices = self.delivered.notices
        groups = sorted({group for _, group in notices} - {SHOPS})
        columns = [*groups, *([SHOPS] if any(group == SHOPS for _, group in notices) else [])]
        templates = Counter[str]()
        for (template, _), number in notices.items():
            templates[template] += number
        rows = [
            (template.replace("_", " "), *(_figure(notices[template, group]) for group in columns))
            for template, _ in templates.most_common()
        ]
        return table("What people were told", ("notice", *(f"#{group}" for group in columns)), rows)


def _figure(number: int) -> str:
    return f"{number:,}" if number else "–"


def _checked(check: Check) -> str:
    return f"{check.name}: {check.detail}" if check.detail else check.name


def _counts(counts: Mapping[str, int]) -> list[tuple[str, str]]:
    return [(name.replace("_", "-") if "." not in name else name, f"{number:,}") for name, number in counts.items()]
