"""The most memory a process had while it was watched, or one that it had started."""

import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

import psutil

INTERVAL_S = 0.1
MIB = 1024 * 1024


class MemoryWatch:
    """Samples the resident set of a process and of each that it started, in one `with` block after the other."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.most_bytes = 0

    @property
    def most_mib(self) -> float:
        """Largest sample of one process."""
        return self.most_bytes / MIB

    def __enter__(self) -> Self:
        self._ended.clear()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        while not self._ended.is_set():
            try:
                family = [self._process, *self._process.children(recursive=True)]
            except psutil.NoSuchProcess:
                return
            for each in family:
                with suppress(psutil.NoSuchProcess):
                    self.most_bytes = max(self.most_bytes, each.memory_info().rss)
            self._ended.wait(INTERVAL_S)
