"""What commands print: JSON for programs, tables and sentences for people."""

import base64
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import typer
from iso4217 import Currency
from rich.console import Console
from rich.table import Table

BUSINESS_ZONE = ZoneInfo("Asia/Shanghai")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def plain(value: object) -> Any:
    """Give JSON's form of what JSON has none for."""
    match value:
        case datetime() | date():
            return value.isoformat()
        case UUID():
            return str(value)
        case bytes():
            return {"base64": base64.b64encode(value).decode()}
        case set() | frozenset():
            return sorted(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def print_document(value: Any) -> None:
    """Print one JSON document, indented for people."""
    print_json(value, indent=2 if sys.stdout.isatty() else None)


def print_lines(values: Iterable[Any]) -> None:
    """Print JSON lines."""
    for value in values:
        print_json(value)


def print_json(value: Any, indent: int | None = None) -> None:
    """Print JSON; a lone surrogate, which UTF-8 cannot hold, as the escape it came as."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=plain)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(value, indent=indent, default=plain)
    typer.echo(text.encode())


def people() -> Console:
    """The console of text for people; nothing in it is taken for markup."""
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=not sys.stdout.isatty())


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table; columns whose name begins with `#` are numbers, to the right."""
    made = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        if column.startswith("#"):
            made.add_column(column[1:], justify="right", no_wrap=True)
        else:
            made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*("" if cell is None else str(cell) for cell in row))
    return made


def money(amount_minor: int, currency: str | None) -> str:
    """Minor units as people write them: `1,234.50 CNY`."""
    digits = _digits(currency)
    sign, size = "-" if amount_minor < 0 else "", abs(amount_minor)
    whole, part = divmod(size, 10**digits)
    return f"{sign}{whole:,}{f'.{part:0{digits}d}' if digits else ''} {currency or ''}".rstrip()


def _digits(currency: str | None) -> int:
    try:
        exponent = Currency(currency).exponent
    except ValueError:
        return 0
    return exponent or 0


def moment(at: datetime | str | None) -> str:
    """An instant by the clocks of the business's zone, to the second."""
    if at is None:
        return ""
    known = datetime.fromisoformat(at) if isinstance(at, str) else at
    return known.astimezone(BUSINESS_ZONE).strftime("%Y-%m-%d %H:%M:%S")


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """`1 order`, `2 orders`; a plural that is not made with an s is given."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
