"""docs/stories.md, made from the stories: `python -m tests.stories.document --write`, or `--check` whether it is so."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from contracts.generated import GeneratedFiles
from tests.stories import wire
from tests.stories.story import Chapter, Following, Step, Story, chapters

DOCUMENT = Path(__file__).parents[2] / "docs" / "stories.md"
HEAD = """# Stories

How the rules work out, told by example. Made from the files in `tests/stories` by
`python -m tests.stories.document --write`; change them there. Every story is played against a real Kafka and a real
Postgres by `script/test tests/stories`, so what is told here is what happens. Times are those of Shanghai, amounts are
yuan.

Notices of accepted orders, of payments due soon, of trials that end and of penalties are told only in stories about
them. S1 to S5 are the five systems that postpay follows: Kuaishou's limit reclaim, Taobao's limit and cash-out,
Douyin's monthly payment, Tmall's trials, and Kuaishou's promotion deposits. Rules are named as the sections of
[rules.md](rules.md).
"""
IN_LISTS = frozenset({"orders", "cash outs", "other"})
"""What is shown as a list of its own."""


def document() -> str:
    """The text of docs/stories.md."""
    sections = [*_contents(), *[text for chapter in chapters() for text in _chapter(chapter)]]
    return HEAD + "\n" + "\n".join(sections)


def _contents() -> Iterator[str]:
    told = [story for chapter in chapters() for story in chapter.stories]
    for rule in sorted({rule for story in told for rule in story.rules}):
        yield f"- **{rule}**"
        yield from [f"  - [{story.title}](#{story.name}) ({story.system})" for story in told if rule in story.rules]
    yield ""


def _chapter(chapter: Chapter) -> Iterator[str]:
    yield f"## {chapter.title}\n"
    if chapter.about:
        yield f"{' '.join(chapter.about.split())}\n"
    for story in chapter.stories:
        yield from _story(story)


def _story(story: Story) -> Iterator[str]:
    # GitHub's own anchors drop some characters that ids of tests have, so each title brings its own.
    yield f'<a id="{story.name}"></a>\n\n### {story.title}\n'
    yield f"{story.system} · {', '.join(story.rules)}\n"
    if story.about:
        yield f"{story.about}\n"
    yield "| When | What happens | What follows |\n|---|---|---|"
    for step in story.steps:
        yield f"| {_when(step)} | {_what(step)} | {'<br>'.join(_follows(step, is_last=step is story.steps[-1]))} |"
    yield ""
    yield from _end(story.steps[-1])


def _when(step: Step) -> str:
    late = f"<br>told {wire.said_moment(step.arrives)}" if step.arrives > step.at else ""
    return f"{wire.said_moment(step.at)}{late}"


def _what(step: Step) -> str:
    what = f"`{step.kind}` {_words(step.words)}".rstrip() if step.kind else "time passes"
    because = f"<br>*{step.because}*" if step.because else ""
    return f"{what}{because}"


def _follows(step: Step, *, is_last: bool) -> Iterator[str]:
    if step.becomes not in {None, "applied"}:
        yield f"**{step.becomes}**"
    yield from map(_following, step.then)
    if not is_last:
        for shown in (step.account, step.merchant):
            if shown is not None:
                yield from _shown(shown)


def _following(following: Following) -> str:
    name = f"{following.what} `{following.template}`" if following.template else following.what
    return f"{name}: {_words(following.words)}" if following.words else name


def _shown(shown: Mapping[str, Any]) -> Iterator[str]:
    plain = {word: content for word, content in shown.items() if word not in IN_LISTS}
    told = shown.get("orders", {}).items()
    orders = {name: order if isinstance(order, str) else order.get("status", "") for name, order in told}
    yield f"*then: {_words(plain | ({'orders': orders} if any(orders.values()) else {}))}*"


def _end(step: Step) -> Iterator[str]:
    for shown in (step.account, step.merchant):
        if shown is None:
            continue
        plain = {word: content for word, content in shown.items() if word not in IN_LISTS}
        yield f"In the end: {_words(plain)}.\n"
        for name, told in shown.get("orders", {}).items():
            order = {"status": told} if isinstance(told, str) else dict(told)
            obligations = order.pop("obligations", None)
            yield f"- Order {name}: {_words(order)}"
            yield from _obligations(obligations or [])
        for name, obligations in shown.get("cash outs", {}).items():
            yield f"- Cash-out {name}:"
            yield from _obligations(obligations)
        if shown.get("other"):
            yield "- Other obligations:"
            yield from _obligations(shown["other"])
        yield ""


def _obligations(obligations: Sequence[Mapping[str, str]]) -> Iterator[str]:
    for each in obligations:
        yield f"  - {_words(each)}"


def _words(told: Mapping[str, Any]) -> str:
    return ", ".join(f"{word.replace('_', ' ')} {_text(word, content)}" for word, content in told.items())


def _text(word: str, content: Any) -> str:
    if isinstance(content, Mapping):
        return f"({_words(content)})" if content else "nothing"
    if isinstance(content, Sequence) and not isinstance(content, str):
        return ", ".join(_text("", each) for each in content) or "none"
    return str(wire.expected(word, content))


if __name__ == "__main__":
    sys.exit(GeneratedFiles("tests.stories.document", {DOCUMENT: document()}).run(sys.argv[1:]))
