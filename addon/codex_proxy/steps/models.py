"""The account's models: the catalogue, fetched when first needed, and suggestions when a model is refused."""

import time
from urllib.parse import urlencode

import msgspec
from mitmproxy import ctx, http

from ..account import identity, tokens
from ..backend import calls, header_rules
from ..dry_run.catalogue import LISTED
from ..errors import ProxyError
from ..layers import ours
from ..models import catalogue, listing, names
from ..models.catalogue import Catalogue
from ..models.kept_catalogue import KeptCatalogue
from ..net import policy
from ..raw_json import Object
from ..request import body_rules
from ..walk.exchange import Exchange
from .login import Login

# How long the backend may take over the list before a request goes on without it (docs/backend.md, 1.3); seconds.
PATIENCE = 5.0


class ModelRow(msgspec.Struct):
    """A model for `GET /`: its name, and the effort where a request names none."""

    name: str
    effort: str | None


class Models:
    """Fetches the catalogue lazily; names that need no lookup do not trigger it."""

    def __init__(self, login: Login) -> None:
        self.login = login
        self.kept = KeptCatalogue(self._ask)

    @property
    def catalogue(self) -> Catalogue:
        """The current catalogue; empty if there is none."""
        return self.kept.catalogue

    def configure(self, updated: set[str]) -> None:
        if updated & {"codex_upstream", "codex_auth_file", "codex_client_version"}:
            self.done()
            self.kept = KeptCatalogue(self._ask)

    def done(self) -> None:
        self.kept.close()

    async def for_body(self, body: Object, options: body_rules.PatchOptions) -> Catalogue:
        """The catalogue for a turn, which waits for it only where nothing is known and its model can't be told without."""
        if ours.is_dry_run() or not options.full:
            return self.catalogue
        if self.catalogue:
            self.kept.renew()
        elif options.defaults.of_model or names.needs_catalogue(body, options.models):
            return await self.kept.fresh(PATIENCE)
        elif options.defaults.asks_the_catalogue:
            self.kept.renew()
        return self.catalogue

    def look(self) -> None:
        """Ask for the list in the background, if it is due. Viewing the page does not renew a token."""
        store = self.login.store
        login = store.kept.login
        if not ours.is_dry_run() and login and login.seconds_left(store.time()) >= tokens.LEEWAY:
            self.kept.renew()

    def page(self) -> list[ModelRow]:
        """The models for `GET /`, as far as known now."""
        known = LISTED if ours.is_dry_run() else self.catalogue
        return [ModelRow(model.slug, model.default_effort or None) for model in known.listed()]

    def responseheaders(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        # An answer of our own bears the ETag too, and says nothing of what the backend has by now.
        if flow.response and exchange.was_sent:
            self.kept.heard(flow.response.headers.get("x-models-etag", ""))

    async def explain(self, exchange: Exchange, error: ProxyError) -> None:
        """Turn the backend's refusal of a model into OpenAI's: its status, with similar names.

        The Codex CLI keeps the backend's own status, 400: it tries others again.
        """
        asked = exchange.turns[-1] if exchange.turns else exchange
        error.message += listing.hint(asked.sent_model, await self.kept.fresh(PATIENCE))
        sent = {name.lower(): value for name, value in exchange.original.headers} if exchange.original else {}
        if not header_rules.is_codex(sent):
            error.status = 404

    async def listed(self, exchange: Exchange) -> Catalogue:
        """Raises ProxyError if there is no catalogue and none can be fetched."""
        known = await self.kept.fresh(PATIENCE, insist=not self.catalogue)
        if known and self.kept.is_old:
            at = time.strftime("%H:%M", time.localtime(self.kept.got_at))
            exchange.note(f"the list of models can't be fetched at the moment; this is the one of {at}")
        elif not known:
            late = f"The list of models did not come within {PATIENCE:g} s; try again."
            raise self.kept.error or ProxyError("backend_timeout", late)
        return known

    async def _ask(self) -> Catalogue:
        store = self.login.store
        backend = calls.BackendCalls(ours.backend().url, ctx.options.codex_originator, store, self.login.jar)
        query = urlencode({"client_version": ctx.options.codex_client_version})
        answer = await backend.get(f"{backend.base}/models?{query}", policy.CATALOGUE)
        if answer.status != 200:
            raise calls.problem(answer, store.file.remedy)
        login = await store.fresh()
        plan = identity.of({"access_token": login.access_token}).plan or ""
        return catalogue.parse(answer.body, answer.header("etag"), plan)
