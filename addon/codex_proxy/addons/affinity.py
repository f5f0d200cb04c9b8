"""A session header that stays the same in a conversation, for the backend's prompt cache; `cache_key.py` has the rules."""

from mitmproxy import ctx, http
from mitmproxy.addonmanager import Loader

from ..request import cache_key
from . import flows
from .settings import check_bool

HEADER = "session-id"


class Affinity:
    def load(self, loader: Loader) -> None:
        check_bool("codex_affinity")
        loader.add_option(
            "codex_affinity", bool, True,
            "Give conversations of clients that name no session one of their own, for the backend's prompt cache.",
        )  # fmt: skip

    @flows.step
    def request(self, flow: http.HTTPFlow) -> None:
        state, headers = flows.state_of(flow), flow.request.headers
        key = state.get("cache_key")
        if not key or not ctx.options.codex_affinity or any(name in headers for name in cache_key.OWN_HEADERS):
            return
        headers[HEADER] = cache_key.header(key)
        why = "keeps the conversation at the backend's prompt cache"
        state["header_changes"].append([HEADER, f"put on: {headers[HEADER]}", why])
