"""The status of the proxy: `GET /`, a page in a browser and JSON for programs, and `GET /healthz`.

It holds no secret and no identity of the login, and has no side effects.
"""

import json
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any

import msgspec
from mitmproxy import http

from .. import __version__
from ..account.login import LoginState, describe
from ..backend import usage_windows
from ..errors import LoginError, ProxyError
from ..front import routes
from ..front import status_page as page
from ..layers import ours
from ..walk.exchange import Exchange
from .client_key import ClientKey
from .hide_polling import HidePolling
from .login import Login
from .models import ModelRow, Models
from .recent_requests import RecentRequests, Row
from .route import Route
from .usage_windows import UsageWindows, WindowRow

JSON = {"content-type": "application/json", **page.GUARDS}


class About(msgspec.Struct):
    """The JSON of `GET /`."""

    name: str
    version: str
    what: str
    now: str
    base_urls: list[str]
    needs_key: bool
    dry_run: bool
    paths: dict[str, str]
    backend: str
    login: LoginState
    usage: list[WindowRow]
    credits: usage_windows.Credits | None
    models: list[ModelRow]
    models_as_of: str | None
    """The day of the list, where it is not the account's own."""
    requests: list[Row]


class StatusPage:
    # The page's polling is recognized by its query, and gets a short answer.
    after = (Route, HidePolling)

    def __init__(
        self, key: ClientKey, login: Login, models: Models, usage: UsageWindows, recent: RecentRequests
    ) -> None:
        self.key, self.login, self.models, self.usage, self.recent = key, login, models, usage, recent

    def requestheaders(self, flow: http.HTTPFlow, exchange: Exchange) -> Awaitable[None] | None:
        if exchange.route.name == "health":
            return self._health(flow)
        if exchange.route.name == "about":
            return self._about(flow, exchange)
        return None

    async def _health(self, flow: http.HTTPFlow) -> None:
        status, told = await self.health()
        flow.response = answer(told, status)

    async def _about(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        if exchange.hidden:
            self.models.look()
            flow.response = answer(await self.about(flow), indent=None)
        elif page.wanted(flow.request.headers.get("accept", "")):
            flow.response = http.Response.make(200, page.HTML, page.HEADERS)
        else:
            flow.response = answer(await self.about(flow))

    async def health(self) -> tuple[int, dict[str, Any]]:
        """200 while a request could be sent, 503 with what to do while none could."""
        login = await self.login_state()
        usable = login.error is msgspec.UNSET
        # It is answered without the key, and the rest names a folder of the user.
        if self.key.value:
            login = LoginState(login.state)
        return (200 if usable else 503), {"status": "ok" if usable else "no usable login", "login": login}

    async def about(self, flow: http.HTTPFlow) -> About:
        host, port = flow.client_conn.sockname[:2] if flow.client_conn.sockname else ("127.0.0.1", 9090)
        paths = {f"{' '.join(route.methods)} {path}": route.about for path, route in routes.ROUTES.items()}
        return About(
            name="codex proxy",
            version=__version__,
            what="OpenAI's API on your own ChatGPT subscription, through the Codex backend. Unofficial.",
            now=datetime.now(UTC).isoformat(timespec="milliseconds"),
            base_urls=[f"http://{host}:{port}", f"http://{host}:{port}/v1"],
            needs_key=bool(self.key.value),
            dry_run=ours.is_dry_run(),
            paths=paths | {"GET /responses (WebSocket)": routes.SOCKET.about},
            backend=ours.backend().url,
            login=await self.login_state(),
            usage=self.usage.page(),
            credits=self.usage.credits(),
            models=self.models.page(),
            models_as_of=self.models.as_of(),
            requests=self.recent.rows(),
        )

    async def login_state(self) -> LoginState:
        store = self.login.store
        try:
            login = await store.current(look=True)
            if dead := store.refused(login):
                raise dead
            told = describe(login, store.time())
            if told.state == "expired":
                said = f"The token has expired, and there is no refresh token. {store.file.remedy}"
                raise LoginError("login_expired", said)
            if warning := store.warning(login):
                told.warning = warning
        except ProxyError as e:
            return LoginState(e.code or str(e.status), error=e.message)
        return told


def answer(told: Any, status: int = 200, indent: int | None = 2) -> http.Response:
    """`json`, as msgspec encodes no name of odd bytes."""
    return http.Response.make(status, json.dumps(msgspec.to_builtins(told), indent=indent) + "\n", JSON)
