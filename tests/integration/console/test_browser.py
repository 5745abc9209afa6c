"""The page in a real browser: for everybody's eyes, in both languages, wide and narrow, with and without scripts."""

from pathlib import Path

import pytest

from console.access import Role
from tests.integration.console.conftest import IMAGE, SCRIPT, _address

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

PAGES = [
    ("/", {}),
    ("/lanes", {}),
    ("/approvals", {}),
    ("/search", {"q": "o-1"}),
    ("/account", {"id": "a-1"}),
    ("/merchant", {"id": "m-1"}),
    ("/decision", {"topic": "purchase", "event_id": "p-1", "key": "a-1"}),
    ("/document", {"name": "dead-letters"}),
    ("/nowhere", {}),
]
SIGHTS = [
    {"width": 1440, "dark": False, "language": "en"},
    {"width": 380, "dark": True, "language": "zh-CN"},
]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.mark.parametrize("sight", SIGHTS, ids=["wide light en", "narrow dark zh"])
async def test_every_page_is_accessible_and_fits(served, tab, sight):
    await tab.show(**sight)
    await served.log_in(tab, Role.OPERATOR)
    wrong = []
    for path, query in PAGES:
        await tab.open(_address(served.address, path, query))
        wrong += [f"{path}: {each}" for each in await complaints(tab, sight)]
    assert wrong == []
    assert [each for each in tab.said if "404" not in each] == [], (
        "nothing that the policy forbids, no script that fails"
    )


async def complaints(tab, sight) -> list[str]:
    """What somebody who needs accessibility, or has a narrow screen, would find wrong with the page in a tab."""
    await tab.evaluate(AXE)
    found = await tab.evaluate(
        f"axe.run(document, {{runOnly: {RULES}}}).then((result) => result.violations.map((each) =>"
        " each.id + ': ' + each.nodes.slice(0, 3).map((node) =>"
        " node.target + ' ' + node.failureSummary).join('; ')))"
    )
    width = await tab.evaluate("document.documentElement.scrollWidth")
    if width > sight["width"]:
        found.append(f"it is {width} wide")
    if await tab.evaluate("document.documentElement.lang") != sight["language"]:
        found.append("it is in another language")
    return found


async def test_charts_are_drawn_and_live_pages_come_anew_by_themselves(served, tab):
    await served.log_in(tab, Role.AUDITOR)
    assert await tab.evaluate("document.querySelectorAll('.chart canvas').length") == 3
    await tab.evaluate("document.getElementById('main').dataset.old = 'yes'")
    came = "new Promise((done) => document.addEventListener('htmx:afterSettle', () => done(true), {once: true}))"
    assert await tab.evaluate(came)  # within ten seconds, by itself
    assert await tab.evaluate("document.getElementById('main').dataset.old ?? 'new'") == "new"
    assert await tab.evaluate("document.querySelectorAll('.chart canvas').length") == 3
    assert tab.said == []
    assert await tab.evaluate("document.getElementById('stale').hidden")
    failed = "new Promise((done) => document.addEventListener('htmx:sendError', () => done(true), {once: true}))"
    await tab.evaluate(f"void (window.failed = {failed})")
    await tab.call(
        "Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0
    )
    assert await tab.evaluate("window.failed")
    assert "what is shown here is old" in await tab.text()


async def test_what_messages_say_is_shown_as_text(served, tab):
    await served.log_in(tab, Role.OPERATOR)
    for path, query in (
        ("/account", {"id": SCRIPT}),
        ("/search", {"q": SCRIPT}),
        ("/search", {"q": IMAGE}),
        ("/decision", {"topic": "purchase", "event_id": IMAGE, "key": SCRIPT}),
        ("/decision", {"topic": "purchase", "event_id": "p-hostile"}),
    ):
        await tab.open(_address(served.address, path, query))
        text = await tab.text()
        assert SCRIPT in text or IMAGE in text, f"{path} {query}: {text}"
        assert await tab.evaluate("window.hacked === undefined"), path
        assert await tab.evaluate("document.querySelectorAll('main img').length") == 0
    assert tab.said == []


async def test_everything_is_read_and_done_without_scripts(served, tab):
    await tab.show(script=False)
    await served.log_in(tab, Role.SUPPORT, "/account?id=a-2")
    address = f"{served.address}/account.json?id=a-2"
    async with served.visitor(Role.SUPPORT) as support:
        assert (await support.get("/account.json", id="a-2"))[1]["account_id"] == "…"
    await tab.show(script=True)  # only to look at it: the page was loaded without
    assert "…" in await tab.text()
    await tab.fill("input[name=reason]", "the buyer called")
    async with tab.leaving():
        await tab.press("Enter")
    assert "a-2" in await tab.text(), address


async def test_the_keyboard_alone_reaches_content_search_and_pages(served, tab):
    await served.log_in(tab, Role.AUDITOR)
    await tab.press("Tab")
    assert await tab.evaluate("document.activeElement.className") == "skip"
    await tab.press("Enter")
    assert await tab.evaluate("document.activeElement.id") == "main"
    await tab.evaluate("document.activeElement.blur(), document.querySelector('.brand').focus()")
    await tab.press("Tab")
    assert await tab.evaluate("document.activeElement.name") == "q"
    await tab.call("Input.insertText", text="o-1")
    async with tab.leaving():
        await tab.press("Enter")
    assert "a-1" in await tab.text()


async def test_the_language_is_chosen_and_kept(served, tab):
    await served.log_in(tab, Role.AUDITOR, "/lanes")
    await tab.follow("中文")
    assert await tab.evaluate("document.documentElement.lang") == "zh-CN"
    assert (await tab.evaluate("location.pathname")) == "/lanes"
    await tab.follow("当前")
    assert await tab.evaluate("document.documentElement.lang") == "zh-CN"
