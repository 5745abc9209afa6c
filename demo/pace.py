"""Shows how the quarter passes."""

import time
from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from demo.quarter import Quarter

LINE_EVERY_DAYS = 15


class Pace:
    """A progress bar on a terminal; elsewhere a line now and then."""

    def __init__(self, console: Console, quarter: Quarter) -> None:
        self._console = console
        self._quarter = quarter
        self._began = time.monotonic()
        self._bar: Progress | None = None
        self._task = TaskID(0)
        if console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.fields[day]}"),
                BarColumn(),
                TextColumn("{task.fields[messages]:,} messages settled"),
                TimeElapsedColumn(),
                console=console,
            )
            self._task = self._bar.add_task("", total=quarter.days, day=self._day(0), messages=0)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def note(self, line: str) -> None:
        """Say something in between."""
        self._console.print(line, markup=False)

    def passed(self, day: int, messages: int) -> None:
        """A day, from 0, is settled."""
        if self._bar is not None:
            self._bar.update(self._task, completed=day + 1, day=self._day(day), messages=messages)
        elif (day + 1) % LINE_EVERY_DAYS == 0 or day + 1 == self._quarter.days:
            elapsed_s = time.monotonic() - self._began
            self._console.print(f"{self._day(day)}: {messages:,} messages settled after {elapsed_s:.0f} s")

    def _day(self, day: int) -> str:
        return (self._quarter.start + timedelta(days=day)).strftime("%d %b %Y")
