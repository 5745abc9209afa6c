"""The operators' page on a platform on which something went wrong in every way, and people of every role."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import pytest

from console.access import Role
from console.app import serving
from console.login.passwords import hashed
from console.login.users import ConsoleUser, UsersFile
from tests.browser import Browser, Tab, browsing
from tests.command import Command
from tests.integration.cli.conftest import lines, record
from tests.integration.cli.repairing import TROUBLE, opened, placed
from tests.platform import Platform, Worker, eventually, platform
from workers.settings.model import Console, Ops

PASSWORD = "correct horse battery"
SCRIPT = "<script>window.hacked=1</script>"
IMAGE = '"><img src=x onerror=window.hacked=1>'

# Ids and texts that a page must show as what they are.
HOSTILE = lines(
    opened(SCRIPT),
    placed(IMAGE, IMAGE, at="2026-01-07T12:30:00+08:00", key=SCRIPT, account_id=SCRIPT),
    placed("p-hostile", "o-hostile", at="2026-01-07T12:30:00+08:00", note=SCRIPT, amount_minor=IMAGE),
)
SHOP = lines(
    record(
        "merchant", "m-1", "merchant.registered", "m-e1", "2026-01-01T09:00:00+08:00",
        merchant_id="m-1", currency="CNY", settlement_cycle_days=7,
    ),
    record(
        "merchant", "m-1", "deposit.paid", "m-e2", "2026-01-01T09:30:00+08:00",
        merchant_id="m-1", deposit_id="d-1", amount_minor=200_000, currency="CNY", route="alipay",
    ),
)  # fmt: skip


@dataclass
class Visitor:
    """Somebody who is logged in, as a program."""

    address: str
    client: aiohttp.ClientSession
    csrf: str = ""

    async def get(self, path: str, **query: Any) -> tuple[int, Any]:
        """Status, and the document or the page's text."""
        async with self.client.get(_address(self.address, path, query), allow_redirects=False) as answer:
            return answer.status, await _content(answer)

    async def post(self, path: str, **fields: Any) -> tuple[int, Any]:
        """The same after a form, or a JSON object for a path of JSON, with the session's token."""
        given: dict[str, Any] = {"json": fields} if path.endswith(".json") else {"data": {**fields, "csrf": self.csrf}}
        headers = {"X-CSRF-Token": self.csrf}
        address = self.address + path
        async with self.client.post(address, headers=headers, allow_redirects=False, **given) as answer:
            return answer.status, await _content(answer)


@dataclass
class Served:
    """The page that is served, and the platform behind it."""

    address: str
    platform: Platform
    postpay: Command
    users: UsersFile

    @asynccontextmanager
    async def visitor(self, name: str, password: str = PASSWORD, **headers: str) -> AsyncIterator[Visitor]:
        """Log in; each role has a user of its name."""
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), headers=headers) as client:
            fields = {"name": name, "password": password}
            async with client.post(f"{self.address}/login", data=fields, allow_redirects=False) as answer:
                assert answer.status == 303, await answer.text()
            visitor = Visitor(self.address, client)
            status, told = await visitor.get("/session.json")
            assert status == 200, told
            visitor.csrf = told["csrf"]
            yield visitor

    async def log_in(self, tab: Tab, name: str, to: str = "/") -> None:
        """Log in as a person does, and go to a page."""
        await tab.open(_address(self.address, "/login", {"to": to}))
        await tab.evaluate(FOCUSED)  # or the browser says that it could not focus the field by itself any more
        await tab.fill("input[name=name]", name)
        await tab.fill("input[name=password]", PASSWORD)
        async with tab.leaving():
            await tab.press("Enter")


FOCUSED = """new Promise((done) => {
    const look = () => document.activeElement.name === "name" ? done() : requestAnimationFrame(look);
    look();
})"""


def _address(base: str, path: str, query: dict[str, Any]) -> str:
    return f"{base}{path}?{urlencode(query)}" if query else base + path


async def _content(answer: aiohttp.ClientResponse) -> Any:
    return await answer.json() if answer.content_type == "application/json" else await answer.text()


@pytest.fixture(scope="session")
async def served(stack, tmp_path_factory) -> AsyncIterator[Served]:
    """A platform in trouble with a worker, and its page; tests that change something use things of their own."""
    folder = tmp_path_factory.mktemp("console")
    async with platform(stack.bootstrap, stack.dsn, folder, lanes=2, POSTPAY_CLOCK="event") as made:
        command = Command(made.environment)
        worker = made.worker(POSTPAY_OPS__REFRESH_S="0.5")
        for part in (SHOP, *TROUBLE, HOSTILE):
            assert command("produce", "-", stdin=part).code == 0
            waited = command("lag", "--wait", "50")
            assert waited.code == 0, waited.out + worker.log.read_text()
        users = UsersFile(folder / "users.json")
        kept = hashed(PASSWORD)
        for role in Role:
            users.put(ConsoleUser(role.value, role, kept))
        users.put(ConsoleUser("second operator", Role.OPERATOR, kept))
        users.put(ConsoleUser("through the proxy", Role.AUDITOR))
        async with served_by(made, worker, users, folder) as address:
            yield Served(address, made, command, users)


@asynccontextmanager
async def served_by(made: Platform, worker: Worker, users: UsersFile, folder: Any) -> AsyncIterator[str]:
    """The page of a platform; gives its address once it has looked at everything."""
    console = Console(
        port=0,
        users_file=folder / "users.json",
        workers=urlsplit(worker.url or "").netloc,
        proxy_header="X-Forwarded-User",
        proxy_networks="127.0.0.1",
    )
    settings = made.settings.model_copy(update={"console": console, "ops": Ops(refresh_s=0.3)})
    async with serving(settings) as address:
        served = Served(address, made, Command(made.environment), users)
        async with served.visitor("auditor") as visitor:

            async def looked() -> bool:
                _, now = await visitor.get("/now.json")
                return now["lag"]["records"] == 0

            await eventually(looked)
        yield address


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all tests."""
    async with browsing() as started:
        yield started


@pytest.fixture
async def tab(browser) -> AsyncIterator[Tab]:
    """A tab with cookies of its own."""
    async with browser.tab() as opened_tab:
        yield opened_tab
