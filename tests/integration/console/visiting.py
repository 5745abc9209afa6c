"""A console within the test's process, and people who are logged in to it."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from console.access import Role
from console.app import serving
from console.login.passwords import hashed
from console.login.users import ConsoleUser, UsersFile
from workers.settings.console import Console
from workers.settings.model import Settings

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Answer:
    """What a page or a form answered."""

    status: int
    text: str
    json: Any
    address: str


@dataclass(frozen=True)
class Visitor:
    """Somebody who is logged in."""

    client: aiohttp.ClientSession
    csrf: str

    async def get(self, path: str, language: str = "en") -> Answer:
        async with self.client.get(path, headers={"Accept-Language": language}) as answer:
            return await _answer(answer)

    async def post(self, path: str, csrf: str | None = None, **fields: str) -> Answer:
        given = {
            "csrf": self.csrf if csrf is None else csrf,
            **{name.replace("__", "."): fields[name] for name in fields},
        }
        async with self.client.post(path, data=given) as answer:
            return await _answer(answer)


async def _answer(answer: aiohttp.ClientResponse) -> Answer:
    text = await answer.text()
    is_json = answer.content_type == "application/json"
    return Answer(answer.status, text, await answer.json() if is_json else None, str(answer.url.relative()))


@contextlib.asynccontextmanager
async def visitors(settings: Settings, directory: Path) -> AsyncIterator[dict[str, Visitor]]:
    """A console of a platform, and one visitor of each role, by its name."""
    file = directory / "users.json"
    users = UsersFile(file)
    password = hashed(PASSWORD)
    for role in Role:
        users.put(ConsoleUser(f"{role}-one", role, password))
    own = settings.model_copy(update={"console": Console(port=0, users_file=file)})
    async with contextlib.AsyncExitStack() as stack:
        address = await stack.enter_async_context(serving(own))
        found = {}
        for role in Role:
            client = aiohttp.ClientSession(address, cookie_jar=aiohttp.CookieJar(unsafe=True))
            await stack.enter_async_context(client)
            login = {"name": f"{role}-one", "password": PASSWORD}
            async with client.post("/login", data=login, allow_redirects=False) as answer:
                assert answer.status == 303, await answer.text()
            async with client.get("/session.json") as answer:
                found[role.value] = Visitor(client, (await answer.json())["csrf"])
        yield found
