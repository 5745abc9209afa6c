"""The documents that the page refers to: runbooks, rules, and what they link to. Shown as they are in docs/."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

SHIPPED = Path(__file__).parent / "docs"
CHECKED_OUT = Path(__file__).parents[1] / "docs"
OTHERS = ("commands", "console", "glossary", "operations", "rules")

_LINK = re.compile(r"(?:\.\./)?(?:runbooks/)?([a-z-]+)\.md(#.*)?")


@cache
def documents() -> Mapping[str, Path]:
    """Every document by its name; a runbook's is that of its file."""
    folder = SHIPPED if SHIPPED.is_dir() else CHECKED_OUT
    runbooks = {file.stem: file for file in sorted((folder / "runbooks").glob("*.md"))}
    return runbooks | {name: folder / f"{name}.md" for name in OTHERS}


def html_of(text: str) -> Markup:
    """Markdown as HTML, with an anchor at each heading; HTML within it is text."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(text)
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", anchor(tokens[place + 1].content))
        for child in token.children or ():
            _lead_to_documents(child)
    return Markup(parser.renderer.render(tokens, parser.options, {}))  # noqa: S704  the parser escapes what it is given


def anchor(heading: str) -> str:
    """A heading's anchor, as code hosts make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _lead_to_documents(token: Token) -> None:
    """Links between documents lead to the page's own; what is not shown here is not linked."""
    target = token.attrGet("href")
    if token.type != "link_open" or not isinstance(target, str) or target.startswith("#"):
        return
    found = _LINK.fullmatch(target)
    if found is not None and found[1] in documents():
        token.attrSet("href", f"/document?name={found[1]}{found[2] or ''}")
    else:
        token.attrs = {}
