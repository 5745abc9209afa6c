"""Stories as their files tell them. How to write one: tests/stories/README.md."""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from tests.stories import wire

FOLDER = Path(__file__).parent
SYSTEMS = ("S1", "S2", "S3", "S4", "S5")
OPENED = "2026-01-01 09:00"

FOLLOWING = {
    "debit": ("auto-debit", "auto_debit.requested"),
    "debit cancelled": ("auto-debit", "auto_debit.cancelled"),
    "released": ("limit-release", "limit.released"),
    "reclaimed": ("limit-release", "limit.reclaimed"),
    "restored": ("limit-release", "limit.restored"),
    "payout": ("payout", "payout.requested"),
    "notice": ("notification", "notification.requested"),
}
"""What may follow a step: topic and type by the story's word."""

OUTCOMES = ("applied", "declined", "duplicate", "conflict", "parked", "dead_lettered")
STEP_KEYS = frozenset({"at", "arrives", "becomes", "then", "account", "merchant", "because"})
STORY_KEYS = frozenset({"title", "system", "rules", "about", "account", "merchant", "untold", "steps"})
ACCOUNT_KEYS = frozenset({"programme", "limit", "opened", "score", "card", "identity"})
MERCHANT_KEYS = frozenset({"registered", "cycle", "currency"})
ROUTINE = frozenset({"purchase_accepted", "payment_due_soon", "trial_ending", "penalty_charged"})
"""Notices that so many stories bring that only those that tell of one are held to it."""
LINE_WORDS = ("limit", "available", "held", "used")

OF_PROGRAMMES: dict[str, dict[str, str]] = {
    "kuaishou": {},
    "taobao": {"card": "yes", "identity": "yes"},
    "douyin": {"card": "yes", "identity": "yes"},
    "tmall": {"score": "700"},
}
"""What an account of each programme has when its story doesn't say: what the programme needs."""


class StoryError(ValueError):
    """A story file can't be understood; the message names file and story, and says what was expected."""


@dataclass(frozen=True)
class Following:
    """One output that a story expects: `debit`, `notice`, …, a notice's template, and the words that must agree."""

    what: str
    template: str = ""
    words: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """A message, or time that passes, and what follows from it.

    `at` is when it happened, `arrives` when it is sent. `becomes` is the message's final outcome, with the reason of
    one that is declined or dead-lettered. `account` and `merchant` are what `postpay … show` must say right after it.
    """

    at: datetime
    arrives: datetime
    kind: str | None
    words: dict[str, Any]
    becomes: str | None
    then: Sequence[Following] = ()
    account: Mapping[str, Any] | None = None
    merchant: Mapping[str, Any] | None = None
    because: str = ""

    @property
    def answers(self) -> tuple[str, int] | None:
        """Which of our requests it is about, such as ("debit", 1)."""
        numbered = (word for word in wire.NUMBERED if word in self.words and wire.is_numbered(self.words[word]))
        word = next(numbered, None)
        return (word, int(self.words[word])) if word is not None else None


@dataclass(frozen=True)
class Story:
    """One story. Its opening steps (line, merchant) are the first of `steps`."""

    file: str
    title: str
    system: str
    rules: Sequence[str]
    about: str
    programme: str
    untold: frozenset[str]
    steps: Sequence[Step]

    @property
    def name(self) -> str:
        """Its title as an id: lower case, words joined by hyphens."""
        return "-".join("".join(each if each.isalnum() else " " for each in self.title.lower()).split())

    @property
    def has_both(self) -> bool:
        """Whether it tells of an account and of a merchant."""
        kinds = {step.kind for step in self.steps}
        tells_of_merchant = "merchant.registered" in kinds or any(step.merchant is not None for step in self.steps)
        return "credit_line.opened" in kinds and tells_of_merchant

    @property
    def not_told(self) -> frozenset[str]:
        """Templates of notices that are not compared."""
        told = {following.template for step in self.steps for following in step.then}
        return self.untold | (ROUTINE - told)


@dataclass(frozen=True)
class Chapter:
    """One file."""

    name: str
    title: str
    about: str
    stories: Sequence[Story]


class _Loader(yaml.SafeLoader):
    """Everything is text: `1.10` must stay what somebody wrote, and `no` is an answer."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  the way PyYAML is told so

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise StoryError(f"{twice!r} is there twice{node.start_mark}")
        return super().construct_mapping(node, deep)


@cache
def chapters() -> tuple[Chapter, ...]:
    """All stories, file by file in alphabetical order.

    Raises:
        StoryError: a file can't be understood, or two stories have one title.
    """
    read = tuple([chapter(path) for path in sorted(FOLDER.glob("*.yaml"))])
    names = [story.name for chapter in read for story in chapter.stories]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise StoryError(f"two stories have the title {twice[0]!r}")
    return read


def stories() -> list[Story]:
    """All stories of all files."""
    return [story for chapter in chapters() for story in chapter.stories]


def chapter(path: Path) -> Chapter:
    """The stories of one file.

    Raises:
        StoryError: it can't be understood.
    """
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), _Loader)
        _only(document, {"title", "about", "stories"})
        found = [_story(path.name, told) for told in document["stories"]]
    except (yaml.YAMLError, StoryError, KeyError) as error:
        missing = f"{error} is missing" if isinstance(error, KeyError) else error
        raise StoryError(f"{path.name}: {missing}") from error
    return Chapter(path.stem, document["title"], document.get("about", "").strip(), found)


def _story(file: str, told: Mapping[str, Any]) -> Story:
    title = told.get("title", "(no title)")
    try:
        _only(told, STORY_KEYS)
        _require(told["system"] in SYSTEMS, f"expected a system of {', '.join(SYSTEMS)}, got {told['system']!r}")
        steps = _with_openings(_openings(told), [_step(each) for each in told["steps"]])
        _require_order(steps)
        return Story(
            file,
            title,
            told["system"],
            told["rules"],
            " ".join(told.get("about", "").split()),
            told.get("account", {}).get("programme", ""),
            frozenset(told.get("untold", ())),
            steps,
        )
    except (StoryError, wire.WordError, KeyError) as error:
        missing = f"{error} is missing" if isinstance(error, KeyError) else error
        raise StoryError(f"{title!r}: {missing}") from error


def _openings(told: Mapping[str, Any]) -> list[Step]:
    openings = []
    if "merchant" in told:
        words = dict(told["merchant"] or {})
        _only(words, MERCHANT_KEYS)
        at = wire.moment(words.pop("registered", "2026-01-01 08:00"))
        openings.append(Step(at, at, "merchant.registered", {"cycle": "7"} | words, "applied"))
    if "account" in told:
        words = dict(told["account"])
        _only(words, ACCOUNT_KEYS)
        at = wire.moment(words.pop("opened", OPENED))
        words = {name: text for name, text in (OF_PROGRAMMES[words["programme"]] | words).items() if text != "none"}
        openings.append(Step(at, at, "credit_line.opened", words, "applied"))
    if not openings:
        raise StoryError("expected an account, a merchant or both")
    return openings


def _with_openings(openings: Sequence[Step], steps: Sequence[Step]) -> list[Step]:
    """Put each opening before the first step that is told later, unless a step without words of its own tells it."""
    found = list(steps)
    for opening in reversed(openings):
        told = next((n for n, step in enumerate(found) if step.kind == opening.kind and not step.words), None)
        if told is not None:
            found[told] = replace(found[told], words=opening.words)
        else:
            place = next((n for n, step in enumerate(found) if step.arrives > opening.arrives), len(found))
            found.insert(place, opening)
    return found


def _step(told: Mapping[str, Any]) -> Step:
    kinds = [key for key in told if "." in key]
    _only(told, STEP_KEYS | set(kinds))
    at = wire.moment(told["at"])
    try:
        _require(len(kinds) < 2, f"expected one message, got {' and '.join(kinds)}")
        kind = kinds[0] if kinds else None
        if kind:
            wire.topic_of(kind)
            wire.body(kind, told[kind] or {}, lambda _word, _number: defaultdict(str))
        becomes = told.get("becomes", "applied" if kind else None)
        known = becomes is None or becomes.partition(":")[0] in OUTCOMES
        _require(known, f"expected an outcome such as declined: too_late, got {becomes!r}")
        return Step(
            at,
            wire.moment(told.get("arrives", told["at"])),
            kind,
            dict(told[kind] or {}) if kind else {},
            becomes,
            [_following(each) for each in told.get("then", ())],
            told.get("account"),
            told.get("merchant"),
            told.get("because", ""),
        )
    except ValueError as error:
        raise StoryError(f"step at {told['at']}: {error}") from error


def _following(told: str | Mapping[str, Any]) -> Following:
    name, words = (told, {}) if isinstance(told, str) else next(iter(told.items()))
    what, _, template = name.partition(" ") if name.startswith("notice ") else (name, "", "")
    if what not in FOLLOWING or (what == "notice") != bool(template):
        raise StoryError(f"expected one of {', '.join(FOLLOWING)} (notice with its template), got {name!r}")
    for word, content in (words or {}).items():
        wire.expected(word, content)
    return Following(what, template, words or {})


def _require_order(steps: Sequence[Step]) -> None:
    """A story is sent step by step, so that what follows can be told apart by its time."""
    for before, after in pairwise(steps):
        if after.arrives <= before.arrives:
            raise StoryError(
                f"step at {wire.said_moment(after.at)}: expected it after {wire.said_moment(before.arrives)};"
                " what is told late has a later `arrives`"
            )
    for step in steps:
        if step.arrives < step.at:
            raise StoryError(f"step at {wire.said_moment(step.at)}: it arrives before it happened")
    last = steps[-1]
    if last.account is None and last.merchant is None:
        raise StoryError("expected an account or a merchant at the last step: how it all ends")
    if last.account is not None and not set(LINE_WORDS) <= set(last.account):
        raise StoryError(f"expected {', '.join(LINE_WORDS)} of the account at the last step")


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise StoryError(otherwise)


def _only(told: Mapping[str, Any], allowed: frozenset[str] | set[str]) -> None:
    unknown = sorted(set(told) - allowed)
    if unknown:
        raise StoryError(f"expected only {', '.join(sorted(allowed))}, got {', '.join(unknown)}")
