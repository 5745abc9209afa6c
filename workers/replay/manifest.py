"""What an exported history says of itself: whose it is, and of each lane which files hold which offsets.

    DIR/history.json           whose history it is
    DIR/lane-03/manifest.json  its files, with the sum of each
    DIR/lane-03/purchase-00000000000000000000.jsonl.zst

Both documents carry a sum of themselves, so a damaged one is told and not trusted. They are written whole under another
name and then renamed: whoever is killed leaves the old one or the new one.

Format: docs/replay.md, Files.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from workers.replay.extent import HISTORY_TOPICS, HistoryError

FORMAT = 1
HISTORY_FILE = "history.json"
MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Whose history it is.

    `database_id` is that of the database that settled it, "" while no lane-log names one; `clock` how its lanes merged.
    """

    cluster_id: str
    prefix: str
    database_id: str
    lanes: int
    clock: str

    @classmethod
    def load(cls, directory: Path) -> Self | None:
        """Read it from an export; None where there is none.

        Raises:
            HistoryError: it is damaged.
        """
        document = _read(directory / HISTORY_FILE)
        return None if document is None else cls(**document)

    def save(self, directory: Path) -> None:
        """Write it."""
        _write(directory / HISTORY_FILE, asdict(self))

    def require(self, other: "Provenance", directory: Path, *, may_grow: bool = False) -> None:
        """What is to be read or added must be the same history; a database may be named later.

        Args:
            other: whose history is to be read or added.
            directory: where this one is.
            may_grow: whether lanes may have been split since.

        Raises:
            HistoryError: it is not.
        """
        pairs = asdict(self).items()
        found = asdict(other)
        differing = [
            f"{name} {value!r} there and {found[name]!r} here"
            for name, value in pairs
            if value != found[name]
            and not (name == "database_id" and "" in {value, found[name]})
            and not (name == "lanes" and may_grow and other.lanes % self.lanes == 0)
        ]
        if differing:
            msg = (
                f"{directory} holds another history: {', '.join(differing)}; use the settings it was made with, or"
                " another directory"
            )
            raise HistoryError(msg)


@dataclass(frozen=True, slots=True)
class HistoryFile:
    """One file: all records of a topic in [first, end), of which there is one at least.

    `last` recognises its last record (workers/lanes/claims.py, `fingerprint`), in hex; it begins with the offset.
    """

    name: str
    first: int
    end: int
    records: int
    size_bytes: int
    sha256: str
    last: str


@dataclass(frozen=True, slots=True)
class TopicFiles:
    """Of one topic all from `start` to below `end`, in files by offset; where no file is, there was no record."""

    start: int
    end: int
    files: tuple[HistoryFile, ...] = ()


@dataclass(frozen=True, slots=True)
class LaneManifest:
    """What there is of one lane, by topic without prefix."""

    lane: int
    topics: Mapping[str, TopicFiles] = field(default_factory=dict)

    @classmethod
    def load(cls, directory: Path, lane: int) -> Self:
        """Read a lane's; empty where there is none.

        Raises:
            HistoryError: it is damaged.
        """
        document = _read(lane_directory(directory, lane) / MANIFEST_FILE)
        if document is None:
            return cls(lane)
        topics = {
            topic: TopicFiles(each["start"], each["end"], tuple(HistoryFile(**file) for file in each["files"]))
            for topic, each in document["topics"].items()
            if topic in HISTORY_TOPICS
        }
        return cls(lane, topics)

    def save(self, directory: Path) -> None:
        """Write it."""
        _write(lane_directory(directory, self.lane) / MANIFEST_FILE, asdict(self))


def lane_directory(directory: Path, lane: int) -> Path:
    """Where a lane's files are."""
    return directory / f"lane-{lane:02d}"


def write_whole(file: Path, content: bytes) -> None:
    """Write a file so that under its name there is all of it or nothing, whatever happens meanwhile."""
    part = file.with_name(file.name + ".part")
    with part.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(file)
    _sync(file.parent)


def make_directory(directory: Path) -> None:
    """Make a directory and those above it, so that they are still there when the power fails."""
    if directory.exists():
        return
    make_directory(directory.parent)
    directory.mkdir(exist_ok=True)
    _sync(directory.parent)


def _sync(directory: Path) -> None:
    opened = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _write(file: Path, document: Mapping[str, Any]) -> None:
    whole = {"format": FORMAT, **document}
    text = json.dumps({**whole, "sha256": _sum(whole)}, indent=1)
    write_whole(file, text.encode() + b"\n")


def _read(file: Path) -> dict[str, Any] | None:
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return None
    try:
        document: dict[str, Any] = json.loads(content)
        intact = document.pop("sha256") == _sum(document)
    except (ValueError, KeyError, AttributeError) as error:
        msg = f"{file} is damaged ({error}): bring back a copy, or export into another directory"
        raise HistoryError(msg) from error
    if not intact:
        msg = f"{file} is damaged: it does not have the sum that it says; bring back a copy, or export anew"
        raise HistoryError(msg)
    if document.pop("format") != FORMAT:
        msg = f"{file} was written by a newer postpay; read it with that one"
        raise HistoryError(msg)
    return document


def _sum(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
