"""What the runbooks tell people to run, so that tests run just that."""

from operating.gaps import accept_gap as accept
from storage.operator_log import Because


async def accept_gap(connection, lane: int, topic: str, next_offset: int) -> None:
    """Say that a lane's input below an offset is lost, as an operator would: docs/runbooks/lane-stopped.md."""
    await accept(connection, lane, topic, next_offset, Because("on-call", "the broker's disk is lost"))
