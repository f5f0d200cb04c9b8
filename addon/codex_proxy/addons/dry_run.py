"""Dry run: the client gets a canned answer, nothing goes to the backend, and no login is needed."""

import secrets
from typing import Any

import msgspec
from mitmproxy import ctx, http
from mitmproxy.addonmanager import Loader

from .. import paths
from ..answer import canned, repair, sse
from ..chat import chat_answer
from ..errors import ProxyError
from ..models import model_list
from ..models.catalogue import Catalogue, Model
from . import flows
from .event_stream import chat_of
from .settings import check_bool

HEADERS = {"cache-control": "no-cache", "openai-processing-ms": "0"}

# Names to choose from, where a client asks for them first (contract 15.5).
MODELS = ("gpt-6.1-sol", "gpt-6-astra", "gpt-6.1-terra", "gpt-6-sol", "gpt-6-luna", "gpt-5.5")

LISTED = Catalogue({name: Model(name) for name in MODELS})


class DryRun:
    def load(self, loader: Loader) -> None:
        check_bool("codex_dry_run")
        loader.add_option(
            "codex_dry_run", bool, False,
            "Answer from a canned stream and send nothing to the backend; needs no login. The client is taken through a text,"
            " and a call of one of its tools with made-up arguments if it sent any.",
        )  # fmt: skip

    def running(self) -> None:
        if flows.is_dry_run():
            flows.logger.info("Dry run: answers are canned, nothing is sent to the backend.")

    @flows.step
    def request(self, flow: http.HTTPFlow) -> None:
        """Whatever has come this far would go to the backend next; none of it does."""
        if not flows.is_dry_run():
            return
        route = flows.state_of(flow)["route"]
        flows.note(flow, "dry run")
        if flows.is_turn(flow):
            flow.response = self.answer(flow)
        elif route in ("models", "catalogue"):
            flow.response = self.models()
        elif route == "model":
            flow.response = self.listed(model_list.entry(Model(paths.model(flow.request.path))))
        else:
            raise ProxyError(
                501, "not_in_dry_run", "A dry run has no answer for this path; nothing was sent to the backend."
            )

    def answer(self, flow: http.HTTPFlow) -> http.Response:
        body: dict[str, Any] = msgspec.json.decode(flow.request.content or b"{}")
        state = flows.state_of(flow)
        events = bool(state.get("stream"))
        kind = "text/event-stream; charset=utf-8" if events else "application/json"
        headers = {"content-type": kind, "x-request-id": f"dry_{secrets.token_hex(8)}", **HEADERS}
        if "chat" in state or events:
            answer = canned.stream(body)
            answered = repair.whole(answer)
        else:
            answer = canned.whole(body)
            answered = repair.Repair(ended=repair.LAST[0], response=answer)
        # A client that takes it for stored refers to it next.
        ctx.master.addons.get("memory").keeper(flow)(answered)
        if "chat" in state:
            answer = chat_answer.whole([*sse.Frames().feed(answer)], *chat_of(state), chunks=events)
        return http.Response.make(200, answer, headers)

    def models(self) -> http.Response:
        """In OpenAI's shape and in the backend's, one beside the other."""
        backends = [{"slug": name, "display_name": name, "visibility": "list"} for name in MODELS]
        return self.listed({**model_list.listing(LISTED, variants=False), "models": backends})

    def listed(self, listed: dict[str, Any]) -> http.Response:
        return http.Response.make(200, msgspec.json.encode(listed), {"content-type": "application/json", **HEADERS})
