"""Dead letters, conflicts, parked inputs, books and terms in the operators' page, against a platform in trouble."""

import json
import re
from dataclasses import dataclass

import pytest

from settlement.terms import TermsBook
from tests.command import Command
from tests.integration.cli.conftest import lines
from tests.integration.cli.repairing import TROUBLE, placed
from tests.integration.console.visiting import Visitor, visitors
from tests.platform import Platform, eventually, platform

EARLY = "2026-01-06"
"""The letters of the beginning are from before."""


@dataclass(frozen=True)
class Desk:
    """A platform in trouble, and who looks after it."""

    made: Platform
    postpay: Command
    people: dict[str, Visitor]

    @property
    def operator(self) -> Visitor:
        return self.people["operator"]

    async def letter(self, reason: str) -> str:
        found = await self.operator.get(f"/dead-letters.json?reason={reason}&until={EARLY}")
        (row,) = found.json["rows"]
        return row["id"]

    def settle(self) -> None:
        waited = self.postpay("lag", "--wait", "50")
        assert waited.code == 0, waited.out + self.made.workers[0].tail()


@pytest.fixture(scope="module")
async def desk(stack, tmp_path_factory):
    logs = tmp_path_factory.mktemp("desk")
    async with platform(stack.bootstrap, stack.dsn, logs, lanes=2, POSTPAY_CLOCK="event") as made:
        postpay = Command(made.environment)
        worker = made.worker()
        for part in TROUBLE:
            assert postpay("produce", "-", stdin=part).code == 0
            assert postpay("lag", "--wait", "50").code == 0, worker.tail()
        async with visitors(made.settings, logs) as people:
            yield Desk(made, postpay, people)
        assert await worker.stopped() == 0, worker.tail()
        await made.require_sound()


PAGES = (
    *("/dead-letters", "/dead-letters?state=all&topic=purchase", "/conflicts", "/parked", "/payouts?state=all"),
    *("/books", "/terms", "/operator-log"),
)


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize("path", PAGES)
async def test_every_page_is_shown_in_both_languages_and_as_json(desk, path, language):
    for visitor in desk.people.values():
        shown = await visitor.get(path, language)
        assert shown.status == 200, shown.text
        assert f'<html lang="{language}">' in shown.text
    page, _, query = path.partition("?")
    assert (await desk.operator.get(f"{page}.json?{query}")).json.keys()


@pytest.mark.parametrize(
    "path",
    ["/dead-letters?reason=bored", "/dead-letters?since=soon", "/conflicts?topic=bored", "/parked?older_than=long",
     "/dead-letters?after=WzFd", "/operator-log?below=x", "/terms?first=x"],
)  # fmt: skip
async def test_what_is_asked_wrongly_is_told(desk, path):
    page, _, query = path.partition("?")
    for address in (path, f"{page}.json?{query}"):
        assert (await desk.operator.get(address)).status == 400
    assert (await desk.operator.get("/dead-letter?id=nothing")).status == 404


async def test_lists_are_in_groups_that_lead_to_their_rows(desk):
    found = (await desk.operator.get(f"/dead-letters.json?state=all&until={EARLY}")).json
    groups = {each["name"]: each["rows"] for each in found["facets"]["groups"]}
    assert {each["code"]: each["count"] for each in groups["reason"]} == {"wrong_field": 1, "key_mismatch": 1, "nul": 1}
    for rows in groups.values():
        for each in rows:
            page, _, query = each["look"].partition("?")
            led_to = (await desk.operator.get(f"{page}.json?{query}")).json
            assert led_to["facets"]["total"] == len(led_to["rows"]) == each["count"]
    conflicts = (await desk.operator.get("/conflicts.json")).json
    assert [each["reason_code"] for each in conflicts["rows"]] == ["same_business_id", "same_event_id"]
    shown = await desk.operator.get(f"/conflict?id={conflicts['rows'][1]['id']}")
    assert ("amount_minor" in shown.text, "130000" in shown.text) == (True, True)
    parked = (await desk.operator.get("/parked.json?older_than=12h")).json
    assert [each["event_id"] for each in parked["rows"]] == ["p-9"]


async def test_who_may_not_see_ids_sees_none(desk):
    for path in ("/dead-letters", "/conflicts", "/parked", "/operator-log"):
        shown = await desk.people["viewer"].get(path)
        assert not re.search(r"\bp-(text|key|1b|10)\b", shown.text), path
        assert shown.text.count('name="reason"') == (1 if path == "/parked" else 0)


LETTER_FORMS = ("check", "redrive", "close", "reopen", "request")


async def test_every_action_is_refused_to_those_who_may_not_and_to_forms_of_elsewhere(desk):
    letter = await desk.letter("nul")
    actions = {
        **{f"/dead-letter/{each}": {"id": letter, "body": "{}"} for each in LETTER_FORMS},
        "/dead-letters/bulk": {"what": "close", f"id.{letter}": "on"},
        "/books/audit": {},
        "/terms/check": {"text": "{}"},
        "/terms/request": {"text": "{}"},
    }
    before = await desk.made.count("SELECT count(*) FROM operator_log")
    for path, fields in actions.items():
        for suffix in ("", ".json"):
            for role in ("viewer", "support", "auditor", "approver"):
                refused = await desk.people[role].post(path + suffix, reason="why", **fields)
                assert refused.status == 403, (path, role)
            assert (await desk.operator.post(path + suffix, csrf="made up", reason="why", **fields)).status == 403
    assert await desk.made.count("SELECT count(*) FROM operator_log") == before


async def test_a_message_is_checked_edited_approved_by_another_and_applied(desk):
    letter = await desk.letter("wrong_field")
    shown = (await desk.operator.get(f"/dead-letter.json?id={letter}")).json
    as_it_came = await desk.operator.post("/dead-letter/check.json", id=letter, body=shown["body"])
    assert (as_it_came.json["status"], as_it_came.json["is_edited"]) == ("refused", False)
    assert "amount_minor" in as_it_came.json["detail"]
    refused = await desk.operator.post("/dead-letter/redrive", id=letter, reason="why")
    assert (refused.status, "amount_minor" in refused.text) == (409, True)
    mended = json.dumps({**json.loads(shown["body"]), "amount_minor": 1_200})
    checked = await desk.operator.post("/dead-letter/check", id=letter, body=mended)
    assert (checked.status, "12.00 CNY" in checked.text, 'id="checked"' in checked.text) == (200, True, True)
    asked = await desk.operator.post("/dead-letter/request.json", id=letter, body=mended, reason="its shop said so")
    assert asked.status == 200, asked.text
    entry = str(asked.json["entry"])
    assert (await desk.operator.post("/approvals/approve", entry=entry, reason="mine")).status == 403
    approved = await desk.people["approver"].post("/approvals/approve.json", entry=entry, reason="asked the shop")
    assert approved.status == 200, approved.text
    desk.settle()
    assert await desk.made.count("SELECT amount_minor FROM purchase_order WHERE order_id = 'o-2'") == 1_200
    after = (await desk.operator.get(f"/dead-letter.json?id={letter}")).json
    assert (after["state"], after["entries"][0]["operator"]) == ("redriven", "operator-one")
    assert "approved by approver-one" in after["entries"][0]["reason"]


async def test_letters_are_redriven_in_bulk_a_part_at_a_time(desk, monkeypatch):
    bad = [placed(f"b-{number}", f"o-b{number}", "2026-01-08T10:00:00+08:00", key="a-9") for number in range(7)]
    assert desk.postpay("produce", "-", stdin=lines(*bad)).code == 0
    desk.settle()
    monkeypatch.setattr("operating.selection.LETTERS_AT_ONCE", 3)
    monkeypatch.setattr("console.pages.repair.BULK_BUDGET_S", 0.0)
    where = {"where.reason": "key_mismatch", "where.since": "2026-01-07"}
    assert (await desk.operator.post("/dead-letters/bulk", what="close", reason="why")).status == 409
    tried = await desk.operator.post("/dead-letters/bulk.json", what="rehearse", reason="why", **where)
    assert (tried.json["total"], tried.json["states"]) == (7, [{"state": "refused", "count": 3}])
    going, seen = "", []
    while going is not None:
        done = await desk.operator.post(
            "/dead-letters/bulk.json", what="close", reason="wrong key", going=going, **where
        )
        going = done.json["going"]
        seen.append(done.json["done_count"])
    assert seen == [3, 6, 7]
    assert (await desk.operator.get("/dead-letters.json?reason=key_mismatch&since=2026-01-07")).json["rows"] == []
    closed = (await desk.operator.get("/dead-letters.json?state=done&reason=key_mismatch&since=2026-01-07")).json[
        "rows"
    ]
    assert {each["closed"]["reason"] for each in closed} == {"wrong key"}
    one = closed[0]["id"]
    shown = await desk.operator.post("/dead-letter/reopen", id=one, reason="it was right")
    assert (shown.status, "It is open again." in shown.text) == (200, True)


async def test_what_waited_in_vain_is_redriven_in_bulk_and_applied(desk):
    unmatched = (await desk.operator.get("/dead-letters.json?reason=unmatched")).json["rows"]
    late = placed("p-7a", "o-7", "2026-01-08T13:00:00+08:00")
    assert desk.postpay("produce", "-", stdin=lines(late)).code == 0
    desk.settle()
    marked = {f"id.{each['id']}": "on" for each in unmatched if each["event_id"] == "p-7"}
    tried = await desk.operator.post("/dead-letters/bulk.json", what="rehearse", reason="late", **marked)
    assert tried.json["states"] == [{"state": "applied", "count": 1}]
    done = await desk.operator.post("/dead-letters/bulk", what="redrive", reason="late", **marked)
    assert (done.status, "1 of 1" in done.text) == (200, True)
    desk.settle()
    assert desk.postpay("decision", "show", "purchase", "p-7", "--json").json["outcome"] == "applied"


async def test_an_audit_is_run_and_its_books_taken_away(desk):
    begun = await desk.operator.post("/books/audit", reason="end of month")
    assert (begun.status, begun.address) == (200, "/books")

    async def ended() -> bool:
        return (await desk.operator.get("/books.json")).json["runs"][0]["ok"] is not None

    await eventually(ended)
    books = (await desk.operator.get("/books.json")).json
    assert (books["latest"]["ok"], books["latest"]["operator"]) == (True, "operator-one")
    assert {each["check"]: each["history"][-1]["ok"] for each in books["checks"]}["hash chain"]
    for book in books["balances"]:
        assert book["debit_minor"] == book["credit_minor"] > 0
    taken = await desk.people["auditor"].get("/books/trial-balance.csv")
    assert f"limit,CNY,total,{books['balances'][0]['debit_minor']}" in taken.text
    assert "hash chain,True" in (await desk.people["auditor"].get("/books/checks.csv")).text
    assert (await desk.people["viewer"].get("/books/trial-balance.csv")).status == 403


async def test_terms_are_compared_asked_for_and_published_by_two(desk):
    document = json.loads(json.dumps(TermsBook.builtin().document))
    later = json.loads(json.dumps(document["versions"][0])) | {"effective_from": "2027-01-01", "penalty_bps_per_day": 6}
    later["programmes"]["kuaishou"]["plans"]["deferred"]["days"] = [30, 60]
    changed = json.dumps({"versions": [*document["versions"], later]})
    wrong = await desk.operator.post(
        "/terms/check", text=changed.replace('"penalty_bps_per_day": 5', '"penalty_bps_per_day": 7')
    )
    assert (wrong.status, "unchanged" in wrong.text) == (409, True)
    assert (await desk.operator.post("/terms/check", text="versions = ")).status == 400
    checked = (await desk.operator.post("/terms/check.json", text=changed)).json
    (version,) = checked["versions"]
    assert [(each["programme"], each["name"], each["was"], each["becomes"]) for each in version["rows"]] == [
        (None, "penalty_bps_per_day", 5, 6),
        ("kuaishou", "plans.deferred.days", [30, 60, 90], [30, 60]),
    ]
    asked = await desk.operator.post("/terms/request.json", text=changed, reason="decided in council")
    approved = await desk.people["approver"].post(
        "/approvals/approve.json", entry=str(asked.json["entry"]), reason="read it"
    )
    assert (approved.status, approved.json["done"]["digest"]) == (200, checked["digest"])
    desk.settle()
    page = (await desk.operator.get("/terms.json")).json
    assert [len(each["lanes"]) for each in page["documents"]] == [2, 0]
    assert [each["name"] for each in page["rows"]] == ["penalty_bps_per_day", "plans.deferred.days"]
    assert "penalty per day" in (await desk.operator.get("/terms")).text
    assert (await desk.operator.post("/terms/request", text=changed, reason="again")).status == 409
