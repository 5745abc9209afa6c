"""The one place that makes HTML or JSON of a page's value."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from console import charts
from console.access import Permission, may
from console.documents import html_of
from console.language import LANGUAGES, Texts
from console.login.sessions import OperatorSession
from console.login.users import ConsoleUser
from console.security import NOT_KEPT
from console.static import addresses
from words.document import json_text, plain
from words.phrases import moment, money


@dataclass(frozen=True, slots=True)
class View:
    """Who sees a page, and how.

    Args:
        language: one of LANGUAGES.
        address: path and query of the page.
        user: None before log-in.
        session: None before log-in.
        menu: pages to go to, each by its name, its path and whether it is the one that is shown.
        is_masked: ids and texts are hidden.
        is_live: the browser asks for it anew every few seconds.
        notice: told once at the top, the name of a text.
    """

    language: str
    address: str
    user: ConsoleUser | None = None
    session: OperatorSession | None = None
    menu: list[tuple[str, str, bool]] = field(default_factory=list)
    is_masked: bool = False
    is_live: bool = False
    notice: str | None = None

    def may(self, permission: str) -> bool:
        """Whether who looks may do something."""
        return self.user is not None and may(self.user.role, Permission(permission))


def document(value: Any) -> Any:
    """A value as it is in JSON: stories by their fields, instants as text."""
    return json.loads(json.dumps(value, default=_plain))


def json_response(value: Any, status: int = 200) -> web.Response:
    """A document as the answer."""
    return web.Response(
        text=json_text(value) + "\n",
        status=status,
        content_type="application/json",
        headers={"Cache-Control": NOT_KEPT},
    )


def html_response(template: str, value: Any, view: View, status: int = 200) -> web.Response:
    """A template filled with a document as the answer.

    Args:
        template: name of the page: `templates/NAME.html` and `texts/NAME.toml`.
        value: in JSON's form.
        view: who sees it.
        status: of HTTP.
    """
    texts = Texts(template, view.language)
    text = (
        _environment()
        .get_template(f"{template}.html")
        .render(page=value, view=view, t=texts, languages=LANGUAGES, static=addresses(), charts=charts)
    )
    return web.Response(
        body=text.encode(errors="backslashreplace"),  # a lone surrogate of a message is shown as what it is
        status=status,
        content_type="text/html",
        charset="utf-8",
        headers={"Cache-Control": NOT_KEPT, "Content-Language": view.language},
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., Any]] = {
        "money": money,
        "moment": _moment,
        "number": lambda number: f"{number:,}",
        "duration": duration,
        "link": link,
        "json": json_text,
        "markdown": html_of,
        "pretty": lambda value: json_text(value, 2),
        "sentence": lambda words: words[:1].upper() + words[1:],
    }
    environment.filters.update(filters)
    return environment


def link(path: str, **query: Any) -> str:
    """An address of the page with its query; what is None is left out."""
    given = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given, errors='surrogatepass')}" if given else path


def duration(seconds: float | None) -> str:
    """A time span as people say it: `45 s`, `12 min`, `3 h 20 min`, `2 d 5 h`; short enough for every language."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    if whole < 100:  # noqa: PLR2004  a minute and a half is told better in seconds
        return f"{whole} s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if hours < 1:
        return f"{minutes} min"
    if days < 1:
        return f"{hours} h {minutes % 60} min"
    return f"{days} d {hours % 24} h"


def _moment(text: str | None) -> str:
    """An instant of a document, by the clocks of the business's zone."""
    return "" if text is None else moment(datetime.fromisoformat(text))


def _plain(value: Any) -> Any:
    told = getattr(value, "document", None)
    if callable(told):
        return told()
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value):
        return {each.name: getattr(value, each.name) for each in fields(value)}
    return plain(value)
