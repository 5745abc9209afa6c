"""What an operator sees of a worker: readiness, metrics, log lines, and how soon it ends."""

import asyncio
import json
import re
import signal
import time
import urllib.request
from typing import Any

from tests.platform import Worker, eventually

HEALED_S = 60.0
AT_ONCE_S = 10.0
"""An end with nothing in flight: servers that answer are left within a moment, on a busy machine too."""
END_S = 30.0
"""What docs/operations.md promises."""
ANSWER_TIMEOUT_S = 5.0


async def says_not_ready(worker: Worker, *texts: str, within_s: float = HEALED_S) -> None:
    """Wait until /readyz says no, with all these in its reasons."""

    async def said() -> bool:
        readiness = await asyncio.to_thread(worker.readiness)
        return '"ready": false' in readiness and all(text in readiness for text in texts)

    await eventually(said, within_s, worker.readiness)


async def is_ready(worker: Worker, within_s: float = HEALED_S) -> None:
    """Wait until /readyz says yes."""
    await eventually(lambda: asyncio.to_thread(worker.is_ready), within_s, worker.readiness)


async def metric(worker: Worker, name: str, labels: str = "") -> float:
    """The greatest value of a metric over its labels, or those that end so."""
    scraped = await asyncio.to_thread(_scrape, f"{worker.url}/metrics")
    values = re.findall(rf"^{name}(?:\{{.*{labels}\}})? (\S+)$", scraped, re.MULTILINE)
    assert values, f"no {name} is told"
    return max(map(float, values))


def _scrape(url: str) -> str:
    with urllib.request.urlopen(url, timeout=ANSWER_TIMEOUT_S) as answer:
        return answer.read().decode()


def lines(worker: Worker, event: str) -> list[dict[str, Any]]:
    """The lines of the log with this event."""
    said = [json.loads(line) for line in worker.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in said if line["event"] == event]


async def ended(worker: Worker, within_s: float = END_S) -> None:
    """SIGTERM ends it in time, and as it should."""
    begun = time.monotonic()
    worker.send(signal.SIGTERM)
    assert await worker.ended(END_S + 10) == 0, worker.tail()
    assert time.monotonic() - begun < within_s, worker.tail()
