"""Who may do what: every route by every role, as page and as JSON; log-ins, sessions, and whose forms count."""

import aiohttp
import pytest

from console.access import MAY, Permission, Role
from console.app import json_path
from console.pages import DOWNLOADS, FORMS, PAGES
from console.rendering import link
from storage.operator_log import LogFilter, entries
from tests.integration.console.conftest import PASSWORD

GETS = [(path, page.permission) for page in PAGES for path in (page.path, json_path(page.path))]
GETS += [(each.path, each.permission) for each in DOWNLOADS]
POSTS = [(path, form.permission) for form in FORMS for path in (form.path, json_path(form.path))]

OPEN = {"/login", "/logout", "/language", "/session.json", "/livez"}


def is_right(status: int, *, allowed: bool) -> bool:
    """What is allowed may find nothing or want a reason; it is not refused for who asks, and never a defect."""
    return status in {200, 303, 400, 404, 409} if allowed else status == 403


@pytest.mark.parametrize("role", [*Role])
async def test_every_page_and_form_is_for_whom_the_table_says(served, role):
    wrong = []
    async with served.visitor(role) as visitor:
        for path, permission in GETS:
            status, _ = await visitor.get(path)
            if not is_right(status, allowed=permission in MAY[role]):
                wrong.append(f"GET {path}: {status}")
        for path, permission in POSTS:
            status, _ = await visitor.post(path)
            if not is_right(status, allowed=permission in MAY[role]):
                wrong.append(f"POST {path}: {status}")
    assert wrong == []


async def test_nobody_sees_or_does_anything_without_a_log_in(served):
    async with aiohttp.ClientSession(served.address) as client:
        for path, _ in GETS:
            async with client.get(path, allow_redirects=False) as answer:
                assert answer.status == (401 if path.endswith(".json") else 303), path
        for path, _ in POSTS:
            async with client.post(path, allow_redirects=False) as answer:
                assert answer.status == (401 if path.endswith(".json") else 303), path


@pytest.mark.parametrize("role", [*Role])
async def test_a_form_without_the_sessions_token_does_nothing(served, role):
    async with served.visitor(role) as visitor:
        token, visitor.csrf = visitor.csrf, "made up"
        for path, _ in POSTS:
            assert (await visitor.post(path, reason="why"))[0] == 403, path
        visitor.csrf = token
        foreign = {"Origin": "https://elsewhere.example", "X-CSRF-Token": token}
        for path, _ in POSTS:
            async with visitor.client.post(served.address + path, headers=foreign, json={}) as answer:
                assert answer.status == 403, path


async def test_ids_and_texts_are_masked_for_who_may_not_see_them(served):
    async with served.visitor(Role.VIEWER) as viewer, served.visitor(Role.AUDITOR) as auditor:
        _, whole = await auditor.get("/decision.json", topic="purchase", event_id="p-1", key="a-1")
        _, masked = await viewer.get("/decision.json", topic="purchase", event_id="p-1", key="a-1")
        assert whole["party_id"] == "a-1"
        assert "o-1" in whole["message_text"]
        assert masked["party_id"] == "…"
        assert "o-1" not in str(masked)
        assert "a-1" not in str(masked)
        assert masked["outcome"] == whole["outcome"] == "applied"
        assert masked["postings"] == whole["postings"] != []
        status, page = await viewer.get("/account", id="a-1")
        assert status == 200
        assert "o-1" not in page.replace("two-1", "")
        assert (await viewer.post("/unmask", address="/account?id=a-1", reason="a call"))[0] == 403
        for path in ("/conflict", "/dead-letter"):
            _, listed = await auditor.get(f"{path}s.json")
            for each in listed["rows"]:
                status, page = await viewer.get(path, id=each["id"])
                assert (status, "130000" in page, "12 yuan" in page) == (200, False, False), (path, each)


async def test_support_unmasks_one_page_with_a_reason_that_goes_on_record(served):
    async with served.visitor(Role.SUPPORT) as support:
        assert (await support.get("/account.json", id="a-1"))[1]["account_id"] == "…"
        assert (await support.post("/unmask.json", address="/account?id=a-1", reason=" "))[0] == 409
        assert (await support.get("/account.json", id="a-1"))[1]["account_id"] == "…"
        assert (await support.post("/unmask", address="/account?id=a-1", reason="the buyer called"))[0] == 303
        assert (await support.get("/account.json", id="a-1"))[1]["account_id"] == "a-1"
        assert (await support.get("/account.json", id="a-2"))[1]["account_id"] == "…", "one page, not all"
        odd = {"q": "a&1 #%"}
        assert "Ids and texts are masked." in (await support.get("/search", **odd))[1]
        assert (await support.post("/unmask", address=link("/search", **odd), reason="so it is called"))[0] == 303
        assert "Ids and texts are masked." not in (await support.get("/search", **odd))[1]
    async with served.platform.database() as connection:
        (entry,) = await entries(connection, LogFilter(action="unmask", subject="/account?id=a-1"), 10)
    assert (entry.operator, entry.subject, entry.reason) == ("support", "/account?id=a-1", "the buyer called")


async def test_what_takes_two_people_is_done_once_the_second_approves(served):
    async with served.visitor(Role.OPERATOR) as operator, served.visitor(Role.APPROVER) as approver:
        gap = {"lane": 1, "topic": "return-inspection", "offset": 41}
        status, asked = await operator.post("/lanes/accept-gap.json", **gap, reason="disk lost")
        assert status == 200, asked
        entry = asked["request"]["entry"]
        assert (await operator.post("/approvals/approve.json", entry=entry, reason="me too"))[0] == 403
        _, page = await approver.get("/approvals.json")
        assert entry in [each["entry"] for each in page["pending"]]
        status, done = await approver.post("/approvals/approve.json", entry=entry, reason="looked too")
        assert (status, done["done"]["next_offset"]) == (200, 41)
        status, refused = await approver.post("/approvals/refuse.json", entry=entry, reason="late")
        assert status == 409
        assert "decided already: done by approver" in refused["detail"]
    async with served.platform.database() as connection:
        names = {(each.action, each.operator, each.outcome) for each in await entries(connection, LogFilter(), 50)}
        found = await connection.fetchval(
            "SELECT next_offset FROM lane_offset WHERE lane = 1 AND topic = $1", gap["topic"]
        )
    assert found == 41
    assert names >= {
        ("request_approval", "operator", "intended"),
        ("approve", "approver", "intended"),
        ("accept_gap", "operator", "done"),
        ("approve", "approver", "done"),
    }


async def test_nobody_approves_their_own_request_even_with_a_new_role(served):
    served.users.put(served.users.users()[Role.OPERATOR.value].__class__("turncoat", Role.OPERATOR, _hash(served)))
    async with served.visitor("turncoat") as turncoat:
        _, asked = await turncoat.post(
            "/lanes/accept-gap.json", lane=0, topic="return-inspection", offset=7, reason="lost"
        )
        served.users.put(served.users.users()[Role.OPERATOR.value].__class__("turncoat", Role.APPROVER, _hash(served)))
        status, refused = await turncoat.post("/approvals/approve.json", entry=asked["request"]["entry"], reason="fine")
        assert status == 409
        assert "your own" in refused["detail"]


def _hash(served) -> str | None:
    return served.users.users()["operator"].password


async def test_a_user_who_is_removed_is_out_at_the_next_click(served):
    user = served.users.users()["operator"]
    served.users.put(user.__class__("leaver", Role.OPERATOR, user.password))
    async with served.visitor("leaver") as leaver:
        assert (await leaver.get("/lanes"))[0] == 200
        served.users.remove("leaver")
        assert (await leaver.get("/lanes"))[0] == 303


async def test_wrong_passwords_make_the_next_one_wait(served):
    async with aiohttp.ClientSession(served.address) as client:
        fields = {"name": "auditor2", "password": "wrong wrong wrong"}
        statuses = []
        for _ in range(6):
            async with client.post("/login", data=fields, allow_redirects=False) as answer:
                statuses.append(answer.status)
    assert statuses == [401, 401, 401, 401, 401, 429]


async def test_a_trusted_proxy_names_the_user_and_nobody_else_does(served):
    async with aiohttp.ClientSession(headers={"X-Forwarded-User": "through the proxy"}) as client:
        async with client.get(f"{served.address}/session.json") as answer:
            assert (await answer.json())["role"] == "auditor"
        fields = {"name": "through the proxy", "password": PASSWORD}
        async with client.post(f"{served.address}/login", data=fields, allow_redirects=False) as answer:
            assert answer.status == 401, "without a password only the proxy lets somebody in"
    async with (
        aiohttp.ClientSession(headers={"X-Forwarded-User": "stranger"}) as client,
        client.get(f"{served.address}/session.json") as answer,
    ):
        assert answer.status == 401


async def test_every_answer_has_its_policy_and_the_cookie_is_kept_from_scripts(served):
    async with aiohttp.ClientSession() as client:
        fields = {"name": "auditor", "password": PASSWORD, "to": "https://elsewhere.example/"}
        headers = {"X-Forwarded-Proto": "https"}
        async with client.post(
            f"{served.address}/login", data=fields, headers=headers, allow_redirects=False
        ) as answer:
            cookie = answer.headers["Set-Cookie"]
            assert {"HttpOnly", "SameSite=Lax", "Secure"} <= {part.strip() for part in cookie.split(";")}
            assert answer.headers["Location"] == "/"
        async with client.get(f"{served.address}/login") as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "unsafe" not in policy
            assert "default-src 'none'" in policy
            assert answer.headers["Cache-Control"] == "no-store"


def test_every_route_is_in_the_registry_or_open_on_purpose(served_application):
    known = {path for path, _ in (*GETS, *POSTS)} | OPEN
    routes = {resource.canonical for resource in served_application.router.resources()}
    assert {each for each in routes if not each.startswith("/static/")} == known


@pytest.fixture
def served_application(tmp_path):
    from console.app import Site
    from console.watch import Watch
    from workers.settings.model import Settings

    return Site(Settings.model_construct(), None, None, Watch()).application()


def test_every_permission_is_somebodys():
    assert {permission for permissions in MAY.values() for permission in permissions} == {*Permission}
