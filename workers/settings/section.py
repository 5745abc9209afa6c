"""What sections of the settings share."""

from pydantic import BaseModel, ConfigDict

BROKER = r"([^\s,:\[\]]+|\[[0-9A-Fa-f:.]+(%\w+)?\]):\d{1,5}"


def without_blanks(value: object) -> object:
    """Blanks around commas and at the ends are no part of a list's items."""
    return ",".join(part.strip() for part in value.split(",")) if isinstance(value, str) else value


class Section(BaseModel):
    """Settings with a common first word; a word that none of them has is an error, not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)
