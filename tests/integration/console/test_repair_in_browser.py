"""Repair in a real browser: every page of it for everybody's eyes, and a dead letter from finding it to its end."""

import json
import os
from pathlib import Path

import pytest

from console.access import Role
from tests.integration.cli.conftest import lines
from tests.integration.cli.repairing import opened, placed
from tests.integration.console.conftest import SCRIPT
from tests.integration.console.test_browser import SIGHTS, complaints
from tests.integration.console.test_repair import asked, settle

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

PICTURES = os.environ.get("POSTPAY_TEST_PICTURES")
"""A folder to keep pictures of the pages in."""


@pytest.fixture
async def addresses(served) -> list[str]:
    """Every page of repair, with one of each thing."""
    async with served.visitor(Role.OPERATOR) as operator:
        letter = (await asked(operator, "/dead-letters?state=all&key=a-9"))["rows"][0]["id"]
        conflict = (await asked(operator, "/conflicts"))["rows"][0]["id"]
        if (await asked(operator, "/books"))["latest"] is None:
            assert served.postpay("audit", "--record", "--reason", "to be looked at").code == 0
    return [
        *("/dead-letters", "/dead-letters?reason=key_mismatch", f"/dead-letter?id={letter}", "/conflicts"),
        *(f"/conflict?id={conflict}", "/parked", "/payouts?state=all", "/books", "/terms", "/operator-log"),
    ]


@pytest.mark.parametrize("sight", SIGHTS, ids=["wide light en", "narrow dark zh"])
async def test_every_page_of_repair_is_accessible_and_fits(served, tab, sight, addresses):
    await tab.show(**sight)
    await served.log_in(tab, Role.OPERATOR)
    wrong = []
    for address in addresses:
        await tab.open(served.address + address)
        wrong += [f"{address}: {each}" for each in await complaints(tab, sight)]
        if PICTURES:
            name = address.strip("/").replace("?", "-").replace("/", "-").replace("&", "-")
            await tab.shoot(Path(PICTURES) / f"{name}-{sight['width']}.png")
    assert wrong == []
    assert tab.said == []


async def test_a_dead_letter_is_found_checked_while_it_is_edited_and_asked_for(served, tab):
    own = {"key": "live-buyer", "account_id": "live-buyer"}
    async with served.visitor(Role.OPERATOR) as operator:
        at = (await asked(operator, "/now"))["now_at"]
    wrong = placed("v-1", "o-v1", at, amount_minor="12 yuan", source="live shop", **own)
    assert served.postpay("produce", "-", stdin=lines(opened("live-buyer"), wrong)).code == 0
    await settle(served)
    await served.log_in(tab, Role.OPERATOR, "/dead-letters")
    await tab.follow("live shop")
    async with served.visitor(Role.OPERATOR) as operator:
        (letter,) = (await asked(operator, "/dead-letters?producer=live shop"))["rows"]
        body = json.loads((await asked(operator, f"/dead-letter?id={letter['id']}"))["body"])
    await tab.follow(letter["id"])
    came = "new Promise((done) => document.addEventListener('htmx:afterSettle', () => done(true), {once: true}))"
    await tab.evaluate(f"void (window.came = {came})")
    await tab.fill("textarea[name=body]", json.dumps({**body, "amount_minor": 1_300}))
    assert await tab.evaluate("window.came")
    checked = await tab.evaluate("document.getElementById('checked').innerText")
    assert ("applied" in checked, "13.00 CNY" in checked, "12 yuan" in checked) == (True, True, True), checked
    await tab.fill("#edit input[name=reason]", "the shop says 13")
    await tab.follow("Ask for approval", "#edit button")
    assert "A second person has been asked to approve it." in await tab.text()
    assert tab.said == []


async def test_a_bulk_is_done_without_scripts(served, tab):
    bad = [placed(f"n-{number}", "o-n", "2026-01-08T10:00:00+08:00", key="scriptless") for number in range(3)]
    assert served.postpay("produce", "-", stdin=lines(*bad)).code == 0
    await settle(served)
    await served.log_in(tab, Role.OPERATOR, "/dead-letters?key=scriptless")
    await tab.fill("fieldset input[name=reason]", "sent by mistake")
    await tab.show(script=False)
    async with tab.leaving():
        await tab.press("Enter")  # the first button: a dry run
    await tab.show(script=True)
    assert "3 of 3" in await tab.text()
    await tab.open(f"{served.address}/dead-letters?key=scriptless")
    await tab.fill("fieldset input[name=reason]", "sent by mistake")
    await tab.follow("Close", "fieldset button")
    assert "Closed" in await tab.text()
    await tab.open(f"{served.address}/dead-letters?key=scriptless")
    assert "None." in await tab.text()
    assert tab.said == []


async def test_what_messages_say_is_shown_as_text_here_too(served, tab):
    await served.log_in(tab, Role.OPERATOR, "/dead-letters?state=all")
    async with served.visitor(Role.OPERATOR) as operator:
        rows = (await asked(operator, "/dead-letters?state=all&reason=wrong_field"))["rows"]
        hostile = next(each["id"] for each in rows if each["event_id"] == "p-hostile")
    for address in ("/dead-letters?state=all", f"/dead-letter?id={hostile}"):
        await tab.open(served.address + address)
        assert await tab.evaluate("window.hacked === undefined"), address
        assert await tab.evaluate("document.querySelectorAll('main img').length") == 0
    assert SCRIPT in await tab.text()
    assert tab.said == []
