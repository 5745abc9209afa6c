"""A newcomer on call, with the page alone: from an alarm to the conflict behind it, and a dead letter repaired."""

import json

import pytest

from console.access import Role
from tests.integration.cli.conftest import lines
from tests.integration.cli.repairing import placed, received
from tests.integration.console.test_repair import asked, settle
from tests.platform import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

AT = "2026-01-09T10:00:00+08:00"
TROUBLE = lines(
    placed("s-1", "o-s1", AT),
    placed("s-1", "o-s1", AT, amount_minor=130_000, source="night shop"),
    placed("s-2", "o-s2", AT, amount_minor="12 yuan", source="night shop"),
    received("s-3", "o-s2", AT),
)


async def test_from_an_alarm_to_the_conflict_behind_it_and_a_dead_letter_that_is_settled_in_the_end(served, browser):
    assert served.postpay("produce", "-", stdin=TROUBLE).code == 0
    await settle(served)
    async with served.visitor(Role.OPERATOR) as program, browser.tab() as tab, browser.tab() as colleague:

        async def alarmed() -> bool:
            alarms = {each["alarm"] for each in (await asked(program, "/now"))["alarms"]}
            return {"conflicts", "dead_letters"} <= alarms

        await eventually(alarmed)
        # The alarm leads to the conflict, and the conflict says what differs.
        await served.log_in(tab, Role.OPERATOR)
        text = await tab.text()
        assert "Something needs a person" in text
        assert "Same id, other content" in text
        await tab.follow("Same id, other content", ".alarms a")
        (conflict,) = (await asked(program, "/conflicts?producer=night shop"))["rows"]
        await tab.follow(conflict["id"])
        text = await tab.text()
        assert all(each in text for each in ("amount_minor", "120000", "130000")), text
        await tab.follow("s-1")
        assert "1,200.00 CNY" in await tab.text(), "what was decided on the first one"
        # The next alarm leads to the dead letter, with its runbook.
        await tab.follow("Now")
        await tab.follow("Runbook: dead-letters")
        assert "dead" in await tab.text()
        await tab.open(served.address)
        await tab.follow("Dead letters in the last ten minutes", ".alarms a")
        await tab.follow("night shop")
        (letter,) = (await asked(program, "/dead-letters?producer=night shop&state=open"))["rows"]
        await tab.follow(letter["id"])
        assert "amount_minor" in await tab.text()
        # It is mended, looked at before it is sent, and asked for.
        body = json.loads(await tab.evaluate("document.querySelector('textarea[name=body]').value"))
        came = "new Promise((done) => document.addEventListener('htmx:afterSettle', () => done(true), {once: true}))"
        await tab.evaluate(f"void (window.came = {came})")
        await tab.fill("textarea[name=body]", json.dumps({**body, "amount_minor": 1_200}))
        assert await tab.evaluate("window.came")
        assert "12.00 CNY" in await tab.evaluate("document.getElementById('checked').innerText")
        await tab.fill("#edit input[name=reason]", "12 yuan are 1,200 fen, said the shop")
        await tab.follow("Ask for approval", "#edit button")
        # Somebody else approves.
        await served.log_in(colleague, Role.APPROVER, "/approvals")
        assert "12 yuan are 1,200 fen" in await colleague.text()
        mine = (
            "[...document.querySelectorAll('main li')].find((each) => each.innerText.includes('12 yuan are 1,200 fen'))"
        )
        await colleague.evaluate(f"{mine}.querySelector('input[name=reason]').focus()")
        await colleague.call("Input.insertText", text="so says the invoice")
        async with colleague.leaving():
            await colleague.evaluate(f"{mine}.querySelector('button').click()")
        # What became of it is told, and what had waited for it is settled with it.
        await settle(served)
        await tab.open(f"{served.address}/dead-letter?id={letter['id']}")
        await tab.follow("What became of the message")
        text = await tab.text()
        assert ("applied" in text, "12.00 CNY" in text) == (True, True), text
        waited = await asked(program, "/decision?topic=purchase&event_id=s-3")
        assert waited["outcome"] == "applied"
        assert (await asked(program, "/account?id=a-1"))["orders"][-1]["status"] == "owed"
        assert [*tab.said, *colleague.said] == []
