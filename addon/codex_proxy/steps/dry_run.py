"""Dry run: the client gets a canned answer, nothing goes to the backend, and no login is needed."""

import logging
import secrets
from typing import Any

import msgspec
from mitmproxy import http

from .. import dialect
from ..answer import repair, sse
from ..answer.last import LAST
from ..dry_run import canned
from ..errors import ProxyError
from ..front import routes
from ..layers.ours import is_dry_run
from ..models import dated_list, listing
from ..models.catalogue import Model
from ..walk.exchange import Exchange
from .affinity import Affinity
from .memory import Memory
from .patch_body import PatchBody

logger = logging.getLogger(__name__)

HEADERS = {"cache-control": "no-cache", "openai-processing-ms": "0"}


class DryRun:
    # It answers what would go up.
    after = (PatchBody, Affinity)

    def __init__(self, memory: Memory) -> None:
        self.memory = memory

    def running(self) -> None:
        if is_dry_run():
            logger.info("Dry run: answers are canned, nothing is sent to the backend.")

    def request(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        """Answers every request that gets this far, instead of the backend."""
        if not is_dry_run():
            return
        route = exchange.route
        exchange.note("dry run")
        if exchange.sent_model and exchange.sent_model not in dated_list.CATALOGUE:
            exchange.note(f"model {exchange.sent_model} {dated_list.NOT_LISTED}")
        if route.is_turn:
            flow.response = self.answer(flow, exchange)
        elif route.name in ("models", "catalogue"):
            flow.response = self.models()
        elif route.name == "model":
            flow.response = self.listed(listing.entry(Model(routes.model(flow.request.path))))
        else:
            raise ProxyError(
                "not_in_dry_run", "A dry run has no answer for this path; nothing was sent to the backend."
            )

    def answer(self, flow: http.HTTPFlow, exchange: Exchange) -> http.Response:
        body: dict[str, Any] = msgspec.json.decode(flow.request.content or b"{}")
        kind = "text/event-stream; charset=utf-8" if exchange.stream else "application/json"
        headers = {"content-type": kind, "x-request-id": f"dry_{secrets.token_hex(8)}", **HEADERS}
        if exchange.translation or exchange.stream:
            answer = canned.stream(body)
            answered = repair.of_complete_stream(answer)
        else:
            answer = canned.as_document(body)
            answered = repair.StreamRepairer(ended=LAST[0], response=answer)
        # A client that assumes it is stored refers to it next.
        self.memory.keeper(exchange)(answered)
        if exchange.translation:
            frames = [*sse.Frames().feed(answer)]
            answer = dialect.answered(frames, exchange.translation, exchange.sent_model, streams=exchange.stream)
        return http.Response.make(200, answer, headers)

    def models(self) -> http.Response:
        """In OpenAI's shape and in the backend's, one beside the other."""
        known = dated_list.CATALOGUE
        backends = [{"slug": one.slug, "display_name": one.slug, "visibility": "list"} for one in known.listed()]
        return self.listed({**listing.listing(known, variants=False), "models": backends})

    def listed(self, listed: dict[str, Any]) -> http.Response:
        return http.Response.make(200, msgspec.json.encode(listed), {"content-type": "application/json", **HEADERS})
