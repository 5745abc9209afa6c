"""Whether an archive is whole, and whether what the database has carried forward is what its files say.

Source: docs/storage.md, Archive.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from operating.archive_files import ArchivedBatch, ArchiveError, proven
from storage import archive, branches
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


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database says at one moment: which files there are, and what it has carried forward of them."""

    files: Sequence[ArchiveFile]
    moved: Mapping[tuple[str, str], int]
    events: int


async def _known(connection: Connection) -> _Known:
    """What is known now: more may be archived while files are read."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        files, moved = await archive.files(connection), await archive.moved(connection)
        return _Known(files, moved, await archive.events(connection))


async def check(connection: Connection, directory: Path, told: Told) -> ArchiveChecked:
    """Read all files, compute every hash anew, and compare sums with what the database has carried forward.

    Args:
        connection: reading is enough (role postpay_auditor).
        directory: that has all files that the database knows of.
        told: of progress.
    """
    known = await _known(connection)
    checked, moved, events = ArchiveChecked(), Counter[tuple[str, str]](), 0
    size_bytes = 0
    for lane, files in groupby(known.files, key=lambda file: file.lane):
        previous = (await branches.begins(connection, lane)).chain_hash
        try:
            for file in files:
                hashed, taken = list[tuple[int, datetime, bytes]](), list[tuple[bytes, bytes | None, int]]()
                for batch in proven(directory, file, previous):
                    previous = batch.chain_hash
                    hashed.append((batch.batch_seq, batch.lane_time, batch.chain_hash))
                    taken += [
                        (row.event_hash, row.fingerprint, row.seq)
                        for row in batch.decisions
                        if row.event_hash is not None
                    ]
                    _move(moved, batch)
                await _require_hashes(connection, directory, file, hashed)
                await _require_events(connection, directory, file, taken)
                events += len(taken)
                checked.files += 1
                checked.batches += len(hashed)
                checked.decisions += file.decisions
                checked.postings += file.postings
                told(size_bytes := size_bytes + file.size_bytes)
        except ArchiveError as error:
            checked.problems.append(f"lane {lane}: {error}")
    if not checked.problems:
        checked.problems += _carried(known, moved, events)
    return checked


def _move(moved: Counter[tuple[str, str]], batch: ArchivedBatch) -> None:
    for posting in batch.postings:
        moved[posting.debit, posting.currency] += posting.amount_minor
        moved[posting.credit, posting.currency] -= posting.amount_minor


async def _require_hashes(
    connection: Connection, directory: Path, file: ArchiveFile, hashed: Sequence[tuple[int, datetime, bytes]]
) -> None:
    """The batches of a file must have the times and hashes that the database has of them."""
    there = {row[0]: row for row in await archive.hashes(connection, file)}
    for batch_seq, lane_time, chain_hash in hashed:
        found = there.get(batch_seq, (batch_seq, None, b""))
        if found != (batch_seq, lane_time, chain_hash):
            msg = (
                f"{directory / file.name} has batch {batch_seq} of {lane_time} with hash {chain_hash.hex()}, and the"
                f" database of {found[1]} with {found[2].hex()}; see: postpay replay verify"
            )
            raise ArchiveError(msg)


async def _require_events(
    connection: Connection, directory: Path, file: ArchiveFile, taken: Sequence[tuple[bytes, bytes | None, int]]
) -> None:
    """The events of a file must be recognised by the database, with their content."""
    lanes = {lane for family in await branches.families(connection, file.lane) for lane in family.lanes}
    recognised = await archive.recognised(connection, sorted(lanes), taken)
    if recognised != len(taken):
        msg = (
            f"{directory / file.name}: expected {len(taken):,} events to be recognised that its decisions took; found"
            f" {recognised:,} with the same content and number"
        )
        raise ArchiveError(msg)


def _carried(known: _Known, moved: Counter[tuple[str, str]], events: int) -> Sequence[str]:
    """What the database has carried forward that is not what the files say."""
    carried, problems = known.moved, []
    for account, currency in sorted({*moved, *carried}):
        by_files, by_database = moved[account, currency], carried.get((account, currency), 0)
        if by_files != by_database:
            problems.append(
                f"{account} in {currency}: expected {by_files} carried forward, debits less credits of the files; found"
                f" {by_database}"
            )
    if known.events != events:
        problems.append(f"expected {events:,} events to be recognised, as in the files; found {known.events:,}")
    return problems
