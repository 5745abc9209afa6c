"""Users, passwords, sessions and masking, without a server."""

import asyncio
import json
import stat

import pytest
from aiohttp.test_utils import make_mocked_request

from console.access import MAY, Role
from console.charts import inputs, obligations
from console.gate import COOKIE, Gate, NotLoggedInError
from console.language import Texts
from console.login import passwords
from console.login.sessions import (
    FREE_ATTEMPTS,
    IDLE_S,
    LONGEST_S,
    MOST_OF_ONE,
    UNMASKED_S,
    WAIT_S,
    OperatorSession,
    OperatorSessions,
)
from console.login.users import ConsoleUser, UsersFile, UsersFileError, require_name
from console.masking import mask
from console.rendering import document, duration, link
from console.security import local_path
from workers.settings.model import Console, Settings


async def test_a_password_matches_its_hash_alone():
    kept = passwords.hashed("correct horse")
    assert passwords.is_hash(kept)
    assert "correct" not in kept
    assert await passwords.matches("correct horse", kept)
    assert not await passwords.matches("correct horse ", kept)
    assert not await passwords.matches("correct horse", None)
    assert not await passwords.matches("x" * 2000, kept)
    assert passwords.hashed("correct horse") != kept, "salted"


def test_users_are_kept_for_their_owner_alone_and_read_anew_when_they_change(tmp_path):
    path = tmp_path / "users.json"
    file, other = UsersFile(path), UsersFile(path)
    assert file.users() == {}
    file.put(ConsoleUser("mei", Role.OPERATOR, passwords.hashed("correct horse")))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert other.users()["mei"].role is Role.OPERATOR
    file.put(ConsoleUser("mei", Role.AUDITOR))
    assert other.users()["mei"] == ConsoleUser("mei", Role.AUDITOR)
    assert file.remove("mei")
    assert not file.remove("mei")
    assert other.users() == {}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "can't be read"),
        ("[]", "expected a JSON object"),
        ('{"users": {"mei": {"role": "king"}}}', "expected a role"),
        ('{"users": {"mei": []}}', "expected a role"),
        ('{"users": {"mei": {"role": "viewer", "password": "secret"}}}', "is no hash"),
        ('{"users": {" mei": {"role": "viewer"}}}', "expected a name"),
    ],
)
def test_a_users_file_that_is_none_lets_nobody_in(tmp_path, content, complaint):
    path = tmp_path / "users.json"
    path.write_text(content)
    with pytest.raises(UsersFileError, match=complaint):
        UsersFile(path).users()


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 101])
def test_a_name_can_be_seen_and_written(name):
    with pytest.raises(UsersFileError):
        require_name(name)


def test_a_session_ends_when_nobody_uses_it_and_after_a_shift():
    now = [0.0]
    sessions = OperatorSessions(lambda: now[0])
    session = sessions.begin("mei")
    now[0] += IDLE_S - 1
    assert sessions.find(session.token, by_itself=True) is session
    now[0] += 2
    assert sessions.find(session.token, by_itself=False) is None, "a page that asks by itself is nobody's use"
    session = sessions.begin("mei")
    for _ in range(int(LONGEST_S // (IDLE_S / 2))):
        now[0] += IDLE_S / 2
        assert sessions.find(session.token, by_itself=False) is session
    now[0] += 1
    assert sessions.find(session.token, by_itself=False) is None
    assert sessions.find("made up", by_itself=False) is None


def test_one_user_has_a_bounded_number_of_sessions():
    sessions = OperatorSessions(lambda: 0.0)
    other = sessions.begin("chen")
    own = [sessions.begin("mei") for _ in range(MOST_OF_ONE + 3)]
    found = [sessions.find(each.token, by_itself=False) is each for each in own]
    assert found == [False] * 3 + [True] * MOST_OF_ONE
    assert sessions.find(other.token, by_itself=False) is other


def test_one_reason_unmasks_one_page_for_a_while():
    now = [0.0]
    sessions = OperatorSessions(lambda: now[0])
    session = sessions.begin("mei")
    sessions.unmask(session, "/account?id=a-1")
    assert sessions.is_unmasked(session, "/account?id=a-1")
    assert not sessions.is_unmasked(session, "/account?id=a-2")
    now[0] += UNMASKED_S
    assert not sessions.is_unmasked(session, "/account?id=a-1")


def test_wrong_passwords_make_one_name_from_one_place_wait():
    now = [0.0]
    sessions = OperatorSessions(lambda: now[0])
    for _ in range(FREE_ATTEMPTS):
        assert sessions.wait_s("mei", "10.0.0.1") == 0
        sessions.noted_password("mei", "10.0.0.1", right=False)
    assert sessions.wait_s("mei", "10.0.0.1") == WAIT_S
    assert sessions.wait_s("mei", "10.0.0.2") == 0
    now[0] += WAIT_S
    assert sessions.wait_s("mei", "10.0.0.1") == 0
    sessions.noted_password("mei", "10.0.0.1", right=True)
    assert sessions.wait_s("mei", "10.0.0.1") == 0


def gate(tmp_path) -> tuple[Gate, UsersFile]:
    users = UsersFile(tmp_path / "users.json")
    users.put(ConsoleUser("mei", Role.OPERATOR, passwords.hashed("correct horse")))
    return Gate(Settings.model_construct(console=Console()), users, OperatorSessions()), users


async def test_wrong_passwords_that_come_at_once_wait_as_those_in_turn(tmp_path):
    door, _ = gate(tmp_path)
    begun = await asyncio.gather(*(door.log_in("mei", f"wrong {n}", "10.0.0.1") for n in range(FREE_ATTEMPTS + 3)))
    assert [each == 0 for each in begun] == [True] * FREE_ATTEMPTS + [False] * 3


@pytest.mark.parametrize(("name", "password"), [("x" * 101, "wrong"), ("mei", "x" * 1001)])
async def test_names_and_passwords_that_are_too_long_are_not_kept(tmp_path, name, password):
    door, _ = gate(tmp_path)
    for _ in range(FREE_ATTEMPTS + 1):
        assert await door.log_in(name, password, "10.0.0.1") == 0


async def test_a_right_password_forgets_the_wrong_ones(tmp_path):
    door, _ = gate(tmp_path)
    for _ in range(FREE_ATTEMPTS - 1):
        door.sessions.noted_password("mei", "10.0.0.1", right=False)
    assert isinstance(await door.log_in("mei", "correct horse", "10.0.0.1"), OperatorSession)
    for _ in range(FREE_ATTEMPTS):
        assert door.sessions.wait_s("mei", "10.0.0.1") == 0
        door.sessions.noted_password("mei", "10.0.0.1", right=False)
    assert door.sessions.wait_s("mei", "10.0.0.1") > 0


async def test_a_new_password_ends_the_sessions_of_the_old_one_and_a_new_role_does_not(tmp_path):
    door, users = gate(tmp_path)
    old = users.users()["mei"].password
    session = door.sessions.begin("mei", old)
    request = make_mocked_request("GET", "/", headers={"Cookie": f"{COOKIE}={session.token}"})
    users.put(ConsoleUser("mei", Role.AUDITOR, old))
    assert door.visitor(request).user.role is Role.AUDITOR
    users.put(ConsoleUser("mei", Role.AUDITOR, passwords.hashed("correct mare")))
    with pytest.raises(NotLoggedInError):
        door.visitor(request)
    users.put(ConsoleUser("mei", Role.AUDITOR, old))
    with pytest.raises(NotLoggedInError):
        door.visitor(request)
    begun = await door.log_in("mei", "correct horse", "10.0.0.1")
    assert begun.password == old


def test_masked_is_everything_that_is_not_named_as_saying_nothing():
    value = {
        "account_id": "acc-000123456",
        "outcome": "declined",
        "amount_minor": 5,
        "decided_at": "2026-01-01T00:00:00+00:00",
        "reason": "a free text of somebody",
        "postings": [{"debit": "receivable", "party_id": "acc-1", "amount_minor": 7}],
        "anything": ["Zhang San, +86 138"],
        "urgent": True,
        "nothing": None,
    }
    assert mask(value) == {
        "account_id": "…3456",
        "outcome": "declined",
        "amount_minor": 5,
        "decided_at": "2026-01-01T00:00:00+00:00",
        "reason": "…body",
        "postings": [{"debit": "receivable", "party_id": "…", "amount_minor": 7}],
        "anything": ["… 138"],
        "urgent": True,
        "nothing": None,
    }


def test_every_role_has_its_place_in_the_table():
    assert set(MAY) == set(Role)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (None, "/"),
        ("/lanes?x=1", "/lanes?x=1"),
        ("//elsewhere.example", "/"),
        ("/\\elsewhere.example", "/"),
        ("https://elsewhere.example", "/"),
        ("/a\r\nSet-Cookie: x", "/"),
    ],
)
def test_nobody_is_led_elsewhere(text, path):
    assert local_path(text) == path


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "–"), (0, "0 s"), (99, "99 s"), (120, "2 min"), (12_000, "3 h 20 min"), (190_800, "2 d 5 h")],
)
def test_durations_are_short(seconds, words):
    assert duration(seconds) == words


def test_links_carry_any_id():
    assert link("/account", id="a b&c", key=None) == "/account?id=a+b%26c"
    assert link("/lanes") == "/lanes"


def test_a_document_has_a_form_for_everything_that_pages_read():
    assert document({"users": (ConsoleUser("mei", Role.VIEWER),), "raw": b"\xff", "text": "\ud800"}) == {
        "users": [{"name": "mei", "role": "viewer", "password": None}],
        "raw": {"base64": "/w=="},
        "text": "\ud800",
    }
    assert json.dumps(document({"a": frozenset({2, 1})})) == '{"a": [1, 2]}'


def test_a_proxy_is_believed_from_where_it_is_and_only_if_there_is_one():
    assert not Console().trusts("127.0.0.1")
    console = Console(proxy_header="X-Forwarded-User", proxy_networks="10.0.0.0/8, ::1")
    assert console.trusts("10.1.2.3")
    assert console.trusts("::1")
    assert not console.trusts("127.0.0.1")
    assert not console.trusts(None)


def test_charts_have_a_value_for_every_minute_and_a_shape_for_every_series():
    minutes = [
        {"minute_at": "2026-01-01T00:00:00+00:00", "records": {"applied": 3, "conflict": 1}, "outputs": 2},
        {"minute_at": "2026-01-01T00:02:00+00:00", "records": {"applied": 4}, "outputs": 0},
    ]
    option = inputs(minutes, Texts("now", "en"))
    assert option["xAxis"]["data"] == ["08:00", "08:01", "08:02"]
    assert {each["name"]: each["data"] for each in option["series"]} == {"applied": [3, 0, 4], "conflict": [1, 0, 0]}
    assert len({each["symbol"] for each in option["series"]}) == 2
    assert inputs([], Texts("now", "en")) is None


def test_obligations_are_told_by_day_with_what_is_left_of_those_that_are_owed():
    part = {"due_on": "2026-01-01", "principal_minor": 500, "fee_minor": 20, "penalty_minor": 0, "paid_minor": 100}
    parts = [{**part, "status": "open"}, {**part, "status": "returned", "paid_minor": 0}]
    option = obligations(parts, "CNY", Texts("account", "en"))
    assert [each["data"] for each in option["series"]] == [[1.0], [4.2]]
