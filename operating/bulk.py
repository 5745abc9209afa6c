"""Going through selected dead letters in bounded steps, which can be stopped and goes on where it was.

Each generator yields what became of one step. Whoever stops listening stops it after a whole step, and may
go on from its place.
"""

from collections.abc import AsyncGenerator
from dataclasses import asdict, dataclass
from typing import Any

from operating import closing
from operating.edits import Edit
from operating.redriving import Redriven, Redriver, RedriveStatus, plan
from operating.refusal import ActionRefusedError
from operating.rehearsal import Foreseen, rehearse
from operating.resending import Resending
from operating.selection import Selection
from storage.database import Connection
from storage.operator_log import Because
from storage.outcome_search import PageEnd
from workers.settings.model import Settings

FINE: frozenset[str] = frozenset(
    {RedriveStatus.REDRIVEN, RedriveStatus.BEFORE, RedriveStatus.CLOSED, "applied", "duplicate", "declined", "parked"}
)
"""How a redrive or a rehearsal may end without anything being wrong."""


@dataclass(frozen=True, slots=True)
class BulkStep:
    """What became of some dead letters, as JSON has it; `place` is that of the last, from which one may go on."""

    place: PageEnd
    documents: list[dict[str, Any]]


async def redriven(
    connection: Connection, settings: Settings, chosen: Selection, because: Because, edit: Edit | None = None
) -> AsyncGenerator[BulkStep, None]:
    """Send them again.

    Raises:
        ActionRefusedError: a topic is missing, or Kafka has taken nothing of a step.
        BrokerUnreachableError: no broker answered.
    """
    async with Redriver.ready(connection, settings, because) as redriver:
        async for letters in chosen.steps(connection):
            results = await redriver.redrive(letters, edit)
            yield BulkStep(letters[-1].place, [each.document() for each in results])
            if all(each.status is RedriveStatus.FAILED for each in results):
                raise ActionRefusedError(
                    "Kafka takes nothing any more; what was sent is on record: do the same again, and it goes on"
                )


async def rehearsed(
    connection: Connection, settings: Settings, chosen: Selection, edit: Edit | None = None
) -> AsyncGenerator[BulkStep, None]:
    """Say what would become of them; nothing is sent or written."""
    async for letters in chosen.steps(connection):
        plans = await plan(connection, settings.lanes, letters, edit)
        resendings = [each for each in plans if isinstance(each, Resending)]
        foreseen = iter(await rehearse(connection, settings, resendings))
        told = [each.document() if isinstance(each, Redriven) else _foreseen(each, next(foreseen)) for each in plans]
        yield BulkStep(letters[-1].place, told)


async def closed(connection: Connection, chosen: Selection, because: Because) -> AsyncGenerator[BulkStep, None]:
    """Close them."""
    async for letters in chosen.steps(connection):
        results = await closing.close(connection, letters, because)
        yield BulkStep(letters[-1].place, [each.document() for each in results])


def _foreseen(resending: Resending, foreseen: Foreseen) -> dict[str, Any]:
    return {
        "id": resending.kept.letter.dead_letter_id,
        "status": foreseen.outcome,
        "topic": resending.record.topic,
        "partition": resending.record.partition,
        "event_id": resending.message.event_id,
        **{name: value for name, value in asdict(foreseen).items() if name != "outcome"},
    }
