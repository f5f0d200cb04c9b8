"""`GET /models` and `GET /models/{id}`, in OpenAI's form."""

from collections.abc import Awaitable

import msgspec
from mitmproxy import ctx, http

from ..front import routes
from ..models import listing
from ..walk.exchange import Exchange
from .dry_run import DryRun
from .models import Models
from .patch_body import PatchBody
from .patching import Patching


class ListModels:
    after = (PatchBody, DryRun)

    def __init__(self, models: Models, patching: Patching) -> None:
        self.models, self.patching = models, patching

    def request(self, flow: http.HTTPFlow, exchange: Exchange) -> Awaitable[None] | None:
        return self._answer(flow, exchange) if exchange.route.name in ("models", "model") else None

    async def _answer(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        known = await self.models.listed(exchange)
        if exchange.route.name == "models":
            answer = listing.listing(known, ctx.options.codex_model_variants)
        else:
            answer = listing.one(
                routes.model(flow.request.path), known, self.patching.options.models, self.models.version_hint()
            )
        marks = {"etag": known.etag, "x-models-etag": known.etag} if known.etag else {}
        headers = {"content-type": "application/json", "cache-control": "no-cache", **marks}
        flow.response = http.Response.make(200, msgspec.json.encode(answer), headers)
