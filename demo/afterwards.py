"""After the quarter: its database is dropped and made anew from the topics, and other terms are tried on it."""

import asyncio
import copy
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from cli.audit import document as audited
from cli.embedded import with_database
from devstack.postgres import DATABASE
from settlement.terms import TermsBook
from storage import figures, recorded
from storage.audit import Check, audit
from storage.database import Connection, connect
from storage.figures import LedgerTotal
from storage.operator_log import Because
from words.document import plain
from words.page import page
from words.phrases import counted
from words.simulation import tell
from workers.replay.history import HistorySource, fixed
from workers.replay.processes import Tell
from workers.replay.rebuild import Rebuilt, rebuild
from workers.replay.simulation.simulate import simulate
from workers.replay.simulation.terms import OtherTerms
from workers.settings.model import Settings

DROP, CREATE = f'DROP DATABASE "{DATABASE}" WITH (FORCE)', f'CREATE DATABASE "{DATABASE}"'
SCORE_NEEDED = 700
SUMMARY_PARTS = 3
"""Of a simulation's report: its headline, a line's distance, what came of amounts."""


@dataclass(frozen=True, slots=True)
class Books:
    """What a database is known by: each lane's batches and hash, and all balances."""

    lanes: Sequence[tuple[int, int, bytes]]
    totals: Sequence[LedgerTotal]


@dataclass(frozen=True, slots=True)
class Afterwards:
    """What was done when the quarter was over.

    Args:
        rebuilt: the database, from the topics.
        same: whether every lane's hash and every balance are those of the database that was dropped.
        checks: of the audit of the new one.
        simulation: the report of other terms, as `replay simulate --json` has it.
        page: where it lies as a page.
    """

    rebuilt: Rebuilt
    same: bool
    checks: list[Check]
    simulation: dict[str, Any]
    page: Path

    def wrong(self) -> Iterator[str]:
        """What is not as it must be."""
        if not self.same:
            yield "rebuild: the new database has other balances or hashes than the one that was dropped"
        for check in self.checks:
            if not check.ok:
                yield f"audit after the rebuild: {check.name}: {check.detail}"
        for lane, batch in self.simulation["lanes_unlike_recorded"].items():
            yield f"simulation: from batch {batch} of lane {lane} on its recorded story is not what happened"

    def summary(self) -> dict[str, Any]:
        """As `--json` writes it."""
        return {
            "rebuild": {
                "same": self.same,
                "batches": self.rebuilt.total("batch_seq"),
                "messages": self.rebuilt.total("messages"),
                "audit": audited(self.checks),
            },
            "simulation": {
                "equal": self.simulation["equal"],
                "parties_apart": self.simulation["parties_apart"],
                "page": str(self.page),
            },
        }

    def parts(self) -> Iterator[RenderableType]:
        """For people."""
        total = self.rebuilt.total
        yield (
            "The database was dropped, and made anew from the topics:"
            f" {counted(total('batch_seq'), 'batch', 'batches')} with {counted(total('decisions'), 'decision')} and"
            f" {counted(total('postings'), 'posting')} in {self.rebuilt.seconds:.0f} s. All balances and hashes are"
            f" {'those of before' if self.same else 'NOT those of before'};"
            f" {sum(check.ok for check in self.checks)} of {len(self.checks)} checks of the audit are ok."
        )
        yield ""
        yield f"What if penalties were twice as high, and whoever asks for a credit score asked for {SCORE_NEEDED}?"
        yield from islice(tell(self.simulation), SUMMARY_PARTS)
        yield f"The whole report, with charts: {self.page}"
        yield ""


async def books(connection: Connection) -> Books:
    """What the database is known by now."""
    lanes = [(row["lane"], row["batch_seq"], row["chain_hash"]) for row in await recorded.lanes(connection)]
    return Books(lanes, await figures.ledger_totals(connection))


async def afterwards(settings: Settings, before: Books, file: Path, say: Callable[[str], None]) -> Afterwards:
    """Lose the database and have it back, and ask what other terms would have done; no worker may run.

    Args:
        settings: of the workers.
        before: what the database is known by.
        file: for the page of the other terms.
        say: what is done at present.
    """
    dsn = settings.postgres.dsn
    say("dropping the database, and making it anew from the topics")
    server = await connect(with_database(dsn, "postgres"), application_name="postpay-demo")
    try:
        await server.execute(DROP)
        await server.execute(CREATE)
    finally:
        await server.close()
    rebuilt = await rebuild(settings, HistorySource(), _unseen, because=Because("demo", "its database was dropped"))
    connection = await connect(dsn, application_name="postpay-demo")
    try:
        same, checks = await books(connection) == before, await audit(connection)
        say("asking what other terms would have done")
        (in_force, *_) = await figures.terms_in_force(connection)
    finally:
        await connection.close()
    document = await _simulated(settings, stricter(in_force.document))
    await asyncio.to_thread(file.write_text, page(document), encoding="utf-8")
    return Afterwards(rebuilt, same, checks, document, file)


async def _simulated(settings: Settings, terms: dict[str, Any]) -> dict[str, Any]:
    first = TermsBook.builtin().document
    report = await simulate(await fixed(settings), OtherTerms(terms), first, lambda *_: None)
    document: dict[str, Any] = json.loads(json.dumps(report.document(), default=plain))
    return document


def stricter(document: dict[str, Any]) -> dict[str, Any]:
    """Terms with twice the penalty, and a higher credit score where they ask for one."""
    other = copy.deepcopy(document)
    for version in other["versions"]:
        version["penalty_bps_per_day"] *= 2
        for programme in version["programmes"].values():
            if "score_at_least" in programme.get("needs", {}):
                programme["needs"]["score_at_least"] = SCORE_NEEDED
    return other


@contextmanager
def _unseen(_what: str, _offsets: int) -> Iterator[Tell]:
    yield lambda *_: None
