"""Files of archived batches: JSON lines, a batch each, compressed as one zstd frame; `zstd -dc FILE | jq` reads them.

    DIR/lane-03/batches-00000000000000000001.jsonl.zst

A file takes the place of one that begins with the same batch, and never of one that holds more. A line holds what a
batch's hash is computed from, and the hash before it, so every file can be checked by itself.

Format: docs/storage.md, Archive.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import cramjam
from pydantic_core import from_json

from storage import chain
from storage.archive import ArchiveFile
from storage.outcomes import DecisionRow, PostingRow
from storage.recorded import BatchRows
from workers.replay import lines
from workers.replay.manifest import lane_directory, make_directory, write_whole

FILE_BYTES = 32 * 1024 * 1024
"""Of lines, before they are compressed: so much of one file is in memory."""

_INSTANTS = frozenset({"occurred_at", "decided_at"})
_HASHES = frozenset({"event_hash", "fingerprint"})


class ArchiveError(Exception):
    """A file is missing or damaged, or what it holds is not what was hashed; says which and what to do."""


class UnwritableArchiveError(Exception):
    """The directory of an archive takes no file; says why. Nothing has left the database."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Tells of a file that can't be written that it is the file.

    Raises:
        UnwritableArchiveError: it can't be.
    """
    try:
        yield
    except OSError as error:
        msg = f"{path} cannot be written ({error.strerror}): make room or a place for it, and start again"
        raise UnwritableArchiveError(msg) from error


@dataclass(frozen=True, slots=True)
class ArchivedBatch:
    """A batch as a file has it."""

    lane: int
    batch_seq: int
    hash_before: bytes
    chain_hash: bytes
    lane_time: datetime
    decisions: list[DecisionRow]
    postings: list[PostingRow]

    def hash_after(self, previous: bytes) -> bytes:
        """What its rows and the hash before it give."""
        return chain.link(previous, self.batch_seq, self.lane_time, self.decisions, self.postings)


@dataclass(slots=True)
class FileWriter:
    """Writes a lane's batches, file after file.

    Args:
        directory: of the archive.
        lane: that settled them.
    """

    directory: Path
    lane: int
    _lines: list[bytes] = field(default_factory=list)
    _size_bytes: int = 0
    _first: int = 0
    _decisions: int = 0
    _postings: int = 0

    def add(self, batch: BatchRows, hash_before: bytes) -> ArchiveFile | None:
        """Add the next batch; the file, once one is full.

        Raises:
            UnwritableArchiveError: it can't be written.
        """
        if not self._lines:
            self._first = batch.batch_seq
        decisions, postings = batch.named()
        line = _line(self.lane, batch, hash_before, decisions, postings)
        self._lines.append(line)
        self._size_bytes += len(line)
        self._decisions += len(decisions)
        self._postings += len(postings)
        return self.written(batch.batch_seq) if self._size_bytes >= FILE_BYTES else None

    def written(self, last: int) -> ArchiveFile | None:
        """Write what there is to a file that ends with this batch; None: there is nothing.

        Raises:
            UnwritableArchiveError: it can't be written.
        """
        if not self._lines:
            return None
        name = f"{lane_directory(Path(), self.lane)}/batches-{self._first:020}.jsonl.zst"
        path = self.directory / name
        content = lines.compressed(self._lines)
        with writing(path):
            make_directory(path.parent)
            _require_no_more(path, last)
            write_whole(path, content)
        file = ArchiveFile(
            self.lane,
            self._first,
            last,
            self._decisions,
            self._postings,
            name,
            len(content),
            bytes.fromhex(lines.sha256(content)),
        )
        self._lines, self._size_bytes, self._decisions, self._postings = [], 0, 0, 0
        return file


def _require_no_more(path: Path, last: int) -> None:
    """What a killed run left is a part of what is written now. What holds more may be all there is of it.

    Raises:
        UnwritableArchiveError: a file of that name holds batches after the last one.
    """
    if not path.exists():
        return
    try:
        found = from_json(bytes(cramjam.zstd.decompress(path.read_bytes())).splitlines()[-1])["batch_seq"]
    except (cramjam.DecompressionError, ValueError, LookupError, TypeError):
        return  # nothing can be read of it, as where a disk wrote something else
    if found > last:
        msg = (
            f"{path} is there already and holds batches up to {found}, and up to {last} would be written: archive up to"
            " the time of then, or into another directory"
        )
        raise UnwritableArchiveError(msg)


def _line(
    lane: int, batch: BatchRows, hash_before: bytes, decisions: list[DecisionRow], postings: list[PostingRow]
) -> bytes:
    document = {
        "lane": lane,
        "batch_seq": batch.batch_seq,
        "hash_before": hash_before.hex(),
        "chain_hash": batch.chain_hash.hex(),
        "lane_time": batch.lane_time.isoformat(),
        "next_offsets": dict(batch.positions),
        "decisions": [_decision_document(row) for row in decisions],
        "postings": [row._asdict() for row in postings],
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _decision_document(row: DecisionRow) -> dict[str, Any]:
    document = row._asdict()
    for name in _INSTANTS:
        document[name] = document[name].isoformat()
    for name in _HASHES:
        document[name] = None if document[name] is None else document[name].hex()
    document["raw"] = lines.shown(row.raw)
    return document


def proven(directory: Path, file: ArchiveFile, previous: bytes) -> Iterator[ArchivedBatch]:
    """The batches of a file, each found to be what was hashed.

    Args:
        directory: of the archive.
        file: as the database knows it.
        previous: the hash before its first batch.

    Raises:
        ArchiveError: it is missing or damaged, or holds something else; other batches were given before that is told.
    """
    path = directory / file.name
    decisions = postings = 0
    expected = file.first_batch_seq
    for batch in _batches_of(path, file):
        computed = batch.hash_after(previous)
        found = (batch.lane, batch.batch_seq, batch.hash_before, batch.chain_hash)
        if found != (file.lane, expected, previous, computed):
            msg = (
                f"{path}: expected batch {expected} of lane {file.lane} with hash {computed.hex()}, which its rows and"
                f" the hash before, {previous.hex()}, give; found batch {batch.batch_seq} of lane {batch.lane} with"
                f" {batch.chain_hash.hex()} after {batch.hash_before.hex()}"
            )
            raise ArchiveError(msg)
        yield batch
        previous, expected = computed, expected + 1
        decisions, postings = decisions + len(batch.decisions), postings + len(batch.postings)
    last = expected - 1
    if (last, decisions, postings) != (file.last_batch_seq, file.decisions, file.postings):
        msg = (
            f"{path}: expected batches up to {file.last_batch_seq} with {file.decisions:,} decisions and"
            f" {file.postings:,} postings; found them up to {last} with {decisions:,} and {postings:,}"
        )
        raise ArchiveError(msg)


def _batches_of(path: Path, file: ArchiveFile) -> Iterator[ArchivedBatch]:
    """The batches of a file, once its sum is found right."""
    try:
        content = path.read_bytes()
    except OSError as error:
        msg = f"{path} cannot be read ({error.strerror}): bring back a copy"
        raise ArchiveError(msg) from error
    if lines.sha256(content) != file.sha256.hex():
        msg = (
            f"{path} is damaged: it has {len(content):,} bytes with sum {lines.sha256(content)}, and"
            f" {file.size_bytes:,} bytes with sum {file.sha256.hex()} were written; bring back a copy"
        )
        raise ArchiveError(msg)
    try:
        for line in bytes(cramjam.zstd.decompress(content)).splitlines():
            yield _batch(from_json(line))
    except (cramjam.DecompressionError, ValueError, LookupError, TypeError) as error:
        msg = f"{path} holds what is no batch ({error}): it was written by another release"
        raise ArchiveError(msg) from error


def _batch(document: Mapping[str, Any]) -> ArchivedBatch:
    return ArchivedBatch(
        document["lane"],
        document["batch_seq"],
        bytes.fromhex(document["hash_before"]),
        bytes.fromhex(document["chain_hash"]),
        datetime.fromisoformat(document["lane_time"]),
        [_decision(each) for each in document["decisions"]],
        [PostingRow(**each) for each in document["postings"]],
    )


def _decision(document: dict[str, Any]) -> DecisionRow:
    for name in _INSTANTS:
        document[name] = datetime.fromisoformat(document[name])
    for name in _HASHES:
        document[name] = None if document[name] is None else bytes.fromhex(document[name])
    document["raw"] = lines.unshown(document["raw"])
    return DecisionRow(**document)
