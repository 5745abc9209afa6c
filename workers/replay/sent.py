"""What a lane has sent, read again from the brokers for a database that was taken back to an earlier moment.

Source: docs/protocol.md, Output.
"""

from collections.abc import AsyncGenerator, Callable
from dataclasses import replace

from contracts.topics import Topic
from workers.lanes.claims import LaneStoppedError
from workers.lanes.surroundings import SentBatches
from workers.lanes.taken import SentBatch
from workers.replay.broker import broker_records, history_extent, log_position
from workers.replay.extent import HistoryError
from workers.replay.failures import Failures, add_told
from workers.replay.merge import logged
from workers.settings.model import Settings

OnStep = Callable[[], None]


def sent_batches(settings: Settings) -> SentBatches:
    """Reads what lanes have sent, as `SentBatches` says."""

    async def read(lane: int, after: int, last: int, on_step: OnStep) -> AsyncGenerator[SentBatch]:
        try:
            async for batch in _batches(settings, lane, after, last, on_step):
                yield batch
        except HistoryError as broken:
            msg = (
                f"lane {lane} has sent batches up to {last}, the database ends with batch {after}, and what lies"
                f" between can't be read again: {broken}. See docs/runbooks/database-restored.md"
            )
            raise LaneStoppedError(msg, may_heal=True) from broken

    return read


async def _batches(settings: Settings, lane: int, after: int, last: int, on_step: OnStep) -> AsyncGenerator[SentBatch]:
    failures = Failures()
    await add_told(failures, settings, lane, on_step)
    extent = await history_extent(settings, lane)
    on_step()
    begin = await log_position(settings, extent, after + 1)
    extent = replace(extent, starts={**extent.starts, Topic.LANE_LOG.value: begin})
    on_step()
    async with broker_records(settings, extent) as records:
        batches = logged(records, extent, event_clock=settings.clock == "event", from_batch=after + 1)
        async for batch in batches:
            assert batch.log is not None  # only of a history without a lane-log
            yield SentBatch(batch.log, [failures.again(each) for each in batch.taken], failures.deciding)
            if batch.log.batch_seq == last:
                return
