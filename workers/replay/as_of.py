"""The books as they were at a time: lanes are decided again up to their last batch by then, for a session to look at.

Every batch on the way must come to what the lane-log says of it, and the last one to the database's hash. So what is
shown is what was there.

Source: docs/replay.md, As of a time.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from settlement.party import Party
from storage import as_of as past
from storage.as_of import BatchEnd
from storage.database import Connection, connect
from storage.identity import identity
from storage.sessions import Sessions, require_own
from storage.stories.course import lane_of
from workers.lanes.deciding import Decider
from workers.replay import checkpoint
from workers.replay.copying import copy_end
from workers.replay.extent import HistoryError
from workers.replay.failures import NO_FAILURES, failures_of
from workers.replay.history import HistorySource, RecordedHistory, cut, fixed
from workers.replay.lane_replay import LaneReplay
from workers.replay.processes import Tell, each_lane
from workers.replay.verification import Job, begin
from workers.settings.model import Settings

Reading = Callable[[str, int], AbstractContextManager[Tell]]
"""Shows how far a reading is: what it is called, and how many offsets there are."""


class UnknownTimeError(Exception):
    """Of that time nothing is known: it is still to come, or nothing was settled by then."""


@dataclass(frozen=True, slots=True)
class AsOf:
    """What a session shows: a time, and each lane's last batch by then."""

    at: datetime
    ends: Mapping[int, BatchEnd]


async def show_past(
    connection: Connection,
    settings: Settings,
    source: HistorySource,
    at: datetime,
    reading: Reading,
    *,
    party: Party | None = None,
    checkpoints: Path | None = None,
) -> AsOf | None:
    """Let a session see what was there at a time, in the tables' names, and nothing of what is there now.

    Args:
        connection: outside a transaction; reading and TEMPORARY on the database are enough (role postpay_auditor).
        settings: of the workers.
        source: of the history.
        at: the time; a lane is shown after its last batch whose lane time is not after it.
        reading: shows progress.
        party: only this one is shown, from the only lane that is then decided again; None: everything.
        checkpoints: folder of `replay verify`; lanes begin with their last checkpoint before that batch.

    Returns:
        What is shown now; None where no lane knows the party.

    Raises:
        UnknownTimeError: nothing is known of that time.
        HistoryError: the history has a hole, or does not come to what lane-log and database say.
        DistributionError: the database lies on several nodes.
        PooledTransactionsError: a pooler stands in between that gives nobody a session of its own.
        BrokerUnreachableError, KafkaError: the brokers are away.
        asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError: the database is.
    """
    dsn, password = settings.postgres.dsn, settings.postgres.read_password
    # Temporary tables are kept in sessions as well.
    await require_own(Sessions(dsn, password, application_name="postpay-cli", for_writing=False))
    lanes: Collection[int] = range(settings.lanes)
    if party is not None:
        lane = await lane_of(connection, party.kind, party.id)
        if lane is None:
            return None
        lanes = [lane]
    ends = await _ends(connection, settings, lanes, at)
    history = await _up_to(await fixed(settings, source), ends, at)
    database_id = str((await identity(connection)).database_id)
    await past.hide_the_present(connection)  # before the long part: it may be refused
    with TemporaryDirectory(prefix="postpay-replay-") as folder:
        job = LaneJob(database_id, Path(folder), checkpoints)
        with reading("deciding again", sum(extent.offsets for extent in history.extents.values())) as told:
            await each_lane(history, partial(keep_lane, job), told)
        for lane, end in ends.items():
            await _show(
                connection, job, Decider(lane, settings.lanes, event_clock=settings.clock == "event"), end, party
            )
    await past.analyze(connection)
    return AsOf(at, ends)


async def _ends(
    connection: Connection, settings: Settings, lanes: Collection[int], at: datetime
) -> Mapping[int, BatchEnd]:
    """The last batch of each lane by a time.

    Raises:
        UnknownTimeError: no lane has one, or more may still come.
    """
    event_clock = settings.clock == "event"
    latest = await past.known_until(connection, event_clock=event_clock)
    last = await past.last_batches(connection, lanes, at)
    if latest is None or last.first_at is None:
        raise UnknownTimeError("nothing was settled yet, so nothing was there at any time")
    if at > latest:
        clock = "lanes have come to" if event_clock else "it is"
        raise UnknownTimeError(f"expected a time that has come, got {at.isoformat()}; {clock} {latest.isoformat()}")
    if last.split_at is not None and at < last.split_at:
        raise UnknownTimeError(
            f"expected a time from {last.split_at.isoformat()} on, when lanes were split; got {at.isoformat()}: before,"
            " parties were on other lanes (docs/replay.md, Lanes that were split)"
        )
    if last.archived_until is not None and at < last.archived_until:
        raise UnknownTimeError(
            f"expected a time from {last.archived_until.isoformat()} on; got {at.isoformat()}: what was decided by then"
            " is archived (docs/storage.md, Archive)"
        )
    if not last.ends:
        where = f"lane {', '.join(map(str, lanes))}" if len(lanes) == 1 else "the lanes"
        raise UnknownTimeError(
            f"expected a time from {last.first_at.isoformat()} on, when the first batch of {where} was settled; got"
            f" {at.isoformat()}"
        )
    return last.ends


async def _up_to(history: RecordedHistory, ends: Mapping[int, BatchEnd], at: datetime) -> RecordedHistory:
    """The history of these lanes up to these batches.

    Raises:
        HistoryError: the lane-log does not have them, or not with the database's hash.
    """
    found = await cut(replace(history, extents={lane: history.extents[lane] for lane in ends}), at)
    for lane, end in ends.items():
        last, last_batch = found.extents[lane].last, found.last_batch(lane)
        if last is None and last_batch == end.batch_seq:
            continue  # it goes on from there, and nothing of its own was settled by then
        if last is None or last.batch_seq < end.batch_seq:
            ends_with = "none" if last is None else f"batch {last.batch_seq}"
            raise HistoryError(
                f"lane {lane} had settled batch {end.batch_seq} by {at.isoformat()}, and of the batches by then its"
                f" lane-log has {ends_with}: what is not relayed yet can't be shown (postpay lag); an export may end"
                " earlier (--from DIR without --offline)"
            )
        if (last.batch_seq, last.chain_hash) != (end.batch_seq, end.chain_hash):
            raise HistoryError(
                f"lane {lane}: by {at.isoformat()} the database has batch {end.batch_seq} with hash"
                f" {end.chain_hash.hex()}, and the lane-log batch {last.batch_seq} with {last.chain_hash.hex()};"
                " what differs is told by: postpay replay verify"
            )
    return found


@dataclass(frozen=True, slots=True)
class LaneJob:
    """How lanes are decided again.

    Args:
        database_id: that wrote the lane-log.
        folder: where each is kept after its last batch, as a checkpoint is.
        checkpoints: folder to begin from, if any.
    """

    database_id: str
    folder: Path
    checkpoints: Path | None


async def keep_lane(job: LaneJob, history: RecordedHistory, lane: int, tell: Tell) -> None:
    """Decide one lane again up to the end of its history, and keep it there.

    Raises:
        HistoryError: it does not come to what the lane-log says.
        BrokerUnreachableError, KafkaError: the brokers are away.
        asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError: the database is.
    """
    postgres, last = history.settings.postgres, history.last_batch(lane)
    assert last is not None  # or it would not be among them
    connection = await connect(postgres.dsn, application_name="postpay-replay", password=postgres.read_password)
    try:
        beginning = Job(job.database_id, checkpoints=job.checkpoints, from_batch=last + 1)
        replay, _ = await begin(beginning, history, lane, connection, job.folder / f"deciding-{lane}.sqlite")
        failures = await failures_of(connection, lane)
    finally:
        await connection.close()
    async with aclosing(history.batches(lane, replay.standing.batch_seq + 1)) as batches:
        async for batch in batches:
            replay.go_on(replay.standing.batch_seq + 1)
            decided, log = await replay.decide_as_logged(
                batch, job.database_id, failures.get(replay.standing.batch_seq + 1, NO_FAILURES)
            )
            replay.keep(decided, log)
            tell(batch.offsets, len(batch.taken))
    replay.go_on()
    checkpoint.save(job.folder, job.database_id, replay, {})


async def _show(connection: Connection, job: LaneJob, decider: Decider, end: BatchEnd, party: Party | None) -> None:
    """Put a lane that was kept, or what one party has on it, into the session's tables."""
    kept = checkpoint.latest(job.folder, job.database_id, decider, end.batch_seq + 1)
    assert kept is not None
    replay, _ = checkpoint.restore(job.folder, kept, decider, job.folder / f"showing-{end.lane}.sqlite")
    try:
        if replay.standing.chain_hash != end.chain_hash:
            raise HistoryError(
                f"lane {end.lane} comes to hash {replay.standing.chain_hash.hex()} after batch {end.batch_seq}, and the"
                f" database has {end.chain_hash.hex()}: where a checkpoint of that batch was given, it is of another"
                " history; remove it"
            )
        await _copy(connection, replay, end, party)
    finally:
        replay.tables.spill.close()


async def _copy(connection: Connection, replay: LaneReplay, end: BatchEnd, party: Party | None) -> None:
    standing = replay.standing
    copy = await past.put_lane(connection, end, standing.next_seq, standing.rules.terms.digest)
    await copy_end(copy, replay, None if party is None else [(party, replay.tables.party(party))])
