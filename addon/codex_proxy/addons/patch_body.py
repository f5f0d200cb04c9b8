"""The body made acceptable to the backend; every change is noted on the flow."""

from dataclasses import replace

from mitmproxy import ctx, http
from mitmproxy.addonmanager import Loader
from mitmproxy.utils import human

from .. import encodings, raw, workers
from ..errors import ProxyError
from ..models import model_map
from ..request import body_rules, opening, stored
from . import flows, wire
from .settings import reject

PATCHES = ("full", "store")

# Codings the backend takes as well (contract section 2): a body with nothing to change keeps them.
BACKEND_CODINGS = ("gzip", "zstd")


class PatchBody:
    limit = 128 << 20
    wish = body_rules.Wish()

    def load(self, loader: Loader) -> None:
        loader.add_option(
            "codex_patch",
            str,
            "full",
            "full: everything the backend would refuse is put right; store: store:false and nothing else.",
        )
        loader.add_option(
            "codex_model_map", model_map.Entries, [],
            "Sequence of PATTERN=MODEL or PATTERN=MODEL:EFFORT; first match wins. As in gpt-4.1=gpt-6-luna, *=gpt-6-sol:low.",
        )  # fmt: skip
        loader.add_option(
            "codex_model_default", str, "",
            "MODEL or MODEL:EFFORT in the place of names that the account does not have; empty: the backend refuses them.",
        )  # fmt: skip
        loader.add_option(
            "codex_body_limit", str, "128m", "Largest request body taken; k, m and g as in mitmproxy's own options."
        )

    def configure(self, updated: set[str]) -> None:
        if "codex_body_limit" in updated:
            try:
                self.limit = human.parse_size(ctx.options.codex_body_limit) or 0
            except ValueError:
                self.limit = 0
            if self.limit <= 0:
                reject(f"codex_body_limit={ctx.options.codex_body_limit!r} is no size; write it as 128m, 500k, 1g")
        if "codex_patch" in updated and ctx.options.codex_patch not in PATCHES:
            reject(f"codex_patch={ctx.options.codex_patch!r}; it can be {' or '.join(PATCHES)}")
        if updated & {"codex_patch", "codex_model_map", "codex_model_default"}:
            try:
                models = model_map.parse(ctx.options.codex_model_map, ctx.options.codex_model_default)
            except ValueError as e:
                reject(str(e))
            else:
                self.wish = body_rules.Wish(full=ctx.options.codex_patch != "store", models=models)

    @flows.step
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        state = flows.state_of(flow)
        length = flow.request.headers.get("content-length", "0")
        if length.isdigit() and int(length) > self.limit:
            raise self.too_large()
        flow.request.stream = False
        wire.bound_body(flow, self.limit, lambda: state.update(too_large=True))

    @flows.step
    async def request(self, flow: http.HTTPFlow) -> None:
        state, request = flows.state_of(flow), flow.request
        if state.pop("too_large", False):
            raise self.too_large()
        coding = request.headers.get("content-encoding", "")
        try:
            body = await self.decoded(request.raw_content or b"", coding)
        except ProxyError:
            # Whoever looks at it would decode it, without bounds.
            request.headers.pop("content-encoding", None)
            raise
        flows.keep_original_body(flow, body)
        if not flows.is_turn(flow) and state["route"] != "compact":
            # A GET; what nobody has looked at goes no further.
            request.headers.pop("content-encoding", None)
            request.raw_content = b""
            request.headers.pop("content-length", None)
            return
        top = await workers.run(len(body), opening.opened, body)
        patched = await workers.run(len(body), body_rules.patch, top, await self.wish_of(flow, top))
        state.update(stream=patched.stream, model=patched.model, sent_model=patched.sent_model)
        state.update(believes_stored=patched.believes_stored, cache_key=patched.cache_key)
        if patched.chat:
            state["chat"] = patched.chat.record()
        state["changes"] = [list(change) for change in patched.changes]
        request.headers["content-type"] = "application/json"
        if patched.body is not None or not set(encodings.codings(coding)) <= set(BACKEND_CODINGS):
            request.headers.pop("content-encoding", None)
            request.raw_content = body if patched.body is None else patched.body

    async def wish_of(self, flow: http.HTTPFlow, body: raw.Object) -> body_rules.Wish:
        """How a body of this flow, decoded at its top level, is to be changed."""
        state = flows.state_of(flow)
        past = stored.Past(ctx.master.addons.get("memory").store, state["caller"])
        caller = state["caller"] if ctx.options.codex_affinity else None
        wish = replace(self.wish, unsaid=await ctx.master.addons.get("unsaid").now())
        return replace(
            wish,
            catalogue=await ctx.master.addons.get("models").for_body(body, wish),
            lite=state["lite"],
            compact=state["route"] == "compact",
            chat=state["route"] == "chat",
            past=past,
            caller=caller,
            session=state.get("session", ""),
        )

    async def decoded(self, body: bytes, coding: str) -> bytes:
        """The body without its codings. Raises ProxyError."""
        if not encodings.codings(coding):
            return body
        try:
            # A small one may hold a large one.
            return await workers.run(self.limit, encodings.decode, body, coding, self.limit)
        except encodings.TooLarge:
            raise self.too_large() from None

    def too_large(self) -> ProxyError:
        return ProxyError(
            413, "body_too_large", f"The request body is larger than {ctx.options.codex_body_limit}, which is the most this proxy takes"
            " (option codex_body_limit).",
        )  # fmt: skip
