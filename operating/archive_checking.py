"""Whether an archive is whole, and whether what the database has carried forward is what its files say.

Source: docs/storage.md, Archive.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from operating.archive_files import ArchivedBatch, ArchiveError, proven
from storage import archive, branches, outbox
from storage.archive import ArchiveFile
from storage.database import Connection

Told = Callable[[int], None]
"""Told how many bytes of files are read."""


@dataclass(slots=True)
class ArchiveChecked:
    """What was read, and what was found wrong: the first of each lane, and of what was carried forward."""

    files: int = 0
    batches: int = 0
    decisions: int = 0
    postings: int = 0
    problems: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """As `--json` has it."""
        return {"ok": not self.problems, **asdict(self)}


async def check(connection: Connection, directory: Path, told: Told) -> ArchiveChecked:
    """Read all files, compute every hash anew, and compare sums with what the database has carried forward.

    Args:
        connection: reading is enough (role postpay_auditor).
        directory: that has all files that the database knows of.
        told: of progress.
    """
    checked, moved, events = ArchiveChecked(), Counter[tuple[str, str]](), 0
    size_bytes = 0
    for lane, files in groupby(await archive.files(connection), key=lambda file: file.lane):
        previous = (await branches.begins(connection, lane)).chain_hash
        try:
            for file in files:
                for batch in proven(directory, file, previous):
                    previous = batch.chain_hash
                    checked.batches += 1
                    events += sum(row.event_hash is not None for row in batch.decisions)
                    _move(moved, batch)
                await _require_known(connection, directory, file, previous)
                checked.files += 1
                checked.decisions += file.decisions
                checked.postings += file.postings
                told(size_bytes := size_bytes + file.size_bytes)
        except ArchiveError as error:
            checked.problems.append(f"lane {lane}: {error}")
    if not checked.problems:
        checked.problems += await _carried(connection, moved, events)
    return checked


def _move(moved: Counter[tuple[str, str]], batch: ArchivedBatch) -> None:
    for posting in batch.postings:
        moved[posting.debit, posting.currency] += posting.amount_minor
        moved[posting.credit, posting.currency] -= posting.amount_minor


async def _require_known(connection: Connection, directory: Path, file: ArchiveFile, last: bytes) -> None:
    there = await outbox.batch_exists(connection, file.lane, file.last_batch_seq)
    if there != last:
        found = "no such batch" if there is None else there.hex()
        msg = (
            f"{directory / file.name} ends with hash {last.hex()}, and the database has {found}; see: postpay replay"
            " verify"
        )
        raise ArchiveError(msg)


async def _carried(connection: Connection, moved: Counter[tuple[str, str]], events: int) -> Sequence[str]:
    """What the database has carried forward that is not what the files say."""
    carried, problems = await archive.moved(connection), []
    for account, currency in sorted({*moved, *carried}):
        by_files, by_database = moved[account, currency], carried.get((account, currency), 0)
        if by_files != by_database:
            problems.append(
                f"{account} in {currency}: expected {by_files} carried forward, debits less credits of the files; found"
                f" {by_database}"
            )
    known = await archive.events(connection)
    if known != events:
        problems.append(f"expected {events:,} events to be recognised, as in the files; found {known:,}")
    return problems
