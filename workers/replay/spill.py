"""A file beside a lane that is replayed: what does not fit into memory, and what is only looked at in the end.

SQLite, for its B-tree: a file of its own for each lane, without journal or flush, because it is worth nothing after a
crash. Closed as a checkpoint, it holds all there is to say of a lane after a batch.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

_TABLES = """
CREATE TABLE IF NOT EXISTS party (kind TEXT, id TEXT, content BLOB, PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (event_hash BLOB PRIMARY KEY, fingerprint BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outcome (name TEXT, row BLOB, content BLOB, PRIMARY KEY (name, row)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lane (content BLOB);
"""
_CACHE_KIB = 32 * 1024
"""Pages that SQLite keeps in memory."""
_AT_ONCE = 500
"""Keys looked for by one statement."""


class Spill:
    """The file of one lane.

    Args:
        path: of a file that is not there yet, or a copy of a checkpoint.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._db.executescript(_TABLES)

    def close(self) -> None:
        """Close it; all of it is in the file then."""
        self._db.close()

    # Parties that are not in memory.

    def put_parties(self, rows: Iterable[tuple[str, str, bytes]]) -> None:
        """Keep parties: kind, id and what they have."""
        with self._at_once():
            self._db.executemany("INSERT OR REPLACE INTO party VALUES (?, ?, ?)", rows)

    def party(self, kind: str, party_id: str) -> bytes | None:
        """What a party has; None if it was never kept."""
        found = self._db.execute("SELECT content FROM party WHERE kind = ? AND id = ?", (kind, party_id)).fetchone()
        return None if found is None else found[0]

    def parties(self) -> Iterator[tuple[str, str, bytes]]:
        """All that were ever kept, as they were kept last."""
        return iter(self._db.execute("SELECT kind, id, content FROM party"))

    def drop_parties(self, names: Iterable[tuple[str, str]]) -> None:
        """Forget parties: kind and id."""
        with self._at_once():
            self._db.executemany("DELETE FROM party WHERE kind = ? AND id = ?", names)

    # Event ids that are taken.

    def put_seen(self, seen: Mapping[bytes, bytes]) -> None:
        """Keep event hashes with their fingerprints."""
        with self._at_once():
            self._db.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?)", sorted(seen.items()))

    def seen(self, hashes: Iterable[bytes]) -> dict[bytes, bytes]:
        """Which of these are taken, and with what fingerprint."""
        found: dict[bytes, bytes] = {}
        remaining = iter(hashes)
        while some := list(islice(remaining, _AT_ONCE)):
            marks = ",".join("?" * len(some))
            found.update(self._db.execute(_SEEN.replace("?", marks), some))
        return found

    # Rows that are compared in the end.

    def put_outcomes(self, rows: Iterable[tuple[str, bytes, bytes]]) -> None:
        """Keep rows: of which table, their key, their content."""
        with self._at_once():
            self._db.executemany("INSERT OR REPLACE INTO outcome VALUES (?, ?, ?)", rows)

    def outcome(self, name: str, key: bytes) -> bytes | None:
        """The content of a row; None if there is none."""
        found = self._db.execute("SELECT content FROM outcome WHERE name = ? AND row = ?", (name, key)).fetchone()
        return None if found is None else found[0]

    def count(self, name: str) -> int:
        """How many rows of a table are kept."""
        found: int = self._db.execute("SELECT count(*) FROM outcome WHERE name = ?", (name,)).fetchone()[0]
        return found

    def outcomes(self, name: str) -> Iterator[tuple[bytes, bytes]]:
        """All rows of a table: key and content."""
        return iter(self._db.execute("SELECT row, content FROM outcome WHERE name = ?", (name,)))

    def drop_outcomes(self, rows: Iterable[tuple[str, bytes]]) -> None:
        """Forget rows: of which table, and their key."""
        with self._at_once():
            self._db.executemany("DELETE FROM outcome WHERE name = ? AND row = ?", rows)

    # The lane itself, in a checkpoint.

    def put_lane(self, content: bytes) -> None:
        """Keep what there is to say of the lane besides."""
        with self._at_once():
            self._db.execute("DELETE FROM lane")
            self._db.execute("INSERT INTO lane VALUES (?)", (content,))

    def lane(self) -> bytes | None:
        """What was kept of it; None in a new file."""
        found = self._db.execute("SELECT content FROM lane").fetchone()
        return None if found is None else found[0]

    def _at_once(self) -> "_Transaction":
        return _Transaction(self._db)


_SEEN = "SELECT event_hash, fingerprint FROM seen WHERE event_hash IN (?)"


class _Transaction:
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN")

    def __exit__(self, kind: object, *_: object) -> None:
        self._db.execute("COMMIT")
