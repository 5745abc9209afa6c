"""Says in words which setting is wrong: its name, what was expected, what came."""

import difflib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from dotenv import dotenv_values
from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsError as UnreadableSettingError

PREFIX = "POSTPAY_"
ENV_FILE = ".env"

# Read elsewhere, not settings of the worker: fault injection of the tests, folders of the embedded stack.
NOT_SETTINGS = ("POSTPAY_FAULT", "POSTPAY_DEV", "POSTPAY_TEST", "POSTPAY_BENCHMARK")
# Names at least so alike are a slip: POSTPAY_LANE is, POSTPAY_PORT is not.
ALIKE = 0.85

Model = type[BaseModel]


class SettingsError(ValueError):
    """A setting has a value that cannot be used; one line for each, naming it, what was expected and what came."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a setting must be, in words, for the error line and docs/settings.md."""

    words: str


@dataclass(frozen=True, slots=True)
class Described:
    """One setting: the variable's name, what it must be, what it means, its default."""

    name: str
    expected: str
    meaning: str
    default: object


def described(model: Model, place: tuple[str, ...] = ()) -> Iterator[Described]:
    """Every setting of a model, those of its sections included, in order."""
    for name, field in model.model_fields.items():
        section = _section(model, name)
        if section is not None:
            yield from described(section, (*place, name))
        else:
            words = _expected_words(model, name)
            yield Described(setting_name((*place, name)), words, field.description or "", field.default)


def setting_name(place: Iterable[str | int]) -> str:
    """The variable's name of a place in the settings: `("kafka", "bootstrap")` is POSTPAY_KAFKA__BOOTSTRAP."""
    return PREFIX + "__".join(str(part) for part in place).upper()


def given() -> dict[str, str]:
    """All variables that look like ours, by upper-case name; the environment goes before the file."""
    filed = dotenv_values(ENV_FILE) if Path(ENV_FILE).is_file() else {}
    together = {name.upper(): value or "" for name, value in (*filed.items(), *os.environ.items())}
    return {name: value for name, value in together.items() if name.startswith(PREFIX)}


def unknown(model: Model, names: Iterable[str]) -> Iterator[str]:
    """A line for each name that nobody reads and that looks like a slip.

    A name without a section is refused only when it resembles one of ours: Kubernetes puts POSTPAY_SERVICE_HOST and
    POSTPAY_PORT_… into every container beside a service called postpay.
    """
    known = [setting.name for setting in described(model)]
    sections = {name.partition("__")[0] for name in known if "__" in name}
    for name in sorted(set(names) - set(known) - sections):
        similar = difflib.get_close_matches(name, known, n=1, cutoff=ALIKE)
        if not name.startswith(NOT_SETTINGS) and (similar or "__" in name):
            hint = f"did you mean {similar[0]}?" if similar else "docs/settings.md lists all"
            yield f"{name}: expected the name of a setting, got one that does not exist; {hint}"


def wrong(model: Model, error: ValidationError | UnreadableSettingError, values: Mapping[str, str]) -> Iterator[str]:
    """A line for each value that cannot be used; `values` is what `given` gave."""
    if isinstance(error, UnreadableSettingError):
        found = re.search(r'field "(\w+)"', str(error))
        yield _no_section(found.group(1) if found else "…")
        return
    for problem in error.errors():
        yield _line(model, problem, values)


def _line(model: Model, problem: Any, values: Mapping[str, str]) -> str:
    said = re.sub(r"^Value error, ", "", problem["msg"])
    if not problem["loc"]:
        return said
    place = tuple(str(part) for part in problem["loc"])
    section = _section(model, place[0])
    if section is not None and len(place) == 1:
        return _no_section(place[0])
    place = place[: 1 if section is None else 2]
    name = setting_name(place)
    if problem["type"] == "extra_forbidden":
        return next(unknown(model, [name]))
    because = f" ({said})" if problem["type"] == "value_error" else ""
    shown = _shown(name, values.get(name, str(problem["input"])))
    return f"{name}: expected {_expected_words(section or model, place[-1])}, got {shown}{because}"


def _no_section(section: str) -> str:
    name = setting_name((section,))
    return f"{name}: expected {name}__… for each setting of the section, got a value for all of it"


def _shown(name: str, value: str) -> str:
    """The value for an error line, with what may be a password left out."""
    if name.endswith("__DSN"):
        value = re.sub(r"(//[^:@/]*):[^@]*@", r"\1:…@", value)
        value = re.sub(r"(password=)[^&\s]*", r"\1…", value)
    return repr(value)


def _section(model: Model, name: str) -> Model | None:
    annotation = model.model_fields[name].annotation if name in model.model_fields else None
    is_section = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return cast("Model", annotation) if is_section else None


def _expected_words(model: Model, name: str) -> str:
    field = model.model_fields[name]
    found = [item for item in field.metadata if isinstance(item, Expected)] or [*_nested(field.annotation)]
    return found[0].words


def _nested(annotation: Any) -> Iterator[Expected]:
    """The Expected inside `Annotated[…] | None`."""
    for part in (annotation, *getattr(annotation, "__args__", ())):
        yield from (item for item in getattr(part, "__metadata__", ()) if isinstance(item, Expected))
