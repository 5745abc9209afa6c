"""Tables as terminals and pipes take them: nothing is ever folded, so what is copied or cut out is whole."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.text import Text

from words.phrases import printable

BETWEEN = "  "


@dataclass(frozen=True, slots=True)
class Tabulation:
    """Rows under the names of their columns.

    A row is a line where nobody looks, however long, and on a terminal that is wide enough. On a narrower one it is a
    record: a line for each cell that has something in it.

    Args:
        title: the line above; none where empty.
        columns: names; those that begin with `#` are of numbers, to the right.
        rows: a cell for each column.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Give the lines; Rich asks for them."""
        if self.title:
            yield _line(self.title, style="bold")
        lines = [*self._lines()]
        fits = all(cell_len(line) <= options.max_width for line in lines)
        for number, line in enumerate(lines if fits or not console.is_terminal else self._records()):
            yield _line(line, style="bold" if number == 0 and fits else "")

    def _lines(self) -> Iterator[str]:
        table = [[column.removeprefix("#") for column in self.columns], *self.rows]
        widths = [max(map(cell_len, cells)) for cells in zip(*table, strict=True)]
        for row in table:
            cells = (
                f"{' ' * (width - cell_len(cell))}{cell}"
                if column.startswith("#")
                else f"{cell}{' ' * (width - cell_len(cell))}"
                for cell, column, width in zip(row, self.columns, widths, strict=True)
            )
            yield BETWEEN.join(cells).rstrip()

    def _records(self) -> Iterator[str]:
        names = [column.removeprefix("#") for column in self.columns]
        width = max(map(cell_len, names))
        for number, row in enumerate(self.rows):
            if number:
                yield ""
            for name, cell in zip(names, row, strict=True):
                if cell:
                    yield f"{name}{' ' * (width - cell_len(name))}{BETWEEN}{cell}"


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Tabulation:
    """A table; columns whose name begins with `#` are numbers, to the right. None is an empty cell."""
    cells = [["" if cell is None else printable(str(cell)) for cell in row] for row in rows]
    return Tabulation(title, columns, cells)


def _line(text: str, style: str) -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ignore")
