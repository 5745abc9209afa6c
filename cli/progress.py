"""How far long work is: a bar where somebody watches standard error, a line now and then where it goes to a file."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

LINE_EVERY_S = 10.0
"""Often enough to see that it goes on, seldom enough for a log; what is done sooner says nothing."""


class Bar:
    """What is told of a piece of work while it goes on."""

    def __init__(self, bar: Progress, what: str, total: int | None) -> None:
        self._bar = bar
        self._task = bar.add_task(what, total=total, more="")
        self._line_at = time.monotonic() + LINE_EVERY_S

    def tell(self, done: int = 0, more: str = "", *, what: str | None = None, total: int | None = None) -> None:
        """Say how far it is; call it as often as you like.

        Args:
            done: of the total, in its unit.
            more: figures to go with it.
            what: is done now, when that changes.
            total: when that becomes known.
        """
        self._bar.update(self._task, completed=done, more=more, description=what, total=total)
        if self._bar.disable and time.monotonic() >= self._line_at:
            self._line_at = time.monotonic() + LINE_EVERY_S
            typer.echo(self._line(), err=True)

    def _line(self) -> str:
        task = self._bar.tasks[self._task]
        share = f"{task.percentage:.0f} %" if task.total else ""
        return f"{task.description}: {', '.join(part for part in (share, task.fields['more']) if part)}"


@contextmanager
def bar(what: str, total: int | None = None) -> Iterator[Bar]:
    """A bar on standard error, gone in the end.

    Args:
        what: is done, such as "exporting".
        total: how much there is to do, where that is known.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[more]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as shown:
        yield Bar(shown, what, total)


@contextmanager
def reading_bar(what: str, offsets: int) -> Iterator[Callable[[int, int], None]]:
    """A bar of a long reading, with how many records and how many a second.

    Args:
        what: is done, such as "exporting".
        offsets: how many there are in all.

    Returns:
        What to tell the offsets and records done so far, as `workers.replay.processes.each_lane` does.
    """
    begun = time.monotonic()
    with bar(what, offsets) as shown:

        def told(done: int, records: int) -> None:
            rate = records / max(0.001, time.monotonic() - begun)
            shown.tell(done, f"{records:,} records, {rate:,.0f}/s")

        yield told


@contextmanager
def moving_bar() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on standard error, gone in the end, of bytes that are moved.

    Returns:
        What to tell: the name of what is moved, and how many bytes of how many are.
    """
    with bar("moving") as shown:
        yield lambda name, done, total: shown.tell(done, what=f"moving {name}", total=total)
