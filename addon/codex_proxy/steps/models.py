"""The account's models: the catalogue, fetched when first needed, and suggestions when a model is refused."""

import logging
import time
from urllib.parse import urlencode

import msgspec
from mitmproxy import ctx, http

from .. import defaults
from ..account import identity, tokens
from ..backend import calls, header_rules, refusals
from ..errors import ProxyError
from ..layers import ours
from ..models import catalogue, dated_list, listing, names
from ..models.catalogue import Catalogue
from ..models.kept_catalogue import KeptCatalogue
from ..net import policy
from ..raw_json import Object
from ..request import body_rules
from ..walk.exchange import Exchange
from .login import Login

# How long the backend may take over the list before a request goes on without it (docs/backend.md, 1.3); seconds.
PATIENCE = 5.0

# Of this many names it is told that another model answers for them.
TOLD = 100

logger = logging.getLogger(__name__)


class ModelRow(msgspec.Struct):
    """A model for `GET /`: its name, and the effort where a request names none."""

    name: str
    effort: str | None


class Models:
    """Fetches the catalogue lazily; names that need no lookup do not trigger it."""

    def __init__(self, login: Login) -> None:
        self.login = login
        self.kept = KeptCatalogue(self._ask)
        self.told: set[tuple[str, str]] = set()

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
        """The catalogue for a turn. Tells once of a name that no subscription has, and which model answers for it."""
        known = await self._for_body(body, options)
        alias = names.alias_in(body, options.models, known) if options.full else None
        if alias and alias not in self.told and len(self.told) < TOLD:
            self.told.add(alias)
            logger.info(
                f"{alias[1]} answers for {alias[0]}, which no subscription has (list of {dated_list.AS_OF}). For another model:"
                f" --set codex_model_map={alias[0]}=MODEL; to leave such names as they are: --set codex_model_aliases=false"
            )
        return known

    async def _for_body(self, body: Object, options: body_rules.PatchOptions) -> Catalogue:
        """Waits only where nothing is known and the turn's model can't be told without."""
        if ours.is_dry_run():
            return dated_list.CATALOGUE
        if not options.full:
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

    def as_of(self) -> str | None:
        """The day of a list that is not the account's own."""
        return dated_list.AS_OF if ours.is_dry_run() else None

    def page(self) -> list[ModelRow]:
        """The models for `GET /`, as far as known now."""
        known = dated_list.CATALOGUE if ours.is_dry_run() else self.catalogue
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
        known = await self.kept.fresh(PATIENCE)
        sent = {name.lower(): value for name, value in exchange.original.headers} if exchange.original else {}
        is_codex = header_rules.is_codex(sent)
        too_old = refusals.asks_for_newer(error.message) or not known or asked.sent_model in known
        if (version := sent.get("version", "") if is_codex else "") and too_old:
            error.message += f" This client says it is version {version}, and may be too old for the model: update it."
        error.message += self.version_hint() + listing.hint(asked.sent_model, known, asked.model)
        if not is_codex:
            error.status = 404

    def version_hint(self) -> str:
        """That a model may be missing in the list because of `codex_client_version`, where the user has set an old one."""
        if (version := ctx.options.codex_client_version) == defaults.CLIENT_VERSION:
            return ""
        return f" It may be newer than codex_client_version={version}, with which the models are listed."

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
