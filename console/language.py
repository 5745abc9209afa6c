"""The page's texts in the languages it has: `texts/NAME.toml`, each text with its languages side by side.

    [title]
    en = "Now"
    zh-CN = "当前"

A page has its own texts and those of `common` and `course`; a text may have places, `{count}`, for values.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from string import Formatter
from typing import Any

LANGUAGES: Mapping[str, str] = {"en": "English", "zh-CN": "中文"}
"""Every language by its tag, as itself calls it; the first is taken when none is wanted."""

COMMON = "common"
COURSE = "course"
"""Texts of what happens; several pages tell of it."""
COOKIE = "postpay_language"


class Texts:
    """The texts of one page in one language.

    Args:
        page: name of the page.
        language: one of LANGUAGES.
    """

    def __init__(self, page: str, language: str) -> None:
        self.language = language
        self._texts = {**catalogue(COMMON), **catalogue(COURSE), **catalogue(page)}

    def __call__(self, name: str, /, **values: Any) -> str:
        """A text, with values in its places.

        Raises:
            KeyError: there is none, or a place has no value.
        """
        return Formatter().vformat(self._texts[name][self.language], (), values)

    def code(self, group: str, code: str | None) -> str:
        """The words for a code of postpay's, `GROUP.CODE` among the texts; the code itself where there are none."""
        if code is None:
            return ""
        text = self._texts.get(f"{group}.{code}")
        return text[self.language] if text else code.replace("_", " ")


@cache
def catalogue(page: str) -> Mapping[str, Mapping[str, str]]:
    """The texts of a page by name, each by language; none where a page has no file."""
    file = files("console").joinpath("texts", f"{page}.toml")
    if not file.is_file():
        return {}
    return dict(_flat(tomllib.loads(file.read_text(encoding="utf-8"))))


def _flat(tables: Mapping[str, Any], above: str = "") -> Any:
    for name, table in tables.items():
        if all(isinstance(text, str) for text in table.values()):
            yield above + name, table
        else:
            yield from _flat(table, f"{above}{name}.")


def wanted(cookie: str | None, accept_language: str) -> str:
    """The language of a request: what its reader has chosen, or else what the browser asks for."""
    if cookie in LANGUAGES:
        return str(cookie)
    for tag in _by_quality(accept_language):
        for language in LANGUAGES:
            if tag.lower() == language.lower() or tag.lower().partition("-")[0] == language.partition("-")[0]:
                return language
    return next(iter(LANGUAGES))


def _by_quality(header: str) -> list[str]:
    tags: list[tuple[float, int, str]] = []
    for part in header.split(",")[:20]:
        tag, _, parameter = part.strip().partition(";")
        name, _, quality = parameter.strip().partition("=")
        try:
            weight = float(quality) if name == "q" else 1.0
        except ValueError:
            weight = 0.0
        if tag and weight > 0:
            tags.append((-weight, len(tags), tag))
    return [tag for _, _, tag in sorted(tags)]
