"""Named queries from `sql/queries/`, where the file beside a module is named and placed as the module is.

A file holds statements, each led by `-- name: …` and a comment that says what it is for. Parameters are Postgres's own
`$1`; nothing is ever put into the text.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

_NAME = re.compile(r"^-- name: *(\w+) *$", re.MULTILINE)

_END_OR_WHOLE = re.compile(
    r"""(;) | --[^\n]* | /\*.*?\*/ | '(?:[^']|'')*' | "[^"]*" | \$(\w*)\$.*?\$\2\$""", re.DOTALL | re.VERBOSE
)
"""The end of a statement, or what may hold a semicolon that is none: comments and texts."""


class QueryFileError(ValueError):
    """A query file names a statement twice or holds text before the first name."""


@cache
def read(name: str) -> Mapping[str, str]:
    """Read the statements of `sql/queries/{name}.sql` by their names; `name` may have a folder: `stories/account`."""
    text = files("storage").joinpath("sql", "queries", *f"{name}.sql".split("/")).read_text(encoding="utf-8")
    return MappingProxyType(parse(text))


def parse(text: str) -> dict[str, str]:
    """Cut a query file into its statements.

    Raises:
        QueryFileError: a name occurs twice, or a statement has none.
    """
    before, *parts = _NAME.split(text)
    if any(line and not line.startswith("--") for line in before.splitlines()):
        raise QueryFileError("expected `-- name: …` before the first statement")
    statements: dict[str, str] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        if name in statements:
            raise QueryFileError(f"the name {name!r} is given twice")
        statements[name] = body.strip()
    return statements


def statements(script: str) -> list[str]:
    """Cut a script into its statements, each without the semicolon that ends it."""
    cut, begin = [], 0
    for match in _END_OR_WHOLE.finditer(script):
        if match[1]:
            cut.append(script[begin : match.start()].strip())
            begin = match.end()
    cut.append(script[begin:].strip())
    return [each for each in cut if any(line and not line.startswith("--") for line in each.splitlines())]
