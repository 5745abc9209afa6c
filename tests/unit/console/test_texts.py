"""Texts stand in every language, and templates name only texts that there are."""

import re
import tomllib
from pathlib import Path
from string import Formatter

import pytest

from console.alarms import ALARMS
from console.documents import anchor, documents, html_of
from console.language import COMMON, COURSE, LANGUAGES, Texts, catalogue, wanted
from console.rules import SECTIONS, rule_of
from contracts.catalogue import MESSAGES
from settlement.timers import TimerKind

ROOT = Path(__file__).parents[3]
TEXTS = sorted((ROOT / "console" / "texts").glob("*.toml"))
TEMPLATES = sorted((ROOT / "console" / "templates").glob("*.html"))


def texts_of(file: Path) -> set[str]:
    """Texts that a template may name: its page's, and of parts those of every page that is made of them."""
    own = set(catalogue(file.stem)) | set(catalogue(COMMON)) | set(catalogue(COURSE))
    users = [each for each in TEMPLATES if f'"{file.name}"' in each.read_text(encoding="utf-8")]
    return own.union(*map(texts_of, users))


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: file.stem)
def test_every_text_is_there_in_every_language_with_the_same_places(file):
    for name, texts in catalogue(file.stem).items():
        assert set(texts) == set(LANGUAGES), name
        places = [{field for _, field, _, _ in Formatter().parse(text) if field} for text in texts.values()]
        assert all(each == places[0] for each in places), name
        assert all(text.strip() == text != "" for text in texts.values()), name
    assert tomllib.loads(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: file.stem)
def test_templates_name_only_texts_that_there_are(file):
    named = set(re.findall(r"\bt\('([\w.]+)'[,)]", file.read_text(encoding="utf-8")))
    assert named <= texts_of(file)


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: file.stem)
def test_templates_have_nothing_that_the_policy_forbids(file):
    text = file.read_text(encoding="utf-8")
    assert re.findall(r"\s(?:style|on\w+)=|<style|javascript:|\|\s*safe\b|hx-on|hx-vals=.js:", text) == []
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))
    assert re.findall(r"(?:src|href|action)=\"(?:https?:)?//", text) == []


def test_every_alarm_has_words_and_a_runbook_that_there_is():
    texts = catalogue("now")
    for alarm in ALARMS:
        assert f"alarm.{alarm.name}" in texts
        assert alarm.runbook is None or alarm.runbook in documents()


def test_every_message_and_timer_has_words_and_a_section_of_the_rules():
    rules = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    anchors = {anchor(heading) for heading in re.findall(r"^#+ (.+)$", rules, flags=re.MULTILINE)}
    assert {anchor(section) for _, section in SECTIONS} <= anchors
    texts = catalogue(COURSE)
    types = [each.message_type() for messages in MESSAGES.values() for each in messages]
    for kind in (*types, *map(str, TimerKind)):
        assert rule_of(kind) is not None, kind
        assert f"happened.{kind}" in texts


def test_words_of_codes_fall_back_to_the_code():
    texts = Texts("now", "en")
    assert texts.code("outcome", "dead_lettered") == "dead letter"
    assert texts.code("outcome", "something_new") == "something new"
    assert texts.code("outcome", None) == ""


@pytest.mark.parametrize(
    ("cookie", "header", "language"),
    [
        (None, "", "en"),
        (None, "zh", "zh-CN"),
        (None, "zh-TW,en;q=0.5", "zh-CN"),
        (None, "fr, de;q=0.9", "en"),
        (None, "en;q=0.2, zh-CN;q=0.8", "zh-CN"),
        (None, "zh;q=0, en", "en"),
        (None, ";;,q=;zh;q=x", "en"),
        ("zh-CN", "en", "zh-CN"),
        ("tlh", "zh", "zh-CN"),
    ],
)
def test_the_language_is_the_chosen_one_or_what_the_browser_asks_for(cookie, header, language):
    assert wanted(cookie, header) == language


def test_markdown_is_text_but_for_its_marks_and_leads_to_documents_that_are_shown():
    page = html_of(
        "# A *b*, c\n\n<script>x</script> [r](rules.md#overdue) [p](../runbooks/lag-grows.md) [x](protocol.md)"
    )
    assert "&lt;script&gt;" in page
    assert '<h1 id="a-b-c">' in page
    assert 'href="/document?name=rules#overdue"' in page
    assert 'href="/document?name=lag-grows"' in page
    assert "protocol" not in page
