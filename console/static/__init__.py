"""Files that browsers load: ours, and libraries as their projects publish them, each held to its sum."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from words.page import ECHARTS, ECHARTS_SHA256

FOLDER = Path(__file__).parent
HTMX_VERSION = "2.0.11"
HTMX_SHA256 = "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"


class StaticFileError(Exception):
    """A file is not the one that was checked in."""


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file as it is served; `address` changes with its content, so browsers may keep it for ever."""

    name: str
    content_type: str
    body: bytes

    @property
    def address(self) -> str:
        """Where it is served."""
        return f"/static/{hashlib.sha256(self.body).hexdigest()[:16]}/{self.name}"


@cache
def static_files() -> Mapping[str, StaticFile]:
    """Every file by its name.

    Raises:
        StaticFileError: a library is not the one whose sum stands here.
    """
    found = [
        StaticFile("console.css", "text/css", (FOLDER / "console.css").read_bytes()),
        StaticFile("console.js", "text/javascript", (FOLDER / "console.js").read_bytes()),
        StaticFile("icon.svg", "image/svg+xml", (FOLDER / "icon.svg").read_bytes()),
        _library(FOLDER / "htmx.min.js", HTMX_SHA256),
        _library(ECHARTS, ECHARTS_SHA256),
    ]
    return {each.name: each for each in found}


def addresses() -> Mapping[str, str]:
    """Where each file is served, by its name."""
    return {name: each.address for name, each in static_files().items()}


def _library(path: Path, wanted: str) -> StaticFile:
    body = path.read_bytes()
    found = hashlib.sha256(body).hexdigest()
    if found != wanted:
        raise StaticFileError(f"expected {path} to have sum {wanted}, got {found}: install this release anew")
    return StaticFile(path.name, "text/javascript", body)
