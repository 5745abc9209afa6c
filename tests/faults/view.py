"""What an operator sees of a worker: its endpoints and its log."""

import json
import re
from collections.abc import Iterator
from typing import Any

import aiohttp

from tests.platform import WorkerProcess, eventually


class View:
    """Of one worker.

    Args:
        worker: with ops endpoints that look often (POSTPAY_OPS__REFRESH_S).
    """

    def __init__(self, worker: WorkerProcess) -> None:
        self._worker = worker

    async def not_ready(self) -> str:
        """What /readyz gives as reasons."""
        return "; ".join(json.loads(await self._get("readyz"))["not_ready"])

    async def says(self, reason: str, within_s: float = 60) -> None:
        """Wait until /readyz gives this reason."""

        async def said():
            return reason in await self.not_ready()

        await eventually(said, within_s, self.not_ready)

    async def is_ready(self, within_s: float = 60) -> None:
        """Wait until /readyz gives no reason."""

        async def ready():
            return not await self.not_ready()

        await eventually(ready, within_s, self.not_ready)

    async def metric(self, name: str) -> float:
        """The largest of a metric's values."""
        found = re.findall(rf"^{name}\{{[^}}]*\}} (\S+)$", await self._get("metrics"), re.MULTILINE)
        return max(map(float, found))

    def lines(self, event: str) -> list[dict[str, Any]]:
        """The log's lines of one event, for instance that something began."""
        return [line for line in self._log() if line["event"] == event]

    def _log(self) -> Iterator[dict[str, Any]]:
        for line in self._worker.log.read_text().splitlines():
            if line.startswith("{"):
                yield json.loads(line)

    async def _get(self, path: str) -> str:
        port = self.lines("ops endpoints")[-1]["port"]
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/{path}") as answer:
            return await answer.text()
