"""What the proxy says of itself: `GET /`, a page in a browser and JSON for everything else, and `GET /healthz`.

No secret, and not whose login it is. Nothing is changed by asking.
"""

import json
from datetime import UTC, datetime
from typing import Any

from mitmproxy import ctx, http

from .. import __version__, html_page, paths
from ..account.login import describe
from ..errors import LoginError, ProxyError
from . import flows

JSON = {"content-type": "application/json", **html_page.GUARDS}

# How the page asks for what is on it, again and again.
LIVE = "live"


class Pages:
    @flows.step
    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        state = flows.state_of(flow)
        if state["route"] == "health":
            status, page = await self.health()
            flow.response = answer(page, status)
        elif state["route"] == "about" and flow.request.path.endswith(f"?{LIVE}"):
            state["unseen"] = True
            ctx.master.addons.get("models").look()
            flow.response = answer(await self.about(flow), indent=None)
        elif state["route"] == "about":
            if html_page.wanted(flow.request.headers.get("accept", "")):
                flow.response = http.Response.make(200, html_page.HTML, html_page.HEADERS)
            else:
                flow.response = answer(await self.about(flow))

    async def health(self) -> tuple[int, dict[str, Any]]:
        """200 while a request could be sent, 503 with what to do while none could."""
        login = await self.login()
        usable = "error" not in login
        # It is answered without the key, and the rest names a folder of the person's.
        if ctx.master.addons.get("guard").key:
            login = {"state": login["state"]}
        return (200 if usable else 503), {"status": "ok" if usable else "no usable login", "login": login}

    async def about(self, flow: http.HTTPFlow) -> dict[str, Any]:
        host, port = flow.client_conn.sockname[:2] if flow.client_conn.sockname else ("127.0.0.1", 9090)
        addon = ctx.master.addons.get
        return {
            "name": "codex proxy",
            "version": __version__,
            "what": "OpenAI's API on your own ChatGPT subscription, through the Codex backend. Unofficial.",
            "now": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "base_urls": [f"http://{host}:{port}", f"http://{host}:{port}/v1"],
            "needs_key": bool(addon("guard").key),
            "dry_run": flows.is_dry_run(),
            "paths": {f"{' '.join(route.methods)} {path}": route.about for path, route in paths.ROUTES.items()}
            | {"GET /responses (WebSocket)": paths.SOCKET.about},
            "backend": flows.backend().url,
            "login": await self.login(),
            "usage": addon("status").page(),
            "credits": (held := addon("status").credits()) and held._asdict(),
            "models": addon("models").page(),
            "requests": addon("recent").rows(),
        }

    async def login(self) -> dict[str, Any]:
        store = ctx.master.addons.get("puttoken").store
        try:
            login = await store.current(look=True)
            if dead := store.refused(login):
                raise dead
            told = describe(login, store.time())
            if told["state"] == "expired":
                said = f"The token has expired and has no refresh token with it. {store.file.remedy}"
                raise LoginError("login_expired", said)
            if warning := store.warning(login):
                told["warning"] = warning
        except ProxyError as e:
            return {"state": e.code, "error": e.message}
        return told


def answer(page: dict[str, Any], status: int = 200, indent: int | None = 2) -> http.Response:
    """`json`, as a caller's name of odd bytes is nothing that msgspec would encode."""
    return http.Response.make(status, json.dumps(page, indent=indent) + "\n", JSON)
