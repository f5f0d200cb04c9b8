"""What the tests of the stand-in have in common: a server, a login, and ways to talk to it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from standin import Standin

PNG = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
CLIENT_ID = "app_EMoamEEZ73f0CkXaXp7hrann"
CODEX = "/backend-api/codex"


def user(text: str = "Hello there") -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def good(**changes: Any) -> dict[str, Any]:
    """A body that is right; a change to ... takes the key off."""
    body = {"model": "gpt-6-sol", "instructions": "", "input": [user()], "store": False, "stream": True, **changes}
    return {key: value for key, value in body.items() if value is not ...}


def function(name: str = "get_weather", **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "name": name, "description": "", "strict": None, "parameters": parameters}


def call(call_id: str = "call_1", **changes: Any) -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": "f", "arguments": "{}", **changes}


def output(call_id: str = "call_1", text: Any = "done", **changes: Any) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": text, **changes}


def events(text: str) -> list[dict[str, Any]]:
    """The events of a stream that is written as it usually is."""
    found = []
    for frame in text.split("\n\n"):
        if frame:
            first, _, data = frame.partition("\n")
            event = json.loads(data.removeprefix("data: "))
            assert first == f"event: {event['type']}"
            found.append(event)
    return found


def items(text: str) -> list[dict[str, Any]]:
    return [event["item"] for event in events(text) if event["type"] == "response.output_item.done"]


def spoken(text: str) -> str:
    return "".join(event["delta"] for event in events(text) if event["type"] == "response.output_text.delta")


@dataclass
class Client:
    """A well-behaved client with a login."""

    s: Standin
    http: httpx2.AsyncClient
    login: dict[str, Any]

    @property
    def headers(self) -> dict[str, str]:
        tokens = self.login["tokens"]
        return {"authorization": f"Bearer {tokens['access_token']}", "chatgpt-account-id": tokens["account_id"]}

    async def ask(self, body: Any = None, headers: dict[str, str] | None = None, **changes: Any) -> httpx2.Response:
        """`POST /responses`; `changes` are to the good body."""
        body = good(**changes) if body is None else body
        return await self.http.post(f"{self.s.upstream}/responses", json=body, headers=self.headers | (headers or {}))

    async def refresh(self, form: bool = False, **changes: Any) -> httpx2.Response:
        token = self.login["tokens"]["refresh_token"]
        fields = {"client_id": CLIENT_ID, "grant_type": "refresh_token", "refresh_token": token, **changes}
        fields = {key: value for key, value in fields.items() if value is not ...}
        url = f"{self.s.issuer}/oauth/token"
        return await (self.http.post(url, data=fields) if form else self.http.post(url, json=fields))

    async def models(self, version: str = "0.169.0") -> httpx2.Response:
        return await self.http.get(f"{self.s.upstream}/models?client_version={version}", headers=self.headers)

    def raw_request(
        self, body: Any = None, method: str = "POST", path: str = f"{CODEX}/responses", more: str = ""
    ) -> bytes:
        data = json.dumps(good() if body is None else body).encode() if method == "POST" else b""
        head = f"{method} {path} HTTP/1.1\r\nhost: standin\r\ncontent-type: application/json\r\n{more}"
        head += "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        return f"{head}content-length: {len(data)}\r\n\r\n".encode() + data

    async def raw(self, sent: bytes) -> bytes:
        """Everything the server says until it closes; ConnectionResetError when it resets."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.s.port)
        try:
            writer.write(sent)
            async with asyncio.timeout(5):
                return await reader.read()
        finally:
            writer.close()


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[Client]:
    async with Standin(**options) as s, httpx2.AsyncClient(verify=False) as http:
        yield Client(s, http, s.login())
