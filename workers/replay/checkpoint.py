"""Where a verification came to, to begin there another day: all of a lane's state after a batch, in one file.

The database can't give that: its rows say what a lane is now. So a verification that found a lane equal keeps what it
came to, and the next one goes on from there. The file is worth what the folder is worth that it lies in.

Source: docs/replay.md; docs/decisions/0018-verification-keeps-its-own-checkpoints.md.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from settlement.draft import Rules
from settlement.terms import TermsBook
from settlement.version import RULES_VERSION
from storage.lanes import Position
from storage.rows import TABLES
from workers.lanes.deciding import Decider, Standing
from workers.lanes.working_days import working_days
from workers.replay.extent import HistoryError
from workers.replay.lane_replay import LaneReplay
from workers.replay.packing import pack, unpack
from workers.replay.spill import Spill
from workers.replay.tables import LaneTables


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is said beside the file of a lane's state.

    Args:
        database_id: of the history.
        lane: its number.
        event_clock: how the lane was decided.
        batch_seq: after which batch.
        chain_hash: after it, in hex.
        rules_version: by which everything up to there was decided again.
        shape: which columns there were and what else is kept, in one hash: another release may keep more.
        sha256: of the file, in hex.
        lanes: of how many it was one.
    """

    database_id: str
    lane: int
    event_clock: bool
    batch_seq: int
    chain_hash: str
    rules_version: int
    shape: str
    sha256: str
    lanes: int = 0


LAYOUT = 3
"""Of what a file holds besides rows; raised when that changes, so that older files are not taken."""


def _shape() -> str:
    columns = {table.name: table.columns for table in TABLES.values()}
    return hashlib.sha256(json.dumps([LAYOUT, columns], sort_keys=True).encode()).hexdigest()


def save(directory: Path, database_id: str, replay: LaneReplay, sent_to: Mapping[str, int]) -> None:
    """Keep a lane's state; the replay is of no use afterwards.

    Args:
        directory: made if need be.
        database_id: of the history.
        replay: after a batch that was found equal, as were all before it.
        sent_to: by output topic, up to where it was compared.
    """
    standing, tables = replay.standing, replay.tables
    tables.flush()
    content = {
        "next_seq": standing.next_seq,
        "lane_time": standing.lane_time,
        "terms": json.dumps(standing.rules.terms.document, ensure_ascii=False),
        "totals": [[*key, amount] for key, amount in standing.totals.items()],
        "positions": {topic: [each.next_offset, each.last_fingerprint] for topic, each in replay.positions.items()},
        "arrived": [[event_hash, *place] for event_hash, place in replay.arrived.items()],
        "sent_to": dict(sent_to),
        "tables": tables.content(),
    }
    tables.spill.put_lane(pack(content))
    tables.spill.close()
    directory.mkdir(parents=True, exist_ok=True)
    lane = tables.lane
    path = _path(directory, lane, standing.batch_seq)
    shutil.copyfile(tables.spill.path, path.with_suffix(".part"))
    checkpoint = Checkpoint(
        database_id,
        lane,
        replay.decider.event_clock,
        standing.batch_seq,
        standing.chain_hash.hex(),
        RULES_VERSION,
        _shape(),
        _sum(path.with_suffix(".part")),
        replay.decider.lanes,
    )
    path.with_suffix(".part").replace(path)
    path.with_suffix(".json").write_text(json.dumps(asdict(checkpoint), indent=2) + "\n", encoding="utf-8")


def latest(directory: Path, database_id: str, decider: Decider, before: int) -> Checkpoint | None:
    """The last checkpoint of a lane that lies before a batch and that this release can go on from; None: there is none.

    Raises:
        HistoryError: there are checkpoints of another database in the folder.
    """
    found = []
    for path in directory.glob(f"lane-{decider.lane:03}-*.json"):
        checkpoint = Checkpoint(**json.loads(path.read_text(encoding="utf-8")))
        if checkpoint.database_id != database_id:
            msg = f"{path} is of database {checkpoint.database_id}, and this is database {database_id}"
            raise HistoryError(msg)
        ours = (decider.event_clock, RULES_VERSION, _shape(), decider.lanes)
        if (checkpoint.event_clock, checkpoint.rules_version, checkpoint.shape, checkpoint.lanes) == ours:
            found.append(checkpoint)
    return max((each for each in found if each.batch_seq < before), key=lambda each: each.batch_seq, default=None)


def restore(directory: Path, checkpoint: Checkpoint, decider: Decider, path: Path) -> tuple[LaneReplay, dict[str, int]]:
    """Go on from a checkpoint; also returns up to where the output topics were compared.

    Args:
        directory: of the checkpoints.
        checkpoint: one of them.
        decider: of its lane.
        path: where a copy of its file may be changed.

    Raises:
        HistoryError: the file is not the one that was saved.
    """
    saved = _path(directory, checkpoint.lane, checkpoint.batch_seq)
    shutil.copyfile(saved, path)
    if _sum(path) != checkpoint.sha256:
        msg = (
            f"{saved}: expected the sum {checkpoint.sha256}, got {_sum(path)}; it was changed or damaged: take another"
        )
        raise HistoryError(msg)
    spill = Spill(path)
    content: dict[str, Any] = unpack(spill.lane() or b"")
    rules = Rules(TermsBook.parse(json.loads(content["terms"])), working_days())
    standing = Standing(
        checkpoint.batch_seq,
        bytes.fromhex(checkpoint.chain_hash),
        content["next_seq"],
        content["lane_time"],
        rules,
        {(name, currency): amount for name, currency, amount in content["totals"]},
    )
    positions = {topic: Position(*each) for topic, each in content["positions"].items()}
    tables = LaneTables.of_content(checkpoint.lane, spill, content["tables"])
    arrived = {event_hash: (batch_seq, n) for event_hash, batch_seq, n in content["arrived"]}
    return LaneReplay(decider, standing, tables, positions, arrived), dict(content["sent_to"])


def _path(directory: Path, lane: int, batch_seq: int) -> Path:
    return directory / f"lane-{lane:03}-{batch_seq:012}.sqlite"


def _sum(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
