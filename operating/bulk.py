"""Going through selected dead letters in bounded steps, which can be stopped and goes on where it was.

Each generator yields what became of one step. Whoever stops listening stops it after a whole step.
"""

from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

from operating import closing
from operating.closing import Closing
from operating.edits import Edit
from operating.redriving import Redriven, Redriver, RedriveStatus, plan
from operating.refusal import ActionRefusedError
from operating.rehearsal import Foreseen, rehearse
from operating.resending import Resending
from operating.selection import Selection
from storage.database import Connection
from storage.operator_log import Because
from workers.settings.model import Settings


async def redriven(
    connection: Connection, settings: Settings, chosen: Selection, because: Because, edit: Edit | None = None
) -> AsyncIterator[list[Redriven]]:
    """Send them again.

    Raises:
        ActionRefusedError: a topic is missing, or Kafka has taken nothing of a step.
        BrokerUnreachableError: no broker answered.
    """
    async with Redriver.ready(connection, settings, because) as redriver:
        async for step in chosen.steps(connection):
            results = await redriver.redrive(step, edit)
            yield results
            if all(each.status is RedriveStatus.FAILED for each in results):
                raise ActionRefusedError(
                    "Kafka takes nothing any more; what was sent is on record: do the same again, and it goes on"
                )


async def rehearsed(
    connection: Connection, settings: Settings, chosen: Selection, edit: Edit | None = None
) -> AsyncIterator[list[dict[str, Any]]]:
    """Say what would become of them, as JSON has it; nothing is sent or written."""
    async for step in chosen.steps(connection):
        plans = await plan(connection, settings.lanes, step, edit)
        resendings = [each for each in plans if isinstance(each, Resending)]
        foreseen = iter(await rehearse(connection, settings, resendings))
        yield [each.document() if isinstance(each, Redriven) else _foreseen(each, next(foreseen)) for each in plans]


async def closed(connection: Connection, chosen: Selection, because: Because) -> AsyncIterator[list[Closing]]:
    """Close them."""
    async for step in chosen.steps(connection):
        yield await closing.close(connection, step, because)


def _foreseen(resending: Resending, foreseen: Foreseen) -> dict[str, Any]:
    return {
        "id": resending.kept.letter.dead_letter_id,
        "status": foreseen.outcome,
        "topic": resending.record.topic,
        "partition": resending.record.partition,
        "event_id": resending.message.event_id,
        **{name: value for name, value in asdict(foreseen).items() if name != "outcome"},
    }
