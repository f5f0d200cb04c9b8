"""The account's models: `GET /models` and `GET /models/{id}`, and the catalogue for what else asks for it."""

import time
from typing import Any
from urllib.parse import urlencode

import msgspec
from mitmproxy import ctx, http
from mitmproxy.addonmanager import Loader

from .. import network, paths
from ..account import identity, tokens
from ..backend import backend_calls, backend_errors, header_rules
from ..errors import ProxyError
from ..models import catalogue, model_list, model_name
from ..models.catalogue import Catalogue
from ..models.kept_catalogue import KeptCatalogue
from ..raw import Object
from ..request import body_rules, turns
from . import dry_run, flows
from .settings import check_bool

# How long the backend may take over the list before a request goes on without it (contract 1.3); seconds.
PATIENCE = 5.0

# An event says within so many bytes that it is an error.
HEAD = 4096


class Models:
    """Asks for the catalogue when something first needs it; a request whose model's name says all does not."""

    def __init__(self) -> None:
        self.kept = KeptCatalogue(self._ask)

    @property
    def catalogue(self) -> Catalogue:
        """What is known just now; empty while nothing is."""
        return self.kept.catalogue

    def load(self, loader: Loader) -> None:
        check_bool("codex_model_variants")
        loader.add_option(
            "codex_model_variants", bool, False,
            "List each model also once for each of its efforts, as gpt-6-sol-high; such names are understood either way.",
        )  # fmt: skip

    def configure(self, updated: set[str]) -> None:
        if updated & {"codex_upstream", "codex_auth_file", "codex_client_version"}:
            self.done()
            self.kept = KeptCatalogue(self._ask)

    def done(self) -> None:
        self.kept.close()

    async def for_body(self, body: Object, wish: body_rules.Wish) -> Catalogue:
        """The catalogue for a turn, which waits for it only where nothing is known and its model can't be told without."""
        if flows.is_dry_run() or not wish.full:
            return self.catalogue
        if self.catalogue:
            self.kept.renew()
        elif wish.unsaid.of_model or model_name.needs_catalogue(body, wish.models):
            return await self.kept.fresh(PATIENCE)
        elif wish.unsaid.asks_the_catalogue:
            self.kept.renew()
        return self.catalogue

    def look(self) -> None:
        """Ask for the list in the background, if it is time to. Who only looks at the page renews no token."""
        store = ctx.master.addons.get("puttoken").store
        login = store.kept.login
        if not flows.is_dry_run() and login and login.seconds_left(store.time()) >= tokens.LEEWAY:
            self.kept.renew()

    def page(self) -> list[dict[str, Any]]:
        """The models for `GET /`, as far as known now: names, and the effort where a request names none."""
        known = dry_run.LISTED if flows.is_dry_run() else self.catalogue
        return [{"name": model.slug, "effort": model.default_effort or None} for model in known.listed()]

    @flows.step
    async def request(self, flow: http.HTTPFlow) -> None:
        route = flows.state_of(flow)["route"]
        if route not in ("models", "model"):
            return
        known = await self._listed(flow)
        if route == "models":
            answer = model_list.listing(known, ctx.options.codex_model_variants)
        else:
            model_map = ctx.master.addons.get("patchbody").wish.models
            answer = model_list.one(paths.model(flow.request.path), known, model_map)
        marks = {"etag": known.etag, "x-models-etag": known.etag} if known.etag else {}
        headers = {"content-type": "application/json", "cache-control": "no-cache", **marks}
        flow.response = http.Response.make(200, msgspec.json.encode(answer), headers)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        # An answer of our own bears the mark too, and says nothing of what the backend has by now.
        if flows.is_claimed(flow) and flow.response and "sent_at" in flows.state_of(flow):
            self.kept.heard(flow.response.headers.get("x-models-etag", ""))

    async def explain(self, flow: http.HTTPFlow, error: ProxyError) -> None:
        """Make the backend's refusal of a model what OpenAI says of one: its status, and the names that come near.

        The Codex CLI keeps the backend's own status, 400: it tries others again.
        """
        state = flows.state_of(flow)
        asked = state["turns"][-1] if state.get("turns") else state
        error.message += model_list.hint(asked.get("sent_model") or "", await self.kept.fresh(PATIENCE))
        sent = {name.lower(): value for name, value in state["original"]["headers"]}
        if not header_rules.is_codex(sent):
            error.status = 404

    async def websocket_message(self, flow: http.HTTPFlow) -> None:
        """The same for a refusal that comes as an event."""
        if not flows.is_claimed(flow) or flow.websocket is None:
            return
        message = flow.websocket.messages[-1]
        event = b"" if message.from_client or message.injected or not message.is_text else message.content
        status = turns.status_of(event) if b'"error"' in event[:HEAD] else None
        try:
            if status and (error := backend_errors.explain(status, {}, event)).code == "model_not_found":
                await self.explain(flow, error)
                message.content = turns.error_event(error)
        except Exception as e:
            flows.unforeseen("Models", e, flow)

    async def _listed(self, flow: http.HTTPFlow) -> Catalogue:
        """Raises ProxyError if nothing is known, and nothing can be had."""
        known = await self.kept.fresh(PATIENCE, insist=not self.catalogue)
        if known and self.kept.is_old:
            at = time.strftime("%H:%M", time.localtime(self.kept.got_at))
            flows.note(flow, f"no list of models can be had just now; this is the one of {at}")
        elif not known:
            late = f"The list of models did not come within {PATIENCE:g} s; try again."
            raise self.kept.error or ProxyError(504, "backend_timeout", late)
        return known

    async def _ask(self) -> Catalogue:
        held = ctx.master.addons.get("puttoken")
        calls = backend_calls.BackendCalls(flows.backend().url, ctx.options.codex_originator, held.store, held.jar)
        query = urlencode({"client_version": ctx.options.codex_client_version})
        answer = await calls.get(f"{calls.base}/models?{query}", network.CATALOGUE)
        if answer.status != 200:
            raise backend_calls.problem(answer, held.store.file.remedy)
        login = await held.store.fresh()
        plan = identity.of({"access_token": login.access_token}).plan or ""
        return catalogue.parse(answer.body, answer.header("etag"), plan)
