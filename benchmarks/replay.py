"""How fast postpay's history is decided again and compared, on the stack and the messages that it was settled on."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.command import running
from benchmarks.errors import BenchmarkError
from benchmarks.memory import MemoryWatch
from workers.settings.model import Settings


@dataclass(frozen=True, slots=True)
class Replay:
    """One run of the command: how long it took from start to end, and the most memory of one of its processes."""

    seconds: float
    most_mib: float


def replayed(settings: Settings, directory: Path) -> Replay:
    """Let `postpay replay verify` decide all that was settled so far.

    Args:
        settings: where.
        directory: of what it says.

    Raises:
        BenchmarkError: not all of it is equal.
    """
    said, complaints = directory / "replay.json", directory / "replay.log"
    begun = time.perf_counter()
    with (
        running(settings, said, complaints, "replay", "verify", "--json") as command,
        MemoryWatch(command.pid) as memory,
    ):
        command.wait()
    seconds = time.perf_counter() - begun
    report = json.loads(said.read_bytes() or b"{}")
    if not (report.get("equal") and report.get("complete")):
        raise BenchmarkError(f"what was decided again is not what was settled; see {said} and {complaints}")
    return Replay(seconds, memory.most_mib)
