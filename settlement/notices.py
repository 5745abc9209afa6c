"""Notices to people: templates with both texts are in settlement/notices.toml."""

from collections.abc import Mapping


def render(template: str, params: Mapping[str, str | int | bool | None | list[str]]) -> tuple[str, str]:
    """Return the text of a notice in (zh-CN, en)."""
    raise NotImplementedError(template, params)
