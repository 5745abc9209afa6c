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
    """One notice, ready to render: texts for the `%` operator, and how each of their parameters is shown."""

    zh: str
    en: str
    shown: tuple[tuple[str, _Shown], ...]

    @property
    def params(self) -> frozenset[str]:
        """Names of the parameters that a rule must give."""
        names = {name for name, _ in self.shown}
        return frozenset(names | {"currency"} if any(how is _Shown.MONEY for _, how in self.shown) else names)


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
        zh: dict[str, Param] = {}
        en: dict[str, Param] = {}
        for name, how in notice.shown:
            value = params[name]
            if how is _Shown.MONEY and isinstance(value, int):
                zh[name], en[name] = _money(value, str(params["currency"]))
            elif how is _Shown.WORD or isinstance(value, list):
                zh[name], en[name] = _words(value, known.words if how is _Shown.WORD else {})
            else:
                zh[name] = en[name] = value
    except KeyError as missing:
        raise NoticeError(
            f"notice {template!r}: expected a template and all its parameters, {missing} is missing"
        ) from None
    return notice.zh % zh, notice.en % en


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
    shown = {match[1]: _how(match[1], word=bool(match[2])) for match in _PLACEHOLDER.finditer(zh + en)}
    return Template(_compiled(zh), _compiled(en), tuple(shown.items()))


def _compiled(text: str) -> str:
    return _PLACEHOLDER.sub(r"%(\1)s", text.replace("%", "%%"))


def _how(name: str, *, word: bool) -> _Shown:
    if word:
        return _Shown.WORD
    return _Shown.MONEY if name.endswith("_minor") else _Shown.AS_IT_IS


def _money(amount_minor: int, currency: str) -> tuple[str, str]:
    """An amount in (zh-CN, en)."""
    amount = major(amount_minor, currency)
    return (f"{amount} 元" if currency == "CNY" else f"{currency} {amount}"), f"{currency} {amount}"


def _words(value: Param, words: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
    """One code or several in (zh-CN, en); a code without words is shown as it is."""
    codes = [str(each) for each in value] if isinstance(value, list) else [str(value)]
    found = [words.get(code, (code, code)) for code in codes]
    return "、".join([zh for zh, _ in found]) or "-", ", ".join([en for _, en in found]) or "-"
