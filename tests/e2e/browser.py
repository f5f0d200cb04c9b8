"""A real browser: chromium without a display. Pictures go to $CODEX_PICTURES, as scripts/pictures sets it."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Error, Page, Response, WebSocket, async_playwright, expect

from .harness import PATIENCE

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NO_CHROMIUM = "no chromium here (Debian, Ubuntu: apt install chromium)"
NEEDS_CHROMIUM = pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)

expect.set_options(timeout=PATIENCE * 1000)


@contextlib.asynccontextmanager
async def browsing(*arguments: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(arguments))
        yield browser
        await browser.close()


def keeps_pictures() -> bool:
    return "CODEX_PICTURES" in os.environ


async def keep_picture(page: Page, name: str) -> None:
    """Keep what is seen now, once it stands still."""
    if keeps_pictures():
        await page.wait_for_timeout(700)
        await page.screenshot(path=Path(os.environ["CODEX_PICTURES"]) / f"{name}.png")


class Seen:
    """All that a page loaded: answers, and what came over its WebSocket."""

    def __init__(self, page: Page) -> None:
        self.texts: list[str] = []
        self._reading: list[asyncio.Task[None]] = []
        page.on("response", lambda response: self._reading.append(asyncio.create_task(self._read(response))))
        page.on("websocket", self._follow)

    async def _read(self, response: Response) -> None:
        self.texts.append(response.url + str(response.headers))
        # The browser forgets what belonged to a page before this one; the login redirects.
        with contextlib.suppress(Error):
            self.texts.append((await response.body()).decode("utf-8", "replace"))

    def _follow(self, socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: self.texts.append(str(frame)))

    async def all(self) -> str:
        await asyncio.gather(*self._reading)
        return "\n".join(self.texts)
