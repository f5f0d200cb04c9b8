"""Set a session header that stays the same in a conversation, for the backend's prompt cache; cache_key.py has the rules."""

from mitmproxy import ctx, http

from ..changes import Change
from ..request import cache_key
from ..walk.exchange import Exchange
from .patch_body import PatchBody
from .set_headers import SetHeaders

HEADER = "session-id"


class Affinity:
    after = (SetHeaders, PatchBody)

    def request(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        headers, key = flow.request.headers, exchange.cache_key
        if not key or not ctx.options.codex_affinity or any(name in headers for name in cache_key.OWN_HEADERS):
            return
        headers[HEADER] = cache_key.header(key)
        why = "lets the backend's prompt cache serve the conversation"
        exchange.header_changes.append(Change(HEADER, f"set: {headers[HEADER]}", why))
