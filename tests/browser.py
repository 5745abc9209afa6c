"""A real browser for tests, driven over its own debugging protocol: no driver and no further package."""

import asyncio
import base64
import json
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

from tests.debian import require_program

PROGRAM, PACKAGE = "chromium-headless-shell", "chromium-headless-shell"
DEADLINE_S = 30.0


@dataclass
class Tab:
    """One tab. `said` is what the browser complained of: scripts that failed, what the page's policy forbade."""

    socket: aiohttp.ClientWebSocketResponse
    numbers: count = field(default_factory=count)
    answers: dict[int, asyncio.Future] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    loaded: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        """Take what the browser sends, until it is closed."""
        async for message in self.socket:
            document = json.loads(message.data)
            if "id" in document:
                self.answers.pop(document["id"]).set_result(document)
            elif document["method"] == "Page.loadEventFired":
                self.loaded.set()
            elif document["method"] == "Log.entryAdded":
                self.said.append(document["params"]["entry"]["text"])
            elif document["method"] == "Runtime.exceptionThrown":
                self.said.append(json.dumps(document["params"]["exceptionDetails"])[:500])

    async def call(self, method: str, **parameters: Any) -> Any:
        number = next(self.numbers)
        answer = self.answers[number] = asyncio.get_running_loop().create_future()
        await self.socket.send_json({"id": number, "method": method, "params": parameters})
        document = await asyncio.wait_for(answer, DEADLINE_S)
        assert "error" not in document, document
        return document["result"]

    async def show(self, *, width: int = 1440, dark: bool = False, language: str = "en", script: bool = True) -> None:
        """From the next page on: how wide, light or dark, in which language, with scripts or without."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])
        await self.call("Network.setExtraHTTPHeaders", headers={"Accept-Language": language})
        await self.call("Emulation.setScriptExecutionDisabled", value=not script)

    async def open(self, address: str) -> None:
        """Go to an address, and wait until all of it is there."""
        async with self.leaving():
            await self.call("Page.navigate", url=address)

    @asynccontextmanager
    async def leaving(self) -> AsyncIterator[None]:
        """Do what leads to another page, and wait until all of it is there."""
        self.loaded.clear()
        yield
        await asyncio.wait_for(self.loaded.wait(), DEADLINE_S)

    async def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page; a promise's when it is there."""
        answer = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def text(self) -> str:
        """What a person reads."""
        return await self.evaluate("document.body.innerText")

    async def fill(self, selector: str, value: str) -> None:
        """Type into a field."""
        await self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        await self.evaluate(f"document.querySelector({json.dumps(selector)}).value = ''")
        await self.call("Input.insertText", text=value)

    async def click(self, words: str, selector: str = "a, button, summary") -> None:
        """Click what has these words."""
        found = await self.evaluate(
            f"""(() => {{
                const found = [...document.querySelectorAll({json.dumps(selector)})]
                    .find((each) => each.innerText.includes({json.dumps(words)}));
                found?.click();
                return found !== undefined;
            }})()"""
        )
        assert found, f"nothing to click has {words!r} in:\n{await self.text()}"

    async def follow(self, words: str, selector: str = "a, button") -> None:
        """Click what has these words, and wait for the page it leads to."""
        async with self.leaving():
            await self.click(words, selector)

    async def press(self, key: str, *, shift: bool = False) -> None:
        """A key of the keyboard: Tab, Enter, Escape."""
        code = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}[key]
        common = {"key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        text = {"text": "\r"} if key == "Enter" else {}
        await self.call("Input.dispatchKeyEvent", type="keyDown", **common, **text)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    async def shoot(self, file: Path) -> None:
        """A picture of the whole page."""
        answer = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(answer["data"]))


@dataclass
class Browser:
    """A running browser; tabs share its cookies only within one `tab`."""

    address: str
    client: aiohttp.ClientSession

    @asynccontextmanager
    async def tab(self) -> AsyncIterator[Tab]:
        """A tab with cookies of its own."""
        answer = await (await self.client.get(f"{self.address}/json/version")).json()
        async with self.client.ws_connect(answer["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            whole = Tab(socket)
            listening = asyncio.create_task(whole.listen())
            context = (await whole.call("Target.createBrowserContext"))["browserContextId"]
            target = (await whole.call("Target.createTarget", url="about:blank", browserContextId=context))["targetId"]
            async with self.client.ws_connect(
                f"{self.address.replace('http', 'ws')}/devtools/page/{target}", max_msg_size=0
            ) as own:
                tab = Tab(own)
                hearing = asyncio.create_task(tab.listen())
                for domain in ("Page", "Runtime", "Log", "Network"):
                    await tab.call(f"{domain}.enable")
                await tab.show()
                yield tab
                hearing.cancel()
            await whole.call("Target.disposeBrowserContext", browserContextId=context)
            listening.cancel()


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    """A browser that reaches this machine alone; the test is skipped where there is none and none may be installed."""
    program = require_program(PROGRAM, PACKAGE)
    with tempfile.TemporaryDirectory(prefix="postpay-browser-", ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [
                program,
                "--no-sandbox",
                "--disable-gpu",
                "--remote-debugging-port=0",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                f"--user-data-dir={profile}",
            ],
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # the program is a script that starts the browser: both are ended
        )
        try:
            address = await asyncio.wait_for(asyncio.to_thread(_address, process), DEADLINE_S)
            async with aiohttp.ClientSession() as client:
                yield Browser(address, client)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(DEADLINE_S)


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        found = re.search(r"ws://(127\.0\.0\.1:\d+)/", line)
        if found:
            return f"http://{found[1]}"
    raise AssertionError(f"the browser did not start: {''.join(said)}")
