"""The account's models: for the error that one is not among them, and for the page."""

import asyncio
import json
import logging
import time
from typing import Any, NamedTuple
from urllib.parse import urlencode

from mitmproxy import ctx

from . import dry_run, flows, outbound, upstream
from .errors import ProxyError
from .login import Login
from .redact import redact
from .tokens import LEEWAY

logger = logging.getLogger(__name__)

# How long a list is good (contract 1.3), how long the backend may take over it, and how long the page waits after a failure; seconds.
LIFE, PATIENCE, PAUSE = 300.0, 5.0, 60.0


class Model(NamedTuple):
    """`effort` is the one it works with where a request names none; None: not said."""

    name: str
    effort: str | None = None


class ModelNames:
    def __init__(self) -> None:
        self._looking: asyncio.Task[None] | None = None

    def configure(self, updated: set[str]) -> None:
        if updated & {"codex_upstream", "codex_auth_file"}:
            self._known: list[Model] = []
            self._asked_at = self._failed_at = float("-inf")

    async def names(self) -> list[str]:
        """Names a person may choose from; empty if the list can't be had just now."""
        if time.monotonic() - self._asked_at >= LIFE:
            try:
                await self._ask(await ctx.master.addons.get("puttoken").store.fresh())
            except Exception as e:
                self._failed(e)
        return [model.name for model in self._known]

    def known(self) -> list[Model]:
        """What is known now."""
        return [Model(name) for name in dry_run.MODELS] if flows.is_dry_run() else self._known

    def look(self) -> None:
        """Ask for the list in the background, if it is time to."""
        now = time.monotonic()
        is_due = now - self._asked_at >= LIFE and now - self._failed_at >= PAUSE
        if is_due and not flows.is_dry_run() and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        store = ctx.master.addons.get("puttoken").store
        try:
            login = await store.current()
        except ProxyError:
            return  # the page says so itself
        # Looking at a page renews no token.
        if login.seconds_left(time.time()) < LEEWAY:
            return
        try:
            await self._ask(login)
        except Exception as e:
            self._failed(e)

    def _failed(self, e: Exception) -> None:
        self._failed_at = time.monotonic()
        logger.warning(f"The list of models can't be had: {redact(str(e)) or type(e).__name__}")

    async def _ask(self, login: Login) -> None:
        originator = ctx.options.codex_originator
        headers = {
            **ctx.master.addons.get("puttoken").headers(login),
            "originator": originator,
            "user-agent": upstream.user_agent(originator),
            "accept": "application/json",
        }
        fields = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        query = urlencode({"client_version": ctx.options.codex_client_version})
        answer = await outbound.send("GET", f"{flows.backend().url}/models?{query}", fields, b"", PATIENCE)
        if answer.status != 200:
            raise ValueError(f"the backend answered {answer.status}")
        listed = json.loads(answer.body)["models"]
        self._known = [model_of(entry) for entry in listed if entry.get("visibility", "list") == "list"]
        self._asked_at = time.monotonic()


def model_of(entry: dict[str, Any]) -> Model:
    """A model as the catalogue has it (contract 1.3)."""
    effort = entry.get("default_reasoning_level")
    return Model(str(entry["slug"]), effort if isinstance(effort, str) else None)
