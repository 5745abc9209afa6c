"""Archiving: decisions and postings of long ago go to files, are read again from there, and leave the database.

Lanes that were one once are done together, the others one after the other. What goes is dropped by the transaction that
puts the files on record, so whoever is killed loses nothing and begins again.

Source: docs/storage.md, Archive; docs/runbooks/archiving.md.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from operating.archive_files import ArchiveError, FileWriter, proven, writing
from operating.refusal import ActionRefusedError
from storage import as_of, branches, outbox, recorded
from storage.archive import ArchiveFile
from storage.archiving import Archiving, Cut, Family, Going, archivist, cuts
from storage.database import Connection
from storage.identity import identity
from storage.operator_log import Action, Because, LogOutcome, Note
from workers.lanes.fault_points import reached
from workers.replay.manifest import make_directory, write_whole
from workers.settings.model import Settings

FORMAT = 1
ABOUT_FILE = "archive.json"

Told = Callable[[str, int, int], None]
"""Told what is being done, and how many decisions of how many are."""


@dataclass(frozen=True, slots=True)
class LaneArchived:
    """What went of a lane: `decisions` and `postings` of its own, and the files of what it has settled."""

    lane: int
    next_seq: int
    lane_time: datetime
    decisions: int
    postings: int
    files: Sequence[ArchiveFile] = field(default=())

    def document(self) -> dict[str, Any]:
        """As the operator log and `--json` have it."""
        return {
            **asdict(self),
            "lane_time": self.lane_time.isoformat(),
            "files": [file.document() for file in self.files],
        }


async def archive(
    settings: Settings, before: datetime, directory: Path, because: Because, told: Told, *, dry_run: bool = False
) -> list[LaneArchived]:
    """Archive what was settled before a time; gives what went of each lane, none where there was nothing.

    Args:
        settings: with a database user who may migrate.
        before: batches with an earlier lane time go.
        directory: for the files; made where there is none.
        because: who does it, and why.
        told: of progress.
        dry_run: only tell what would go.

    Raises:
        ActionRefusedError: the time has not come yet, the directory holds another database's archive, or rows are not
            those that were hashed.
        ArchiveError: a file is not what was just written.
        UnwritableArchiveError: a file can't be written.
        NotArchivableError: of this database nothing can be archived.
        asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError: the database is away.
    """
    postgres, done = settings.postgres, list[LaneArchived]()
    async with archivist(postgres.dsn, postgres.read_password) as connection:
        await _require_past(connection, before, event_clock=settings.clock == "event")
        families = await cuts(connection, before)
        if not dry_run:
            _require_own(directory, str((await identity(connection)).database_id))
        for family in families:
            archiving = Archiving(connection, family)
            if dry_run:
                done += _went(family, await archiving.going(), {})
            else:
                done += await _archive(archiving, directory, because, told)
    return done


async def _require_past(connection: Connection, before: datetime, *, event_clock: bool) -> None:
    """A time that is yet to come would be a mistake: everything would go.

    Raises:
        ActionRefusedError: it is.
    """
    latest = await as_of.known_until(connection, event_clock=event_clock)
    if latest is None or before > latest:
        clock = "lanes have come to" if event_clock else "it is"
        raise ActionRefusedError(f"expected a time that has come, got {before.isoformat()}; {clock} {latest}")


async def _archive(archiving: Archiving, directory: Path, because: Because, told: Told) -> list[LaneArchived]:
    files = {cut.lane: await _write(archiving.connection, cut, directory, told) for cut in archiving.family}
    going = await archiving.going()
    went = _went(archiving.family, going, files)
    written = [file for of_lane in files.values() for file in of_lane]
    _require_all(written, went)
    reached("archive_written")
    for cut in archiving.family:
        await _read_again(archiving.connection, cut, directory, files[cut.lane], told)
    copied = await archiving.prepare(_counting(told, "carrying forward", await archiving.to_prepare()))
    reached("archive_prepared")
    note = _note(because, archiving.family, went)
    await archiving.exchange(copied, going, written, note, partial(reached, "archive_exchanged"))
    return went


async def _write(connection: Connection, cut: Cut, directory: Path, told: Told) -> list[ArchiveFile]:
    """Write the batches of a lane that go, each with the hash that its rows give.

    Raises:
        ActionRefusedError: a batch's rows are not those that were hashed.
        UnwritableArchiveError: a file can't be written.
    """
    previous = await _hash_before(connection, cut)
    writer, files, done = FileWriter(directory, cut.lane), list[ArchiveFile](), 0
    async for batch in recorded.batches(connection, cut.lane, cut.after, cut.batch_seq):
        if batch.is_archived or batch.hash_after(previous) != batch.chain_hash:
            raise ActionRefusedError(
                f"lane {cut.lane}, batch {batch.batch_seq}: its rows are not those that were hashed when it was"
                " settled, so they are not archived; see: postpay audit (docs/runbooks/audit-finds.md)"
            )
        file = writer.add(batch, previous)
        files += [] if file is None else [file]
        previous, done = batch.chain_hash, done + batch.stated
        told(f"writing lane {cut.lane}", done, cut.next_seq - cut.kept_from)
    last = writer.written(cut.batch_seq)
    return files if last is None else [*files, last]


async def _read_again(
    connection: Connection, cut: Cut, directory: Path, files: Sequence[ArchiveFile], told: Told
) -> None:
    """What lies on the disk must be what the database has hashed, before any of it is dropped.

    Raises:
        ArchiveError: it is not.
    """
    previous, done = await _hash_before(connection, cut), 0
    for file in files:
        for batch in proven(directory, file, previous):
            previous, done = batch.chain_hash, done + len(batch.decisions)
            told(f"reading lane {cut.lane} again", done, cut.next_seq - cut.kept_from)
        if previous != await outbox.batch_exists(connection, cut.lane, file.last_batch_seq):
            msg = f"{directory / file.name} does not end with the hash of batch {file.last_batch_seq}: try again"
            raise ArchiveError(msg)


async def _hash_before(connection: Connection, cut: Cut) -> bytes:
    """That of the last batch that went to files before, or of what the lane goes on from."""
    found = await outbox.batch_exists(connection, cut.lane, cut.after)
    return (await branches.begins(connection, cut.lane)).chain_hash if found is None else found


def _went(family: Family, going: Mapping[int, Going], files: Mapping[int, Sequence[ArchiveFile]]) -> list[LaneArchived]:
    return [
        LaneArchived(
            cut.lane,
            cut.next_seq,
            cut.lane_time,
            going[cut.lane].decisions,
            going[cut.lane].postings,
            files.get(cut.lane, ()),
        )
        for cut in family
    ]


def _require_all(files: Sequence[ArchiveFile], went: Sequence[LaneArchived]) -> None:
    """Files must hold as many rows as go.

    Raises:
        ActionRefusedError: they don't.
    """
    written = (sum(file.decisions for file in files), sum(file.postings for file in files))
    going = (sum(each.decisions for each in went), sum(each.postings for each in went))
    if written != going:
        lanes = ", ".join(str(each.lane) for each in went)
        raise ActionRefusedError(
            f"lanes {lanes}: {going[0]:,} decisions and {going[1]:,} postings are there, and their batches have"
            f" {written[0]:,} and {written[1]:,}, so nothing of them is archived; see: postpay audit"
        )


def _counting(told: Told, what: str, total: int) -> Callable[[int], None]:
    done = 0

    def more(decisions: int) -> None:
        nonlocal done
        done += decisions
        told(what, min(done, total), total)

    return more


def _note(because: Because, family: Family, went: Sequence[LaneArchived]) -> Note:
    return Note(
        because=because,
        action=Action.ARCHIVE,
        subject=f"lane {', '.join(str(cut.lane) for cut in family)}",
        outcome=LogOutcome.DONE,
        before={"kept_from": {str(cut.lane): cut.kept_from for cut in family}},
        after={"lanes": [each.document() for each in went]},
    )


def _require_own(directory: Path, database_id: str) -> None:
    """Make the directory, and say in it whose archive it is.

    Raises:
        ActionRefusedError: it is another database's.
        UnwritableArchiveError: it takes no file.
    """
    about = directory / ABOUT_FILE
    with writing(about):
        make_directory(directory)
        if not about.exists():
            write_whole(about, json.dumps({"format": FORMAT, "database_id": database_id}).encode() + b"\n")
        try:
            there = json.loads(about.read_bytes())
        except ValueError:
            there = None
    if there != {"format": FORMAT, "database_id": database_id}:
        raise ActionRefusedError(
            f"{about} does not say that {directory} is the archive of database {database_id}: use another directory"
        )
