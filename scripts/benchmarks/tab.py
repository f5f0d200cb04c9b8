"""A browser tab at mitmweb's page, as mitmweb sees it: what the page requests, and when."""

import asyncio
import json
import time
from typing import Any

from .tools import PASSWORD, Tool

# The page asks for one line more than it shows (content_view_lines_cutoff).
LINES = 513


class Tab:
    """An open page, with the long answer opened, or no flow at all."""

    def __init__(self, tool: Tool, opens: bool) -> None:
        self.port, self.opens = tool.web_port, opens
        self.updates = 0
        """How often an update of a running answer arrived."""
        self.shown: list[float] = []
        """How long each showing of the opened answer took, in seconds."""

    async def __aenter__(self) -> "Tab":
        self.page = await asyncio.open_connection("127.0.0.1", self.port)
        await self.get("/")
        self.news = await asyncio.open_connection("127.0.0.1", self.port)
        key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
        self.news[1].write(self._head("/updates", f"Connection: Upgrade\r\nUpgrade: websocket\r\n{key}"))
        if b" 101 " not in (answer := await self.news[0].readuntil(b"\r\n\r\n")):
            raise SystemExit(f"mitmweb's updates: {answer.decode()}")
        for name in ("state", "events", "options"):
            await self.get(f"/{name}")
        running = [flow for flow in json.loads(await self.get("/flows", gzip=False)) if is_running(flow)]
        if self.opens:
            # The long answer is the one that began first.
            self.opened = min(running, key=lambda flow: flow["timestamp_created"])
            await self._show()
        self.watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.watching.cancel()
        await asyncio.wait([self.watching])
        self.page[1].close()
        self.news[1].close()
        if not self.watching.cancelled() and (e := self.watching.exception()):
            raise e

    async def _watch(self) -> None:
        while True:
            message = json.loads(await self._message())
            if message["type"] != "flows/update":
                continue
            flow = message["payload"]["flow"]
            if is_running(flow):
                self.updates += 1
            if self.opens and flow["id"] == self.opened["id"]:
                before, self.opened = self.opened, flow
                if flow["response"]["contentHash"] != before["response"]["contentHash"]:
                    await self._show()

    async def _show(self) -> None:
        start = time.monotonic()
        await self.get(f"/flows/{self.opened['id']}/response/content/Auto.json?lines={LINES}")
        self.shown.append(time.monotonic() - start)

    async def _message(self) -> bytes:
        """The next message of the WebSocket; a server's come unmasked and, from mitmweb, in one frame."""
        reader = self.news[0]
        size = (await reader.readexactly(2))[1]
        if size > 125:
            size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8))
        return await reader.readexactly(size)

    async def get(self, path: str, gzip: bool = True) -> bytes:
        reader, writer = self.page
        writer.write(self._head(path, "Accept-Encoding: gzip\r\n" if gzip else ""))
        status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        if " 200 " not in status:
            raise SystemExit(f"mitmweb's {path}: {status}")
        length = next(int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:"))
        return await reader.readexactly(length)

    def _head(self, path: str, headers: str) -> bytes:
        host = f"Host: 127.0.0.1:{self.port}\r\nAuthorization: Bearer {PASSWORD}\r\n"
        return f"GET {path} HTTP/1.1\r\n{host}{headers}\r\n".encode()


def is_running(flow: dict[str, Any]) -> bool:
    """Is it an answer that is still coming?"""
    response = flow.get("response")
    return response is not None and response["timestamp_end"] is None and "error" not in flow
