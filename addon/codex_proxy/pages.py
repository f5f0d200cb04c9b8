"""What the proxy says of itself: `GET /` and `GET /healthz`. No secret, and not whose login it is."""

import json
from typing import Any

from mitmproxy import ctx, http

from . import __version__, flows, paths
from .errors import LoginError, ProxyError
from .login import describe


class Pages:
    @flows.step
    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        state = flows.state_of(flow)
        if state["route"] == "about":
            status, page = 200, await self.about(flow)
        elif state["route"] == "health":
            status, page = await self.health()
        else:
            return
        flow.response = http.Response.make(
            status, json.dumps(page, indent=2) + "\n", {"content-type": "application/json", "cache-control": "no-store"}
        )

    async def health(self) -> tuple[int, dict[str, Any]]:
        """200 while a request could be sent, 503 with what to do while none could."""
        login = await self.login()
        usable = "error" not in login
        return (200 if usable else 503), {"status": "ok" if usable else "no usable login", "login": login}

    async def about(self, flow: http.HTTPFlow) -> dict[str, Any]:
        host, port = flow.client_conn.sockname[:2] if flow.client_conn.sockname else ("127.0.0.1", 9090)
        return {
            "name": "codex proxy",
            "version": __version__,
            "what": "OpenAI's Responses API on your own ChatGPT subscription, through the Codex backend. Unofficial.",
            "base_urls": [f"http://{host}:{port}", f"http://{host}:{port}/v1"],
            "paths": {
                f"{' '.join(route.methods)} {path}": route.about
                for path, route in paths.ROUTES.items()
                if route.name not in paths.LATER
            },
            "backend": flows.backend().url,
            "login": await self.login(),
            "usage": ctx.master.addons.get("status").page(),
        }

    async def login(self) -> dict[str, Any]:
        store = ctx.master.addons.get("puttoken").store
        try:
            login = await store.current(look=True)
            if dead := store.refused(login):
                raise dead
            told = describe(login)
            if told["state"] == "expired":
                raise LoginError("login_expired", "The token has expired and has no refresh token with it.")
        except ProxyError as e:
            return {"state": e.code, "error": e.message}
        return told
