"""What the runbooks tell people to run, so that tests run just that."""

import re
from pathlib import Path

RUNBOOKS = Path(__file__).parents[1] / "docs" / "runbooks"


async def accept_gap(connection, lane: int, topic: str, next_offset: int) -> None:
    """Say that a lane's input below an offset is lost, as an operator would: docs/runbooks/lane-stopped.md."""
    (statement,) = re.findall(r"```sql\n(.*?)```", (RUNBOOKS / "lane-stopped.md").read_text("utf-8"), re.DOTALL)
    filled = statement.replace("(K, 'TOPIC', OFFSET)", f"({lane}, '{topic}', {next_offset})")
    assert filled != statement
    await connection.execute(filled)
