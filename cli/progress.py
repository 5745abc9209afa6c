"""Bars of what takes long: how far it is, and of a reading how many records a second. Shown where somebody watches."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


@contextmanager
def reading_bar(what: str, offsets: int) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, gone in the end.

    Args:
        what: is done, such as "exporting".
        offsets: how many there are in all.

    Returns:
        What to tell the offsets and records done so far, as `workers.replay.processes.each_lane` does.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[records]:,} records, {task.fields[rate]:,.0f}/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=offsets, records=0, rate=0.0)
        begun = time.monotonic()

        def told(done: int, records: int) -> None:
            bar.update(task, completed=done, records=records, rate=records / max(0.001, time.monotonic() - begun))

        yield told


@contextmanager
def moving_bar() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on standard error, gone in the end, of bytes that are moved.

    Returns:
        What to tell: the name of what is moved, and how many bytes of how many are.
    """
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("", visible=False)

        def shown(name: str, done: int, total: int) -> None:
            bar.update(task, description=f"moving {name}", completed=done, total=total, visible=True)

        yield shown
