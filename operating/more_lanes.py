"""Adding lanes: each is split into as many, and they go on side by side from its last batch.

The new schema is filled beside the one in use, from its rows. Only when it is whole are partitions added to the topics,
which can't be undone, and the lane-logs told; then it takes the old one's place. Whoever was killed on that way starts
again.

Source: docs/decisions/0025-a-lane-is-split-like-a-branch.md; docs/runbooks/adding-lanes.md.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import asyncpg

from contracts.topics import Topic
from operating.refusal import ActionRefusedError
from storage import archive, branches, branching, migrations, recorded, replacement
from storage.branches import Branch
from storage.branching import Progress, Split
from storage.database import connect
from storage.identity import Identity
from storage.operator_log import Action, Because, LogOutcome, Note
from storage.replacement import InUse
from workers.kafka import topics
from workers.kafka.homes import home_of
from workers.lanes.fault_points import reached
from workers.lanes.lanelog import BranchLog, log_key
from workers.lanes.sender import SEND_TIMEOUT_S, START_TIMEOUT_S, lane_sender, producer_named, throw_away
from workers.lanes.takeover import fence_lanes
from workers.ops.lag import lag_reader
from workers.replay.broker import extents_of
from workers.replay.rebuild import require_no_workers, require_sound
from workers.settings.model import Settings

Showing = Callable[[], AbstractContextManager[Progress]]
"""Shows how far the carrying over is."""
TOLD = 3
"""Of what is unread so many are named."""


@dataclass(frozen=True, slots=True)
class LanesSplit:
    """What came of it.

    Args:
        database_id: of the database, as before.
        lanes_before: how many there were.
        lanes: how many there are.
        kept_as: the old schema's name now.
        invariants: how many were checked.
        seconds: it took.
    """

    database_id: str
    lanes_before: int
    lanes: int
    kept_as: str
    invariants: int
    seconds: float

    def document(self) -> dict[str, Any]:
        """As `--json` gives it."""
        return {**asdict(self), "seconds": round(self.seconds, 3)}


async def split_lanes(
    settings: Settings, into: int, because: Because, showing: Showing, *, accepted: Collection[str] = ()
) -> LanesSplit:
    """Split all lanes of the database and the topics that the settings name.

    Args:
        settings: of the workers, with the present number of lanes and a database user who may migrate.
        into: how many there shall be, a multiple of the present number.
        because: who does it, and why.
        showing: shows progress.
        accepted: invariants that need not hold, by name: a defect of its time may have broken them, on record.

    Raises:
        ActionRefusedError: the number does not fit, decisions are archived, or something is unread or unsent.
        ClaimedError: workers run.
        AuditFailedError, SplitApartError: the new schema is not put in use.
        BrokerUnreachableError, KafkaError: the brokers are away.
        asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError: the database is.
    """
    begun = time.monotonic()
    postgres = settings.postgres
    async with migrations.alone(postgres.dsn, postgres.read_password) as connection:
        await migrations.require_migrated(connection)
        found = await replacement.in_use(connection)
        identity = await _identity(settings, found)
        split = _split(identity, into)
        await _require_all_there(connection)
        await require_no_workers(settings, connection)
        await fence_lanes(settings, str(identity.database_id), range(split.lanes))
        await _require_done(settings, connection, split)
        given = Identity(identity.database_id, into, identity.cluster_id, identity.prefix, identity.group)
        await replacement.prepare(connection, found, given, found.first_terms or {})
        with showing() as progress:
            await branching.fill(connection, split, partial(home_of, lanes=into), progress)
        invariants = await require_sound(connection, accepted)
        reached("split_filled")
        async with replacement.unclaimed(connection, found):
            await require_no_workers(settings, connection)
            await _require_done(settings, None, split)
            await topics.add_partitions(settings, into)
        reached("split_partitions_added")
        for branch in await branches.branches(connection):
            if branch.from_lanes == split.lanes:
                await _log(settings, _logged(str(identity.database_id), into, branch))
        reached("split_logged")
        kept_as = await replacement.swap(connection, found, _note(because, split, found))
    assert kept_as is not None
    return LanesSplit(str(identity.database_id), split.lanes, into, kept_as, invariants, time.monotonic() - begun)


async def _identity(settings: Settings, found: InUse) -> Identity:
    """Which database it is; it must be the one that belongs to the topics.

    Raises:
        ActionRefusedError: it is another one, or none that was ever used.
    """
    there = found.identity
    if there is None or there.cluster_id is None:
        raise ActionRefusedError("no worker has ever used this database: make one for as many lanes as you need")
    named = (await topics.cluster_id(settings), settings.topics.prefix, settings.group, settings.lanes)
    if (there.cluster_id, there.prefix, there.group, there.lanes) != named:
        raise ActionRefusedError(
            f"the database has {there.lanes} lanes and belongs to cluster {there.cluster_id}, prefix {there.prefix!r}"
            f" and group {there.group!r}; the settings name {named[3]} lanes, cluster {named[0]}, prefix {named[1]!r}"
            f" and group {named[2]!r}"
        )
    return there


async def _require_all_there(connection: asyncpg.Connection) -> None:
    """Every decision must be there, to be moved to the lane of its party.

    Raises:
        ActionRefusedError: some are archived.
    """
    archived = await archive.ends(connection)
    if archived:
        raise ActionRefusedError(
            f"decisions of {len(archived)} lanes are archived, and lanes are split from the rows of all: bring them"
            " back first with `postpay replay rebuild`"
        )


def _split(identity: Identity, into: int) -> Split:
    """How the lanes are split.

    Raises:
        ActionRefusedError: they can't be split into so many.
    """
    lanes = identity.lanes
    if into == lanes:
        raise ActionRefusedError(f"the database has {lanes} lanes already")
    if into < lanes or into % lanes:
        raise ActionRefusedError(
            f"expected a multiple of the {lanes} lanes there are, such as {2 * lanes} or {4 * lanes}; got {into}"
        )
    return Split(lanes, into)


async def _require_done(settings: Settings, connection: asyncpg.Connection | None, split: Split) -> None:
    """All that was sent must be settled, and all that was settled be sent, as long as there is a way back.

    Once topics have more partitions no worker of before runs any more. What was put on an old partition since is
    re-routed by the lanes that come.

    Raises:
        ActionRefusedError: there is something left to do, or topics have some other number of partitions.
    """
    there = await topics.partitions(settings)
    odd = [f"{name} has {count}" for name, count in there.items() if count not in {split.lanes, split.into}]
    if odd:
        raise ActionRefusedError(f"expected topics of {split.lanes} partitions: {', '.join(odd)}")
    if connection is not None:
        await _require_sent(settings, connection)
    if split.into not in there.values():
        await _require_read(settings)


async def _require_read(settings: Settings) -> None:
    own = await connect(settings.postgres.dsn, application_name="postpay-cli", password=settings.postgres.read_password)
    try:
        async with lag_reader(settings) as reader:
            lag = await reader.measure(own)
    finally:
        await own.close()
    left = [
        f"{each.records + each.open_transaction_records} records of {each.topic} on lane {each.lane}"
        for each in lag.topics
        if each.records or each.open_transaction_records
    ]
    if left:
        more = f" and {len(left) - TOLD} more" if len(left) > TOLD else ""
        raise ActionRefusedError(
            f"not everything is settled: {', '.join(left[:TOLD])}{more}. Stop the producers, let workers run until"
            " `postpay lag --wait 600` is done, stop them, and begin again"
        )


async def _require_sent(settings: Settings, connection: asyncpg.Connection) -> None:
    extents = await extents_of(settings)
    for row in await recorded.lanes(connection):
        last = extents[row["lane"]].last
        sent = await branches.begins(connection, row["lane"]) if last is None else last
        if (sent.batch_seq, sent.chain_hash) != (row["batch_seq"], row["chain_hash"]):
            raise ActionRefusedError(
                f"lane {row['lane']} is settled up to batch {row['batch_seq']}, and its lane-log ends with batch"
                f" {sent.batch_seq}{'' if sent.batch_seq != row['batch_seq'] else ', of another hash'}: let workers run"
                " until `postpay lag --wait 600` is done, stop them, and begin again"
            )


async def _log(settings: Settings, branch: BranchLog) -> None:
    """Enter into the lane-log of a lane where it goes on from."""
    producer = producer_named(settings, lane_sender(branch.database_id, branch.lane))
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            await producer.start()
        async with asyncio.timeout(SEND_TIMEOUT_S), producer.transaction():
            topic, key = settings.topics.prefix + Topic.LANE_LOG, log_key(branch.lane)
            await producer.send(topic, branch.encode(), key=key, partition=branch.lane)
    finally:
        await throw_away(producer)


def _logged(database_id: str, lanes: int, branch: Branch) -> BranchLog:
    return BranchLog(
        database_id,
        branch.lane,
        lanes,
        branch.from_lane,
        branch.from_lanes,
        branch.batch_seq,
        branch.next_seq,
        branch.chain_hash,
    )


def _note(because: Because, split: Split, found: InUse) -> Note:
    heads = {str(lane): [each.batch_seq, each.chain_hash.hex()] for lane, each in sorted(found.lanes.items())}
    return Note(
        because=because,
        action=Action.SPLIT_LANES,
        subject=f"{split.lanes} into {split.into}",
        outcome=LogOutcome.DONE,
        before={"lanes": split.lanes, "last_batches": heads},
        after={"lanes": split.into},
    )
