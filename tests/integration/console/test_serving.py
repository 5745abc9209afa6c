"""`postpay console` as a process, and the users that its commands write."""

import json
import signal
import urllib.request

import pytest

from cli.processes import STOP_TIMEOUT_S
from console.access import Role
from console.login import passwords
from console.login.users import UsersFile
from tests.command import Command
from tests.integration.cli.repairing import log_in
from tests.platform import eventually


@pytest.fixture
def command(served, tmp_path):
    own = {"POSTPAY_CONSOLE__PORT": "0", "POSTPAY_CONSOLE__USERS_FILE": str(tmp_path / "users.json")}
    return Command(served.platform.environment | own)


async def test_users_are_added_changed_listed_and_removed(command, tmp_path):
    added = command("console", "user", "add", "mei", "--role", "operator", "--stdin", stdin="correct horse battery\n")
    assert (added.code, added.out) == (0, "mei may log in as operator\n")
    kept = UsersFile(tmp_path / "users.json").users()["mei"]
    assert await passwords.matches("correct horse battery", kept.password)
    assert command("console", "user", "add", "mei", "--role", "auditor", "--no-password").out == "mei is now auditor\n"
    listed = command("console", "user", "list", "--json").lines
    assert listed == [{"name": "mei", "role": "auditor", "has_password": False}]
    assert command("console", "user", "remove", "mei").code == 0
    assert command("console", "user", "remove", "mei").code == 1
    assert command("console", "user", "list").out == ""
    short = command("console", "user", "add", "mei", "--role", "viewer", "--stdin", stdin="short\n")
    assert (short.code, "12 to 1000 characters" in short.complaint) == (2, True)
    assert command("console", "user", "add", "mei", "--role", "king", "--stdin", stdin="x").code == 2


async def test_it_serves_as_a_member_of_both_roles_until_it_is_told_to_stop(served, command, tmp_path):
    log = tmp_path / "console.log"
    async with log_in(served.platform, "postpay_auditor") as (name, login):
        async with served.platform.database() as connection:
            await connection.execute(f"GRANT postpay_ops TO {name}")
        process = command.start("console", log=log, **login)
        try:
            await eventually(lambda: "console runs" in log.read_text() or process.poll() is not None)
            (said,) = [json.loads(line) for line in log.read_text().splitlines() if "console runs" in line]
            with urllib.request.urlopen(f"{said['url']}/livez") as answer:
                assert json.load(answer) == {"alive": True}
            process.send_signal(signal.SIGTERM)
            assert process.wait(STOP_TIMEOUT_S) == 0, log.read_text()
        finally:
            if process.poll() is None:
                process.kill()


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/dead-letters", {"day": "9999-12-31"}),
        ("/conflicts", {"since": "0001-01-01"}),
        ("/operator-log", {"below": "9" * 5000}),
        ("/approvals", {"before": str(2**63)}),
        ("/approvals", {"before": "²"}),
        ("/payouts", {"state": "all", "reason": "x"}),
        ("/account", {"id": "\0"}),
        ("/decision", {"lane": "0", "seq": str(2**63)}),
    ],
)
async def test_what_no_page_gives_is_answered_and_no_defect(served, path, query):
    async with served.visitor(Role.AUDITOR) as auditor:
        status, told = await auditor.get(f"{path}.json", **query)
    assert (status, told["error"]) == (400, "asked_wrongly")


async def test_what_keeps_it_from_serving_is_one_line(served, command):
    taken = served.address.rpartition(":")[2]
    complaint = command.process("console", POSTPAY_CONSOLE__PORT=taken)
    assert (complaint.code, "POSTPAY_CONSOLE__PORT" in complaint.err, "Traceback" in complaint.err) == (2, True, False)
    async with log_in(served.platform, "postpay_auditor") as (_, login):
        refused = command.process("console", **login)
        assert (refused.code, "postpay_ops" in refused.err, "Traceback" in refused.err) == (2, True, False), refused.err
