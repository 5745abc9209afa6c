"""Dead letters, conflicts, parked inputs, books and terms in the operators' page, from looking to being done."""

import json
from contextlib import asynccontextmanager

import pytest

from console.access import Role
from settlement.terms import TermsBook
from tests.integration.cli.conftest import lines
from tests.integration.cli.repairing import opened, placed, received, ticked
from tests.platform import eventually

PAGES = (
    *("/dead-letters", "/dead-letters?state=all&topic=purchase", "/conflicts", "/parked", "/payouts?state=all"),
    *("/books", "/terms", "/operator-log"),
)


@pytest.fixture(scope="module")
async def operator(served):
    async with served.visitor(Role.OPERATOR) as visitor:
        yield visitor


@pytest.fixture(scope="module")
async def approver(served):
    async with served.visitor(Role.APPROVER) as visitor:
        yield visitor


def json_of(look: str) -> str:
    path, _, query = look.partition("?")
    return f"{path}.json?{query}"


async def asked(visitor, address: str):
    status, told = await visitor.get(json_of(address))
    assert status == 200, told
    return told


async def send(served, *records) -> None:
    assert served.postpay("produce", "-", stdin=lines(*records)).code == 0
    await settle(served)


async def settle(served) -> None:
    waited = served.postpay("lag", "--wait", "50")
    assert waited.code == 0, waited.out + served.platform.workers[0].tail()


@asynccontextmanager
async def letters(served, operator, *records):
    """Dead letters that only this test knows, as they are listed."""
    before = {each["id"] for each in (await asked(operator, "/dead-letters?state=all"))["rows"]}
    await send(served, *records)
    rows = (await asked(operator, "/dead-letters"))["rows"]
    yield [each for each in reversed(rows) if each["id"] not in before]


@pytest.mark.parametrize("language", ["en", "zh-CN"])
async def test_every_page_is_shown_in_both_languages_to_everybody(served, language):
    for role in Role:
        async with served.visitor(role, **{"Accept-Language": language}) as visitor:
            for path in PAGES:
                status, shown = await visitor.get(path)
                assert status == 200, (role, path, shown)
                assert f'<html lang="{language}">' in shown


@pytest.mark.parametrize(
    "path",
    ["/dead-letters?reason=bored", "/dead-letters?since=soon", "/conflicts?topic=bored", "/parked?older_than=long",
     "/dead-letters?after=WzFd", "/operator-log?below=x", "/terms?first=x", "/dead-letters?key=%00", "/conflict?id=%00",
     "/conflicts?producer=%5C9"],
)  # fmt: skip
async def test_what_is_asked_wrongly_is_told(operator, path):
    assert [(await operator.get(each))[0] for each in (path, json_of(path))] == [400, 400]
    assert (await operator.get("/dead-letter?id=nothing"))[0] == 404
    assert (await operator.get("/conflict?id=nothing"))[0] == 404


async def test_lists_are_in_groups_that_lead_to_their_rows(operator):
    for look in ("/dead-letters?state=all", "/conflicts", "/parked"):
        found = await asked(operator, look)
        assert found["facets"]["total"] == len(found["rows"]) > 0
        groups = {each["name"]: each["rows"] for each in found["facets"]["groups"]}
        for rows in groups.values():
            for each in rows:
                led_to = await asked(operator, each["look"])
                assert led_to["facets"]["total"] == len(led_to["rows"]) == each["count"], each
        assert sum(each["count"] for each in groups["reason"]) == found["facets"]["total"]
    conflicts = (await asked(operator, "/conflicts"))["rows"]
    assert [each["reason_code"] for each in conflicts] == ["same_business_id", "same_event_id"]
    _, shown = await operator.get("/conflict", id=conflicts[1]["id"])
    assert ("amount_minor" in shown, "130000" in shown) == (True, True)
    assert [each["event_id"] for each in (await asked(operator, "/parked?older_than=12h"))["rows"]] == ["p-9"]


async def test_older_rows_are_led_to_until_there_are_none(operator, monkeypatch):
    for name, first in (
        ("dead_letters", "/dead-letters?state=all"),
        ("conflicts", "/conflicts"),
        ("parked", "/parked"),
    ):
        whole = (await asked(operator, first))["rows"][:4]
        monkeypatch.setattr(f"console.pages.{name}.ROWS", 1)
        found, look = [], first
        while look is not None and len(found) < len(whole):
            page = await asked(operator, look)
            found, look = found + page["rows"], page["look_older"]
        assert found == whole != [], name


async def test_a_message_is_checked_edited_approved_by_another_and_applied(served, operator, approver):
    buyer = {"key": "e-buyer", "account_id": "e-buyer"}
    wrong = placed("e-1", "o-e1", "2026-01-08T10:00:00+08:00", amount_minor="12 yuan", **buyer)
    async with letters(served, operator, opened("e-buyer"), wrong) as (letter,):
        shown = await asked(operator, f"/dead-letter?id={letter['id']}")
    given = {"id": letter["id"], "body": shown["body"]}
    _, as_it_came = await operator.post("/dead-letter/check.json", **given)
    assert (as_it_came["status"], as_it_came["is_edited"]) == ("refused", False)
    assert "amount_minor" in as_it_came["detail"]
    for body in (shown["body"], shown["body"][:-1]):
        status, refused = await operator.post("/dead-letter/check", **given | {"body": body})
        assert (status, 'id="checked"' in refused) == (200, True), "what is not sent is shown, too, at every key"
    assert (await operator.post("/dead-letter/redrive", id=letter["id"], reason="why"))[0] == 409
    assert (await operator.post("/dead-letter/request", **given, reason="why"))[0] == 409
    given["body"] = json.dumps({**json.loads(shown["body"]), "amount_minor": 1_200})
    status, checked = await operator.post("/dead-letter/check", **given)
    assert (status, "12.00 CNY" in checked, 'id="checked"' in checked) == (200, True, True)
    status, request = await operator.post("/dead-letter/request.json", **given, reason="its shop said so")
    assert status == 200, request
    status, done = await approver.post("/approvals/approve.json", entry=request["entry"], reason="asked the shop")
    assert status == 200, done
    await settle(served)
    count = "SELECT amount_minor FROM purchase_order WHERE order_id = 'o-e1'"
    assert await served.platform.count(count) == 1_200
    after = await asked(operator, f"/dead-letter?id={letter['id']}")
    redriven = after["entries"][0]
    assert (after["state"], redriven["operator"], redriven["after"]["edited"]) == ("redriven", "operator", True)
    assert "approved by approver" in redriven["reason"]


async def test_letters_are_closed_in_bulk_a_part_at_a_time(served, operator, monkeypatch):
    bad = [placed(f"b-{number}", "o-b", "2026-01-08T10:00:00+08:00", key="bulk") for number in range(7)]
    monkeypatch.setattr("operating.selection.LETTERS_AT_ONCE", 3)
    monkeypatch.setattr("console.pages.repair.BULK_BUDGET_S", 0.0)
    where = {"where.reason": "key_mismatch", "where.key": "bulk"}
    async with letters(served, operator, *bad) as found:
        assert len(found) == 7
    assert (await operator.post("/dead-letters/bulk", what="close", reason="why"))[0] == 409
    _, tried = await operator.post("/dead-letters/bulk.json", what="rehearse", reason="why", **where)
    assert (tried["total"], tried["states"]) == (7, [{"state": "refused", "count": 3}])
    going, seen = "", []
    while going is not None:
        _, done = await operator.post("/dead-letters/bulk.json", what="close", reason="wrong", going=going, **where)
        going = done["going"]
        seen.append(done["done_count"])
    assert seen == [3, 6, 7]
    assert (await asked(operator, "/dead-letters?key=bulk"))["rows"] == []
    closed = (await asked(operator, "/dead-letters?key=bulk&state=done"))["rows"]
    assert [each["closed"]["reason"] for each in closed] == ["wrong"] * 7
    one = {"id": closed[0]["id"], "reason": "it was right"}
    assert (await operator.post("/dead-letter/reopen", **one))[0] == 303
    assert "It is open again." in (await operator.get("/dead-letter", id=closed[0]["id"]))[1]


async def test_what_waited_in_vain_is_redriven_in_bulk_and_applied(served, operator):
    buyer = {"key": "w-buyer", "account_id": "w-buyer"}
    at = "2026-01-08T11:00:00+08:00"
    late = [opened("w-buyer"), *(received(f"w-{number}", f"o-w{number}", at, "w-buyer") for number in range(2))]
    over = ticked("t-w", "2026-01-12T12:00:00+08:00")
    async with letters(served, operator, *late, over) as found:
        marked = {f"id.{each['id']}": "on" for each in found if each["event_id"].startswith("w-")}
    orders = [placed(f"w-o{number}", f"o-w{number}", "2026-01-12T13:00:00+08:00", **buyer) for number in range(2)]
    await send(served, *orders)
    _, tried = await operator.post("/dead-letters/bulk.json", what="rehearse", reason="late", **marked)
    assert tried["states"] == [{"state": "applied", "count": 2}]
    status, done = await operator.post("/dead-letters/bulk", what="redrive", reason="late", **marked)
    assert (status, "2 of 2" in done) == (200, True)
    await settle(served)
    for number in range(2):
        shown = served.postpay("decision", "show", "purchase", f"w-{number}", "--json").json
        assert shown["outcome"] == "applied"


async def test_an_audit_is_run_and_its_books_taken_away(served, operator):
    assert (await operator.post("/books/audit", reason="end of month"))[0] == 303

    async def ended() -> bool:
        return (await asked(operator, "/books"))["runs"][0]["ok"] is not None

    await eventually(ended)
    books = await asked(operator, "/books")
    assert (books["latest"]["ok"], books["latest"]["operator"]) == (True, "operator"), books["checks"][:3]
    assert {each["check"]: each["history"][-1]["ok"] for each in books["checks"]}["hash chain"]
    for book in books["balances"]:
        assert book["debit_minor"] == book["credit_minor"] > 0
    _, taken = await operator.get("/books/trial-balance.csv")
    assert f"limit,CNY,total,{books['balances'][0]['debit_minor']}" in taken
    assert "hash chain,True" in (await operator.get("/books/checks.csv"))[1]
    (run,) = [
        each for each in (await asked(operator, "/operator-log?action=audit&by=operator"))["rows"] if each["follows"]
    ]
    assert run["reason"] == "end of month"


async def test_terms_are_compared_asked_for_and_published_by_two(served, operator, approver):
    (version,) = TermsBook.builtin().document["versions"]
    later = json.loads(json.dumps(version)) | {"effective_from": "2027-01-01", "penalty_bps_per_day": 6}
    later["programmes"]["kuaishou"]["plans"]["deferred"]["days"] = [30, 60]
    changed = json.dumps({"versions": [version, later]})
    rewritten = json.dumps({"versions": [{**version, "penalty_bps_per_day": 7}, later]})
    status, wrong = await operator.post("/terms/check", text=rewritten)
    assert (status, "unchanged" in wrong) == (409, True)
    assert (await operator.post("/terms/check", text="versions = "))[0] == 400
    _, checked = await operator.post("/terms/check.json", text=changed)
    (added,) = checked["versions"]
    assert [(each["programme"], each["name"], each["was"], each["becomes"]) for each in added["rows"]] == [
        (None, "penalty_bps_per_day", 5, 6),
        ("kuaishou", "plans.deferred.days", [30, 60, 90], [30, 60]),
    ]
    _, request = await operator.post("/terms/request.json", text=changed, reason="decided in council")
    status, approved = await approver.post("/approvals/approve.json", entry=request["entry"], reason="read it")
    assert (status, approved["done"]["digest"]) == (200, checked["digest"])
    await settle(served)
    page = await asked(operator, "/terms")
    assert [len(each["lanes"]) for each in page["documents"]] == [2, 0]
    assert [each["name"] for each in page["rows"]] == ["penalty_bps_per_day", "plans.deferred.days"]
    assert "penalty per day" in (await operator.get("/terms"))[1]
    assert (await operator.post("/terms/request", text=changed, reason="again"))[0] == 409
