"""The names of the account's models, for the error that one is not among them."""

import json
import logging
import time
from urllib.parse import urlencode

from mitmproxy import ctx

from . import flows, outbound, upstream
from .redact import redact

logger = logging.getLogger(__name__)

# How long a list is good (contract 1.3), and how long the backend may take over it; seconds.
LIFE, PATIENCE = 300.0, 5.0


class ModelNames:
    def configure(self, updated: set[str]) -> None:
        if updated & {"codex_upstream", "codex_auth_file"}:
            self._known: tuple[float, list[str]] = (float("-inf"), [])

    async def names(self) -> list[str]:
        """Names a person may choose from; empty if the list can't be had just now."""
        asked_at, known = self._known
        if time.monotonic() - asked_at < LIFE:
            return known
        try:
            known = await self._ask()
        except Exception as e:
            logger.warning(f"The list of models can't be had: {redact(str(e)) or type(e).__name__}")
            return known
        self._known = (time.monotonic(), known)
        return known

    async def _ask(self) -> list[str]:
        tokens, originator = ctx.master.addons.get("puttoken"), ctx.options.codex_originator
        headers = {
            **tokens.headers(await tokens.store.fresh()),
            "originator": originator,
            "user-agent": upstream.user_agent(originator),
            "accept": "application/json",
        }
        fields = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        query = urlencode({"client_version": ctx.options.codex_client_version})
        answer = await outbound.send("GET", f"{flows.backend().url}/models?{query}", fields, b"", PATIENCE)
        models = json.loads(answer.body)["models"]
        return [model["slug"] for model in models if model.get("visibility", "list") == "list"]
