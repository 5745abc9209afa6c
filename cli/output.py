"""What commands print: JSON for programs, text for people."""

import sys
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


def people() -> Console:
    """The console of text for people; nothing in it is taken for markup."""
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=not sys.stdout.isatty())
