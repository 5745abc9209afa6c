"""Notices to people: templates with both texts are in settlement/notices.toml."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path

from settlement.currency import major

Param = str | int | bool | list[str] | None
"""What a parameter of a notice may be; dates are ISO 8601 texts."""

_PLACEHOLDER = re.compile(r"\{([a-z_]+)(:word)?\}")


class NoticeError(ValueError):
    """notices.toml is wrong, or a rule and its notice don't fit; the message names the template and what is missing."""


class _Shown(Enum):
    """How a parameter is shown."""

    AS_IT_IS = 1
    MONEY = 2
    WORD = 3


@dataclass(frozen=True, slots=True)
class Template:
    """One notice, ready to render: texts with `%s`, and per text the parameters in their order."""

    zh: str
    en: str
    zh_params: tuple[tuple[str, _Shown], ...]
    en_params: tuple[tuple[str, _Shown], ...]

    @property
    def params(self) -> frozenset[str]:
        """Names of the parameters that a rule must give."""
        shown = {*self.zh_params, *self.en_params}
        names = {name for name, _ in shown}
        return frozenset(names | {"currency"} if any(how is _Shown.MONEY for _, how in shown) else names)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All templates, and the words for codes as (zh-CN, en)."""

    templates: Mapping[str, Template]
    words: Mapping[str, tuple[str, str]]


def render(template: str, params: Mapping[str, Param]) -> tuple[str, str]:
    """Return the text of a notice in (zh-CN, en).

    Raises:
        NoticeError: there is no such template, or a parameter is missing.
    """
    known = catalogue()
    try:
        notice = known.templates[template]
        return (
            notice.zh % tuple([_show(params, name, how, known.words, 0) for name, how in notice.zh_params]),
            notice.en % tuple([_show(params, name, how, known.words, 1) for name, how in notice.en_params]),
        )
    except KeyError as missing:
        raise NoticeError(
            f"notice {template!r}: expected a template and all its parameters, {missing} is missing"
        ) from None


@cache
def catalogue() -> Catalogue:
    """Read settlement/notices.toml, once.

    Raises:
        NoticeError: a text is missing.
    """
    document = tomllib.loads((Path(__file__).parent / "notices.toml").read_text(encoding="utf-8"))
    words = document.pop("words")
    try:
        return Catalogue(
            {name: _template(texts["zh-CN"], texts["en"]) for name, texts in document.items()},
            {code: (texts["zh-CN"], texts["en"]) for code, texts in words.items()},
        )
    except KeyError as missing:
        raise NoticeError(f"notices.toml: expected texts in zh-CN and en everywhere, {missing} is missing") from None


def _template(zh: str, en: str) -> Template:
    (zh_text, zh_params), (en_text, en_params) = _compile(zh), _compile(en)
    return Template(zh_text, en_text, zh_params, en_params)


def _compile(text: str) -> tuple[str, tuple[tuple[str, _Shown], ...]]:
    params = tuple((match[1], _how(match[1], word=bool(match[2]))) for match in _PLACEHOLDER.finditer(text))
    return _PLACEHOLDER.sub("%s", text.replace("%", "%%")), params


def _how(name: str, *, word: bool) -> _Shown:
    if word:
        return _Shown.WORD
    return _Shown.MONEY if name.endswith("_minor") else _Shown.AS_IT_IS


def _show(
    params: Mapping[str, Param], name: str, how: _Shown, words: Mapping[str, tuple[str, str]], language: int
) -> str:
    value = params[name]
    if how is _Shown.MONEY and isinstance(value, int):
        currency = params["currency"]
        amount = major(value, str(currency))
        return f"{currency} {amount}" if language or currency != "CNY" else f"{amount} 元"
    if isinstance(value, list):
        return (", " if language else "、").join([_word(each, how, words, language) for each in value]) or "-"
    return _word(str(value), how, words, language)


def _word(code: str, how: _Shown, words: Mapping[str, tuple[str, str]], language: int) -> str:
    if how is not _Shown.WORD:
        return code
    return words[code][language] if code in words else code
