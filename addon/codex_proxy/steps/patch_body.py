"""Patch the body so that the backend accepts it; every change is noted on the exchange."""

from dataclasses import replace

from mitmproxy import ctx, http

from .. import raw_json, workers
from ..errors import ProxyError
from ..layers import wire
from ..memory import line_orders, store
from ..message import encodings
from ..request import body_rules, opening
from ..walk.exchange import Exchange
from . import exchanges
from .admit import Admit
from .capture import Capture
from .memory import Memory
from .models import Models
from .patching import Patching
from .route import Route
from .set_headers import SetHeaders
from .user_defaults import UserDefaults

# Codings the backend takes as well (docs/backend.md, 2): a body with nothing to change keeps them.
BACKEND_CODINGS = ("gzip", "zstd")


class PatchBody:
    # Capture keeps the body as the client sent it.
    after = (Admit, Route, SetHeaders, Capture)

    def __init__(self, patching: Patching, models: Models, memory: Memory, defaults: UserDefaults) -> None:
        self.patching, self.models, self.memory, self.defaults = patching, models, memory, defaults
        self.orders = line_orders.LineOrders()

    def requestheaders(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        length = flow.request.headers.get("content-length", "0")
        if length.isdigit() and int(length) > self.patching.limit:
            raise self.patching.too_large()
        flow.request.stream = False
        wire.bound_body(flow, self.patching.limit, lambda: setattr(exchange, "too_large", True))

    async def request(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        request = flow.request
        if exchange.too_large:
            exchange.too_large = False
            raise self.patching.too_large()
        coding = request.headers.get("content-encoding", "")
        try:
            body = await self._decoded(request.raw_content or b"", coding)
        except ProxyError:
            # A viewer of the flow would decode it, without bounds.
            request.headers.pop("content-encoding", None)
            raise
        exchanges.keep_original_body(exchange, body)
        if exchange.route.body == "none":
            # A GET; a body that was not examined goes no further.
            request.headers.pop("content-encoding", None)
            request.raw_content = b""
            request.headers.pop("content-length", None)
            return
        top = await workers.run(len(body), opening.opened, body)
        patched = await workers.run(len(body), body_rules.patch, top, await self.options_for(exchange, top))
        exchange.stream, exchange.model, exchange.sent_model = patched.stream, patched.model, patched.sent_model
        exchange.believes_stored, exchange.cache_key = patched.believes_stored, patched.cache_key
        exchange.translation, exchange.changes = patched.translation, patched.changes
        request.headers["content-type"] = "application/json"
        if patched.body is not None or not set(encodings.codings(coding)) <= set(BACKEND_CODINGS):
            request.headers.pop("content-encoding", None)
            request.raw_content = body if patched.body is None else patched.body

    async def options_for(self, exchange: Exchange, body: raw_json.Object) -> body_rules.PatchOptions:
        """How a body of this exchange, decoded at its top level, is to be changed."""
        options = replace(self.patching.options, defaults=await self.defaults.now())
        return replace(
            options,
            catalogue=await self.models.for_body(body, options),
            lite=exchange.lite,
            compact=exchange.route.body == "compact",
            translate=exchange.route.translate,
            past=store.CallerView(self.memory.store, exchange.caller),
            caller=exchange.caller if ctx.options.codex_affinity else None,
            session=exchange.session,
            orders=self.orders,
        )

    async def _decoded(self, body: bytes, coding: str) -> bytes:
        """The body without its codings. Raises ProxyError."""
        if not encodings.codings(coding):
            return body
        try:
            # A small one may hold a large one.
            return await workers.run(self.patching.limit, encodings.decode, body, coding, self.patching.limit)
        except encodings.TooLarge:
            raise self.patching.too_large() from None
