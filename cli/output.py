"""What commands print: JSON for programs, text for people."""

import sys
import textwrap
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.console import Console

from words.document import json_text

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def print_document(value: Any) -> None:
    """Print one JSON document, indented for people."""
    print_json(value, indent=2 if sys.stdout.isatty() else None)


def print_lines(values: Iterable[Any]) -> None:
    """Print JSON lines."""
    for value in values:
        print_json(value)


def print_json(value: Any, indent: int | None = None) -> None:
    """Print JSON; a lone surrogate, which UTF-8 cannot hold, as the escape it came as."""
    typer.echo(json_text(value, indent).encode())


class _People(Console):
    """Folds sentences where somebody looks, between words only: an id that is longer than a line stays whole."""

    def print(self, *objects: Any, **how: Any) -> None:
        """Print; what is still longer than a line is left to the terminal."""
        if self.is_terminal:
            objects = tuple(self._folded(each) if isinstance(each, str) else each for each in objects)
        super().print(*objects, soft_wrap=True, **how)

    def _folded(self, text: str) -> str:
        lines = (
            textwrap.wrap(line, self.width, break_long_words=False, break_on_hyphens=False) for line in text.split("\n")
        )
        return "\n".join("\n".join(line) for line in lines)


def people() -> Console:
    """The console of text for people; nothing in it is taken for markup."""
    return _People(highlight=False, markup=False, emoji=False)
