"""A newcomer on call, with the page alone: from an alarm to the conflict behind it, and a dead letter repaired."""

import json

import pytest

from console.access import Role
from tests.integration.cli.conftest import lines
from tests.integration.cli.repairing import opened, placed, received
from tests.integration.console.test_repair import asked, settle
from tests.platform import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

BUYER = "night-buyer"


def trouble(at: str) -> str:
    """Of a buyer of its own, at the lanes' time: other tests let time go on, until what is older is overdue."""
    own = {"key": BUYER, "account_id": BUYER}
    return lines(
        opened(BUYER),
        placed("s-1", "o-s1", at, **own),
        placed("s-1", "o-s1", at, amount_minor=130_000, source="night shop", **own),
        placed("s-2", "o-s2", at, amount_minor="12 yuan", source="night shop", **own),
        received("s-3", "o-s2", at, BUYER),
    )


SETTLED_AGAIN = "new Promise((done) => document.addEventListener('htmx:afterSettle', () => done(true), {once: true}))"
WHY = "12 yuan are 1,200 fen, said the shop"


async def test_from_an_alarm_to_the_conflict_behind_it_and_a_dead_letter_that_is_settled_in_the_end(served, browser):
    async with served.visitor(Role.OPERATOR) as program, browser.tab() as tab, browser.tab() as colleague:
        now_at = (await asked(program, "/now"))["now_at"]
        assert served.postpay("produce", "-", stdin=trouble(now_at)).code == 0
        await settle(served)

        async def alarmed() -> bool:
            alarms = {each["alarm"] for each in (await asked(program, "/now"))["alarms"]}
            return {"conflicts", "dead_letters"} <= alarms

        await eventually(alarmed)
        await served.log_in(tab, Role.OPERATOR)
        await from_the_alarm_to_the_conflict(tab, program)
        letter = await from_the_alarm_to_the_dead_letter(served, tab, program)
        await mended_and_asked_for(tab)
        await served.log_in(colleague, Role.APPROVER, "/approvals")
        await approved(colleague)
        await settle(served)
        await tab.open(f"{served.address}/dead-letter?id={letter}")
        await tab.follow("What became of the message")
        text = await tab.text()
        assert ("applied" in text, "12.00 CNY" in text) == (True, True), text
        waited = await asked(program, "/decision?topic=purchase&event_id=s-3")
        assert waited["outcome"] == "applied", "what had waited for it is settled with it"
        assert (await asked(program, f"/account?id={BUYER}"))["orders"][-1]["status"] == "owed"
        assert [*tab.said, *colleague.said] == []


async def from_the_alarm_to_the_conflict(tab, program) -> None:
    """The alarm leads to it; it says what differs, and leads to what was decided on the first message."""
    text = await tab.text()
    assert ("Something needs a person" in text, "Same id, other content" in text) == (True, True), text
    await tab.follow("Same id, other content", ".alarms a")
    (conflict,) = (await asked(program, "/conflicts?producer=night shop"))["rows"]
    await tab.follow(conflict["id"])
    text = await tab.text()
    assert all(each in text for each in ("amount_minor", "120000", "130000")), text
    await tab.follow("s-1")
    assert "1,200.00 CNY" in await tab.text()


async def from_the_alarm_to_the_dead_letter(served, tab, program) -> str:
    """The next alarm has a runbook, and leads to a letter that says what is wrong with it."""
    await tab.follow("Now")
    await tab.follow("Runbook: dead-letters")
    assert "dead" in await tab.text()
    await tab.open(served.address)
    await tab.follow("Dead letters in the last ten minutes", ".alarms a")
    await tab.follow("night shop")
    (letter,) = (await asked(program, "/dead-letters?producer=night shop&state=open"))["rows"]
    await tab.follow(letter["id"])
    assert "amount_minor" in await tab.text()
    return str(letter["id"])


async def mended_and_asked_for(tab) -> None:
    """It is told what would become of it while it is edited; a second person is asked."""
    body = json.loads(await tab.evaluate("document.querySelector('textarea[name=body]').value"))
    await tab.evaluate(f"void (window.came = {SETTLED_AGAIN})")
    await tab.fill("textarea[name=body]", json.dumps({**body, "amount_minor": 1_200}))
    assert await tab.evaluate("window.came")
    assert "12.00 CNY" in await tab.evaluate("document.getElementById('checked').innerText")
    await tab.fill("#edit input[name=reason]", WHY)
    await tab.follow("Ask for approval", "#edit button")


async def approved(colleague) -> None:
    assert WHY in await colleague.text()
    item = f"[...document.querySelectorAll('main li')].find((each) => each.innerText.includes('{WHY}'))"
    await colleague.evaluate(f"{item}.querySelector('input[name=reason]').focus()")
    await colleague.call("Input.insertText", text="so says the invoice")
    async with colleague.leaving():
        await colleague.evaluate(f"{item}.querySelector('button').click()")
